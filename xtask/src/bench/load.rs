//! Requests: many from `wrk`, or a single one to see that the server answers.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::failure::{Doing, Failure, Outcome};
use crate::process;

/// The core of the load; the server has the other one.
const CORE: &str = "1";
const CONNECTIONS: &str = "-c32";

/// `wrk`, with 32 connections on one thread.
pub(super) struct Load {
    wrk: PathBuf,
    duration: Duration,
}

impl Load {
    pub(super) fn new(duration: Duration) -> Outcome<Self> {
        Ok(Self { wrk: process::require_program("wrk", "wrk")?, duration })
    }

    /// Sends requests for the load's duration and returns how many were answered; any that failed is a failure.
    pub(super) fn run(&self, url: &str) -> Outcome<u64> {
        let mut command = Command::new(process::require_program("taskset", "util-linux")?);
        command.args(["--cpu-list", CORE]).arg(&self.wrk).args(["-t1", CONNECTIONS]);
        let said = process::capture(command.arg(format!("-d{}s", self.duration.as_secs())).arg(url))?;
        answered(&said).map_err(|why| Failure::new(format!("{url}: {why}\n{said}")))
    }
}

/// Sends one request and expects a success.
pub(super) fn single_request(url: &str) -> Outcome {
    let (host, path) = url
        .strip_prefix("http://")
        .and_then(|rest| rest.split_once('/'))
        .ok_or_else(|| Failure::new(format!("`{url}` is no URL of a server here")))?;
    let mut stream = TcpStream::connect(host).doing(format_args!("connecting to {host}"))?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).doing("setting a timeout")?;
    let request = format!("GET /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).doing("sending the request")?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response).doing("reading the response")?;
    if response.starts_with(b"HTTP/1.1 200 ") {
        Ok(())
    } else {
        let said = String::from_utf8_lossy(&response);
        Err(Failure::new(format!("GET {url} was answered with\n{said}")))
    }
}

/// The count in `32516 requests in 4.00s`, unless there were errors.
fn answered(said: &str) -> Result<u64, &'static str> {
    if said.contains("Non-2xx") || said.contains("Socket errors") {
        return Err("not every request was answered with success");
    }
    let line = said.lines().find_map(|line| line.split_once(" requests in ")).ok_or("wrk counted nothing")?;
    match line.0.trim().parse() {
        Ok(0) | Err(_) => Err("no request was answered"),
        Ok(count) => Ok(count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_wrk_counted() {
        assert_eq!(answered("  32516 requests in 4.00s, 4.56MB read\nRequests/sec:   8125.87\n"), Ok(32516));
        for failed in [
            "  10 requests in 4.00s, 1KB read\n  Non-2xx or 3xx responses: 3\n",
            "  10 requests in 4.00s, 1KB read\n  Socket errors: connect 0, read 3, write 0, timeout 0\n",
            "  0 requests in 4.00s, 0B read\n",
            "unable to connect",
        ] {
            assert!(answered(failed).is_err(), "{failed}");
        }
    }
}
