//! A server process under measurement, pinned to one core.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::failure::{Doing, Failure, Outcome};
use crate::process;

/// The core of the server; the load has the other one.
const CORE: &str = "0";
/// How long a server may take until it says where it listens. The first start compiles its functions.
const START_MAX: Duration = Duration::from_secs(60);
/// How long it may take to finish what is under way.
const STOP_MAX: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// Ends with its owner, whatever happens.
pub(super) struct Server {
    process: Child,
    /// What is requested of it.
    url: String,
}

impl Server {
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// User and system time of all threads since the start, in the kernel's steps of 10 ms.
    pub(super) fn cpu_time(&self) -> Outcome<Duration> {
        let file = format!("/proc/{}/stat", self.process.id());
        let text = std::fs::read_to_string(&file).doing(format_args!("reading {file}"))?;
        let ticks = cpu_ticks(&text).ok_or_else(|| Failure::new(format!("{file} is not understood")))?;
        let per_second: u64 = process::capture(Command::new("getconf").arg("CLK_TCK"))?.parse().doing("CLK_TCK")?;
        Ok(Duration::from_micros(ticks * 1_000_000 / per_second.max(1)))
    }

    pub(super) fn resident_bytes(&self) -> Outcome<u64> {
        let file = format!("/proc/{}/status", self.process.id());
        let text = std::fs::read_to_string(&file).doing(format_args!("reading {file}"))?;
        resident_bytes(&text).ok_or_else(|| Failure::new(format!("{file} is not understood")))
    }

    /// Waits until `url` knows what to request.
    fn once_ready(mut self, log: &Path, url: impl Fn() -> Option<String>) -> Outcome<Self> {
        let start = Instant::now();
        loop {
            if let Some(url) = url() {
                self.url = url;
                return Ok(self);
            }
            let ended = self.process.try_wait().doing("looking at the server")?.is_some();
            if ended || start.elapsed() > START_MAX {
                let said = std::fs::read_to_string(log).unwrap_or_default();
                return Err(Failure::new(format!("the server did not start; it said:\n{}", said.trim())));
            }
            std::thread::sleep(POLL);
        }
    }

    /// Asks the server to end, as Ctrl-C does, and waits for it.
    pub(super) fn stop(mut self) -> Outcome {
        // The shell's own `kill`: not every machine has it as a program.
        process::run(Command::new("sh").args(["-c", "kill -INT \"$0\"", &self.process.id().to_string()]))?;
        let start = Instant::now();
        while self.process.try_wait().doing("waiting for the server to end")?.is_none() {
            if start.elapsed() > STOP_MAX {
                return Err(Failure::new(format!("the server did not end within {} s", STOP_MAX.as_secs())));
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// `mu run examples/hello` with data of its own; what it logs goes to a file, as it would for an operator.
pub(super) fn ours(root: &Path, binaries: &Path, work: &Path) -> Outcome<Server> {
    let addresses = work.join("addresses.json");
    let log = File::create(work.join("mu.log")).doing("creating the server's log")?;
    let errors = log.try_clone().doing("opening the server's log twice")?;
    let mut command = pinned(&binaries.join("mu"))?;
    command.arg("run").arg(root.join("examples/hello")).args(["--gateway", "127.0.0.1:0", "--no-watch"]);
    command.arg("--data-dir").arg(work.join("data")).arg("--addresses").arg(&addresses);
    let process = command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn().doing("starting `mu run`")?;
    let server = Server { process, url: String::new() };
    server.once_ready(&work.join("mu.log"), || first_get_route(&std::fs::read_to_string(&addresses).ok()?))
}

/// `wasmtime serve` with its pooling allocator, and otherwise as it comes. It is requested at `path`.
pub(super) fn peer(root: &Path, wasmtime: &Path, work: &Path, path: &str) -> Outcome<Server> {
    let log_file = work.join("wasmtime.log");
    let log = File::create(&log_file).doing("creating the peer's log")?;
    let mut command = pinned(wasmtime)?;
    command.args(["serve", "-O", "pooling-allocator=y", "--addr", "127.0.0.1:0"]);
    command.arg(root.join("benches/peer-hello/hello.wasm")).stdin(Stdio::null()).stdout(Stdio::null());
    let process = command.stderr(log).spawn().doing("starting `wasmtime serve`")?;
    let server = Server { process, url: String::new() };
    server.once_ready(&log_file, || {
        let address = served_address(&std::fs::read_to_string(&log_file).ok()?)?;
        Some(format!("http://{address}/{path}"))
    })
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

/// Fields 14 and 15 of `/proc/PID/stat`; the second field is a name in parentheses that may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_says() {
        let stat = "42 (mu (run) x) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 4 0 12345 1000 200";
        assert_eq!(cpu_ticks(stat), Some(300));
        assert_eq!(cpu_ticks("42 mu"), None);
        assert_eq!(resident_bytes("Name:\tmu\nVmRSS:\t   42180 kB\n"), Some(42180 * 1024));
        assert_eq!(resident_bytes("Name:\tmu\n"), None);
    }

    #[test]
    fn reads_where_a_server_listens() {
        assert_eq!(served_address("Serving HTTP on http://127.0.0.1:8080/\n").as_deref(), Some("127.0.0.1:8080"));
        assert_eq!(served_address("error: no"), None);
        let addresses = r#"{"routes": [{"method": "POST", "url": "a"}, {"method": "GET", "url": "b"}]}"#;
        assert_eq!(first_get_route(addresses).as_deref(), Some("b"));
        assert_eq!(first_get_route(r#"{"rou"#), None, "written halfway");
    }
}
