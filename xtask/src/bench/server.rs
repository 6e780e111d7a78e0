//! A server process under measurement.

use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use super::usage;
use crate::failure::{Doing, Failure, Outcome};
use crate::process;

/// How long a server may take until it says where it listens. The first start compiles its functions.
const START_MAX: Duration = Duration::from_secs(60);
/// How long it may take to finish what is under way.
const STOP_MAX: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(5);

/// Ends with its owner, whatever happens.
pub(super) struct Server {
    process: Child,
    /// What is requested of it.
    url: String,
}

impl Server {
    /// A process that was just started.
    pub(super) fn new(process: Child) -> Self {
        Self { process, url: String::new() }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The id of its process.
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(super) fn cpu_time(&self) -> Outcome<Duration> {
        usage::cpu_time(self.id())
    }

    pub(super) fn resident_bytes(&self) -> Outcome<u64> {
        usage::resident_bytes(self.id())
    }

    /// Waits until `url` knows what to request.
    pub(super) fn once_ready(mut self, log: &Path, url: impl Fn() -> Option<String>) -> Outcome<Self> {
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

    /// Asks the server to end, and waits for it. Not with what Ctrl-C sends: who runs in the background may ignore that.
    pub(super) fn stop(mut self) -> Outcome {
        // The shell's own `kill`: not every machine has it as a program.
        process::run(Command::new("sh").args(["-c", "kill -TERM \"$0\"", &self.process.id().to_string()]))?;
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
