//! The Autobahn test suite: its client, which breaks WebSockets in five hundred ways, against `mu run`.

mod outcomes;
mod suite;

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::failure::{Doing, Failure, Outcome};
use crate::{process, repository};

/// What is run of the suite.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    All,
    /// Without the cases that only measure.
    Quick,
}

/// A stack that sends every message back. The limits are those of the largest case, 16 MiB, and of the one that sends
/// the most frames.
const MANIFEST: &str = "\
name: autobahn
version: 1.0.0
services:
  - {type: Function, name: kit, module: kit.wasm, memory_limit: 256MiB}
  - type: Gateway
    name: echo
    websocket: {max_message: 16MiB, max_rate: 100000}
    endpoints:
      /: {websocket: kit.echo}
";

/// The suite's name for what it tested.
const AGENT: &str = "mu";

/// How long the server may take until it says where it listens: the first start compiles the function.
const START_MAX: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(20);

/// Installs the suite where it is missing, runs it, and prints how many cases ended how. Fails if any failed.
pub(crate) fn run(extent: Extent) -> Outcome {
    let suite = suite::install()?;
    let binaries = process::development_build()?;
    let work = tempfile::tempdir().doing("creating a folder for the run")?;
    let server = Server::start(&repository::root(), &binaries, work.path())?;
    let reports = repository::target_folder().join("autobahn");
    let specification = work.path().join("fuzzingclient.json");
    let written = std::fs::write(&specification, specification_of(&server.url, &reports, extent).to_string());
    written.doing("writing the specification of the run")?;
    process::run_as_talk(suite.command().args(["--mode", "fuzzingclient", "--spec"]).arg(&specification))?;
    drop(server);

    let index = reports.join("index.json");
    let text = std::fs::read_to_string(&index).doing(format_args!("reading {}", index.display()))?;
    let outcomes = outcomes::read(&text, AGENT)?;
    print!("{outcomes}");
    eprintln!("each case: {}", reports.join("index.html").display());
    outcomes.verdict()
}

/// The cases. Compression (12, 13) is an extension that is not offered, so that those cases tell nothing.
fn specification_of(url: &str, reports: &Path, extent: Extent) -> Value {
    let left_out: &[&str] = match extent {
        Extent::All => &["12.*", "13.*"],
        Extent::Quick => &["9.*", "12.*", "13.*"],
    };
    json!({
        "outdir": reports,
        "servers": [{"agent": AGENT, "url": url}],
        "cases": ["*"],
        "exclude-cases": left_out,
        "exclude-agent-cases": {},
    })
}

/// `mu run` of the stack; ends with its owner.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start(root: &Path, binaries: &Path, work: &Path) -> Outcome<Self> {
        let project = work.join("project");
        std::fs::create_dir(&project).doing("creating the project")?;
        std::fs::write(project.join("mu.yaml"), MANIFEST).doing("writing the manifest")?;
        let module = root.join("guests/modules/kit.wasm");
        std::fs::copy(&module, project.join("kit.wasm")).doing(format_args!("copying {}", module.display()))?;
        let addresses = work.join("addresses.json");
        let log = File::create(work.join("mu.log")).doing("creating the server's log")?;
        let errors = log.try_clone().doing("opening the server's log twice")?;
        let mut command = Command::new(binaries.join("mu"));
        command.arg("run").arg(&project).args(["--gateway", "127.0.0.1:0", "--no-watch"]);
        command.arg("--data-dir").arg(work.join("data")).arg("--addresses").arg(&addresses);
        let process = command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn().doing("starting `mu run`")?;
        let mut server = Self { process, url: String::new() };
        let start = Instant::now();
        loop {
            if let Some(url) = std::fs::read_to_string(&addresses).ok().as_deref().and_then(url_of) {
                server.url = url;
                return Ok(server);
            }
            let has_ended = server.process.try_wait().doing("looking at the server")?.is_some();
            if has_ended || start.elapsed() > START_MAX {
                let said = std::fs::read_to_string(work.join("mu.log")).unwrap_or_default();
                return Err(Failure::new(format!("the server did not start; it said:\n{}", said.trim())));
            }
            std::thread::sleep(POLL);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Where the stack answers, in what `mu run --addresses` wrote.
fn url_of(text: &str) -> Option<String> {
    let addresses: Value = serde_json::from_str(text).ok()?;
    addresses["routes"][0]["url"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_once_it_is_written() {
        assert_eq!(url_of(r#"{"routes": [{"url": "ws://x/"}]}"#).as_deref(), Some("ws://x/"));
        assert_eq!(url_of(r#"{"rou"#), None);
        assert_eq!(url_of("{}"), None);
    }

    #[test]
    fn measuring_is_left_out_of_a_quick_run() {
        let left_out = |extent| specification_of("ws://x", Path::new("/r"), extent)["exclude-cases"].clone();
        assert_eq!(left_out(Extent::All), json!(["12.*", "13.*"]));
        assert_eq!(left_out(Extent::Quick), json!(["9.*", "12.*", "13.*"]));
    }
}
