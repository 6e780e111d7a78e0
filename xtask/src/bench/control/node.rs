//! A node that was started to be measured or tested, and the `mu` that operates it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::super::server::Server;
use super::super::start;
use super::api::Client;
use super::timed;
use crate::failure::{Doing, Failure, Outcome};
use crate::process;

/// What says which node `mu` asks, and as whom: a shell may have it set.
const VARIABLES: [&str; 3] = ["MU_CONTEXT", "MU_TOKEN", "MU_URL"];
/// How long memory may take to settle after the start.
const SETTLE_MAX: Duration = Duration::from_secs(15);
const SETTLE_POLL: Duration = Duration::from_secs(1);

pub(crate) struct Node {
    server: Server,
    mu: PathBuf,
    folder: PathBuf,
    /// Where the management API listens.
    api: String,
    start_time: Duration,
}

impl Node {
    /// Starts a node with its data in `folder`, as an earlier one left them there.
    pub(crate) fn start(binaries: &Path, folder: &Path) -> Outcome<Self> {
        let (server, start_time) = timed(|| start::served(binaries, folder))?;
        let api = start::addresses(folder).and_then(|addresses| addresses["api"].as_str().map(str::to_owned));
        let api = api.ok_or_else(|| Failure::new("the node did not say where its API is"))?;
        Ok(Self { server, mu: binaries.join("mu"), folder: folder.to_owned(), api, start_time })
    }

    /// How long it took from the start of the process until it was ready.
    pub(super) fn start_time(&self) -> Duration {
        self.start_time
    }

    /// Where a route of a stack is.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.url())
    }

    /// Makes `mu` the operator, and returns a token that may do everything.
    pub(crate) fn become_operator(&self) -> Outcome<String> {
        let mut login = self.mu(&["login", &format!("http://{}", self.api), "--bootstrap-token-file"]);
        process::capture(login.arg(self.folder.join("data/bootstrap.token")).env_remove("MU_URL"))?;
        process::capture(&mut self.mu(&["token", "create", "bench", "--role", "admin", "--node"]))
    }

    /// Deploys a project with `mu deploy`, signed by the operator's key.
    pub(crate) fn deploy(&self, project: &Path) -> Outcome {
        process::capture(self.mu(&["deploy"]).arg(project)).map(drop)
    }

    pub(super) fn connect(&self, token: &str) -> Outcome<Client> {
        Client::connect(&self.api, token)
    }

    /// Where the management API listens.
    pub(crate) fn api(&self) -> &str {
        &self.api
    }

    /// Memory in use, once it grows no more.
    pub(super) fn settled_bytes(&self) -> Outcome<u64> {
        let mut last = 0;
        for _ in 0..SETTLE_MAX.as_secs() / SETTLE_POLL.as_secs() {
            std::thread::sleep(SETTLE_POLL);
            let now = self.server.resident_bytes()?;
            if now <= last {
                return Ok(now);
            }
            last = now;
        }
        Ok(last)
    }

    pub(crate) fn stop(self) -> Outcome {
        self.server.stop()
    }

    fn mu(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.mu);
        command.args(arguments).env("XDG_CONFIG_HOME", self.folder.join("config"));
        for variable in VARIABLES {
            command.env_remove(variable);
        }
        command.env("MU_URL", format!("http://{}", self.api));
        command
    }
}

/// What to ask the API for to make one more version like the first one of a stack, and serve it.
pub(super) fn same_again(client: &mut Client, stack: &str) -> Outcome<Value> {
    let first = client.get(&format!("/v1/stacks/{stack}/versions/1")).doing("reading the first version")?;
    let (declared, artifacts) = (&first["stack"], &first["version"]["artifacts"]);
    Ok(serde_json::json!({ "stack": declared, "artifacts": artifacts, "activate": true }))
}
