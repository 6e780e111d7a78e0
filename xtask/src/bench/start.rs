//! How each server is started, and how it says where it listens.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::load::single_request;
use super::peers::Peers;
use super::server::Server;
use crate::failure::{Doing, Outcome};
use crate::process;

/// The core of the server; the load has the other one.
const CORE: &str = "0";

/// The file in which `mu` writes where it listens.
const ADDRESSES: &str = "addresses.json";

/// `mu run` of a project with data of its own in `work`, requested at its first route for GET; what it logs goes to a
/// file, as it would for an operator.
pub(super) fn ours(project: &Path, binaries: &Path, work: &Path) -> Outcome<Server> {
    run(pinned(&binaries.join("mu"))?, project, work)
}

/// The same on all cores, which is where containers run as well.
pub(super) fn ours_on_all_cores(project: &Path, binaries: &Path, work: &Path) -> Outcome<Server> {
    run(Command::new(binaries.join("mu")), project, work)
}

fn run(mut command: Command, project: &Path, work: &Path) -> Outcome<Server> {
    let (addresses, log) = (work.join(ADDRESSES), work.join("mu.log"));
    command.arg("run").arg(project).args(["--gateway", "127.0.0.1:0", "--no-watch"]);
    command.arg("--data-dir").arg(work.join("data")).arg("--addresses").arg(&addresses);
    let server = spawn(&mut command, &log)?;
    server.once_ready(&log, || first_get_route(&std::fs::read_to_string(&addresses).ok()?))
}

/// `mu serve` with its data in `work`, once it says that it is ready.
pub(super) fn served(binaries: &Path, work: &Path) -> Outcome<Server> {
    let (file, log) = (work.join(ADDRESSES), work.join("mu.log"));
    // Those of an earlier start would be taken for these.
    if file.exists() {
        std::fs::remove_file(&file).doing(format_args!("removing {}", file.display()))?;
    }
    let mut command = pinned(&binaries.join("mu"))?;
    // Where a configuration of somebody else cannot be found.
    command.arg("serve").current_dir(work);
    for listener in ["--gateway", "--api", "--metrics"] {
        command.args([listener, "127.0.0.1:0"]);
    }
    command.arg("--data-dir").arg(work.join("data")).arg("--addresses").arg(&file);
    command.arg("--set").arg(format!("cache_dir={}", work.join("cache").display()));
    spawn(&mut command, &log)?.once_ready(&log, || {
        let addresses = addresses(work)?;
        single_request(&format!("http://{}/readyz", addresses["metrics"].as_str()?)).ok()?;
        Some(format!("http://{}", addresses["gateway"].as_str()?))
    })
}

/// Where the node of `work` listens, as it wrote it.
pub(super) fn addresses(work: &Path) -> Option<Value> {
    serde_json::from_str(&std::fs::read_to_string(work.join(ADDRESSES)).ok()?).ok()
}

/// `wasmtime serve` of a component with its pooling allocator, and otherwise as it comes. It is requested at `path`.
/// Components made by an adapter import what belongs to a command line, which has to be asked for.
pub(super) fn wasmtime(component: &Path, program: &Path, work: &Path, path: &str) -> Outcome<Server> {
    let log = work.join("wasmtime.log");
    let mut command = pinned(program)?;
    command.args(["serve", "-O", "pooling-allocator=y", "-S", "cli=y", "--addr", "127.0.0.1:0"]).arg(component);
    spawn(&mut command, &log)?.once_ready(&log, || {
        let address = served_address(&std::fs::read_to_string(&log).ok()?)?;
        Some(format!("http://{address}/{path}"))
    })
}

/// `workerd serve` of a hello.
pub(super) fn workerd(root: &Path, peers: &Peers, work: &Path) -> Outcome<Server> {
    let log = work.join("workerd.log");
    let mut command = pinned(&peers.workerd)?;
    command.args(["serve", "--control-fd=1"]).arg(root.join("benches/peer-js/workerd.capnp"));
    spawn(&mut command, &log)?.once_ready(&log, || {
        let port = listening_port(&std::fs::read_to_string(&log).ok()?)?;
        Some(format!("http://127.0.0.1:{port}/"))
    })
}

/// `deno run` of a hello.
pub(super) fn deno(root: &Path, peers: &Peers, work: &Path) -> Outcome<Server> {
    let log = work.join("deno.log");
    let mut command = pinned(&peers.deno)?;
    command.args(["run", "--allow-net=127.0.0.1"]).arg(root.join("benches/peer-js/deno.js"));
    command.env("DENO_NO_UPDATE_CHECK", "1").env("DENO_DIR", work.join("deno"));
    spawn(&mut command, &log)?.once_ready(&log, || {
        let address = served_address(&std::fs::read_to_string(&log).ok()?)?;
        Some(format!("http://{address}/"))
    })
}

fn spawn(command: &mut Command, log: &Path) -> Outcome<Server> {
    let said = File::create(log).doing(format_args!("creating {}", log.display()))?;
    let errors = said.try_clone().doing(format_args!("opening {} twice", log.display()))?;
    let process = command.stdin(Stdio::null()).stdout(said).stderr(errors).spawn();
    Ok(Server::new(process.doing(format_args!("starting the server of {}", log.display()))?))
}

fn pinned(program: &Path) -> Outcome<Command> {
    let mut command = Command::new(process::require_program("taskset", "util-linux")?);
    command.args(["--cpu-list", CORE]).arg(program);
    Ok(command)
}

/// The URL of the first route for GET in what `mu run --addresses` wrote.
fn first_get_route(text: &str) -> Option<String> {
    let addresses: Value = serde_json::from_str(text).ok()?;
    let route = addresses["routes"].as_array()?.iter().find(|route| route["method"] == "GET")?;
    route["url"].as_str().map(str::to_owned)
}

/// The address in `Serving HTTP on http://127.0.0.1:8080/`.
fn served_address(said: &str) -> Option<String> {
    let (_, rest) = said.split_once("http://")?;
    let (address, _) = rest.split_once('/')?;
    Some(address.to_owned())
}

/// The port in `{"event":"listen","socket":"http","port":8080}`, a line of its own.
fn listening_port(said: &str) -> Option<u64> {
    let told = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    told.filter(|event| event["event"] == "listen").find_map(|event| event["port"].as_u64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_where_a_server_listens() {
        assert_eq!(served_address("Serving HTTP on http://127.0.0.1:8080/\n").as_deref(), Some("127.0.0.1:8080"));
        assert_eq!(served_address("error: no"), None);
        let addresses = r#"{"routes": [{"method": "POST", "url": "a"}, {"method": "GET", "url": "b"}]}"#;
        assert_eq!(first_get_route(addresses).as_deref(), Some("b"));
        assert_eq!(first_get_route(r#"{"rou"#), None, "written halfway");
        let event = "a word\n{\"event\":\"listen\",\"socket\":\"http\",\"port\":8080}\n";
        assert_eq!((listening_port(event), listening_port("{\"event\"")), (Some(8080), None));
    }
}
