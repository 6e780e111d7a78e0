//! A running `mu serve`, and the `mu` of somebody who uses it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::http::{self, Answer};
use super::process::{end, mu, wait_until};

/// A node with a home of its own, in which its data and its user's key are; killed when dropped.
pub(crate) struct Node {
    home: TempDir,
    child: Child,
    addresses: Value,
    settings: Settings,
}

/// Keys of the node's configuration, as `--set` takes them.
type Settings = Vec<String>;

impl Node {
    /// A new node whose operator is whoever calls [`Node::mu`].
    pub(crate) fn with_operator() -> Self {
        Self::with_operator_and(&[])
    }

    /// The same with settings like `egress.allow=anywhere`.
    pub(crate) fn with_operator_and(settings: &[&str]) -> Self {
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let node = Self::start(TempDir::new().unwrap(), settings);
        let token = node.data().join("bootstrap.token");
        node.done(node.home.path(), &["login", &node.api_url(), "--bootstrap-token-file", token.to_str().unwrap()]);
        node
    }

    /// A node without an operator.
    pub(crate) fn new() -> Self {
        Self::start(TempDir::new().unwrap(), Settings::new())
    }

    fn start(home: TempDir, settings: Settings) -> Self {
        let (child, addresses) = serve(home.path(), "127.0.0.1:0", &settings);
        Self { home, child, addresses, settings }
    }

    /// Kills it as an emergency would, and starts it again with what it left.
    pub(crate) fn kill_and_start_again(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let api = self.addresses["api"].as_str().unwrap().to_owned();
        (self.child, self.addresses) = serve(self.home.path(), &api, &self.settings);
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
        wait_until("the node's end", || self.child.try_wait().unwrap()).code()
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.home.path().join(".local/share/mu/node")
    }

    pub(crate) fn gateway(&self) -> SocketAddr {
        self.address("gateway")
    }

    pub(crate) fn address(&self, of: &str) -> SocketAddr {
        self.addresses[of].as_str().unwrap().parse().unwrap()
    }

    pub(crate) fn api_url(&self) -> String {
        format!("http://{}", self.addresses["api"].as_str().unwrap())
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        http::send(self.gateway(), "GET", path, &[], b"").unwrap()
    }

    /// Asks the management API, with a token that may do everything.
    pub(crate) fn ask(&self, token: &str, method: &str, path: &str, body: &[u8]) -> Answer {
        let headers = [("authorization", &*format!("Bearer {token}")), ("content-type", "application/json")];
        http::send(self.address("api"), method, path, &headers, body).unwrap()
    }

    /// Makes such a token.
    pub(crate) fn token(&self) -> String {
        self.done(self.home(), &["token", "create", "t", "--role", "admin", "--node"]).trim().to_owned()
    }

    /// A command of the node's user, in a folder.
    pub(crate) fn mu(&self, folder: &Path, arguments: &[&str]) -> Command {
        at_home(mu(folder, arguments), self.home.path())
    }

    /// Runs one that has to succeed, and answers what it printed.
    pub(crate) fn done(&self, folder: &Path, arguments: &[&str]) -> String {
        let output = self.mu(folder, arguments).output().unwrap();
        assert!(output.status.success(), "mu {arguments:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same as JSON.
    pub(crate) fn json(&self, folder: &Path, arguments: &[&str]) -> Value {
        let text = self.done(folder, &[arguments, &["--output", "json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
    }
}

/// What a command told people.
pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A command with this home, and nothing that would lead elsewhere.
pub(crate) fn at_home(mut command: Command, home: &Path) -> Command {
    for variable in ["XDG_DATA_HOME", "XDG_CONFIG_HOME", "MU_CONTEXT", "MU_TOKEN", "MU_URL"] {
        command.env_remove(variable);
    }
    // Compiled modules are kept where they are for other tests.
    if std::env::var_os("XDG_CACHE_HOME").is_none()
        && let Some(home) = std::env::var_os("HOME")
    {
        command.env("XDG_CACHE_HOME", Path::new(&home).join(".cache"));
    }
    command.env("HOME", home);
    command
}

fn serve(home: &Path, api: &str, settings: &[String]) -> (Child, Value) {
    let addresses = home.join("addresses.json");
    // Of an earlier start.
    let _ = std::fs::remove_file(&addresses);
    let arguments = ["serve", "--gateway", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--api", api, "--addresses"];
    let log = std::fs::File::create(home.join("node.log")).unwrap();
    let mut command = at_home(mu(home, &arguments), home);
    command.arg(&addresses).args(settings.iter().flat_map(|setting| ["--set", setting]));
    let mut child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
    let text = wait_until("the addresses of the node", || {
        if let Some(status) = child.try_wait().unwrap() {
            let log = std::fs::read_to_string(home.join("node.log")).unwrap_or_default();
            panic!("mu serve ended with {status}:\n{log}");
        }
        std::fs::read(&addresses).ok()
    });
    (child, serde_json::from_slice(&text).unwrap())
}

impl Drop for Node {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}
