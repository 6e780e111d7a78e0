//! Requests: many from `wrk`, or a single one to see that the server answers.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::server::Server;
use crate::failure::{Doing, Failure, Outcome};
use crate::process;

/// The core of the load; the server has the other one.
const CORE: &str = "1";

/// `wrk` on one thread.
pub(super) struct Load {
    wrk: PathBuf,
    connections: u32,
    duration: Duration,
}

/// What a load has found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Answered {
    requests: u64,
    seconds: f64,
    median_latency_us: f64,
}

/// What a server did under a load.
#[derive(Clone, Copy)]
pub(super) struct Sample {
    /// User and system time of the server, in microseconds.
    pub(super) cpu_us_per_request: f64,
    pub(super) requests_per_second: f64,
    pub(super) median_latency_us: f64,
}

impl Load {
    pub(super) fn new(connections: u32, duration: Duration) -> Outcome<Self> {
        Ok(Self { wrk: process::require_program("wrk", "wrk")?, connections, duration })
    }

    /// Sends requests for the load's duration; any that failed is a failure.
    pub(super) fn run(&self, server: &Server) -> Outcome<Sample> {
        let before = server.cpu_time()?;
        let said = self.send(server.url())?;
        let spent = server.cpu_time()?.saturating_sub(before);
        let answered = answered(&said).map_err(|why| Failure::new(format!("{}: {why}\n{said}", server.url())))?;
        Ok(Sample {
            cpu_us_per_request: spent.as_secs_f64() * 1e6 / answered.requests as f64,
            requests_per_second: answered.requests as f64 / answered.seconds,
            median_latency_us: answered.median_latency_us,
        })
    }

    /// Sends requests for the load's duration, and returns how many were answered in a second; any that failed is a failure.
    pub(super) fn requests_per_second(&self, url: &str) -> Outcome<f64> {
        let said = self.send(url)?;
        let answered = answered(&said).map_err(|why| Failure::new(format!("{url}: {why}\n{said}")))?;
        Ok(answered.requests as f64 / answered.seconds)
    }

    /// Sends requests for the load's duration, and returns how many were answered, and how many failed.
    pub(super) fn count_failed(&self, url: &str) -> Outcome<(u64, u64)> {
        let said = self.send(url)?;
        let requests =
            requests(&said).ok_or_else(|| Failure::new(format!("{url}: no request was answered\n{said}")))?;
        Ok((requests, failed(&said)))
    }

    /// What `wrk` says.
    fn send(&self, url: &str) -> Outcome<String> {
        let mut command = Command::new(process::require_program("taskset", "util-linux")?);
        command.args(["--cpu-list", CORE]).arg(&self.wrk).args(["-t1", "--latency"]);
        command.arg(format!("-c{}", self.connections)).arg(format!("-d{}s", self.duration.as_secs()));
        process::capture(command.arg(url))
    }
}

/// Sends one request and expects a success.
pub(super) fn single_request(url: &str) -> Outcome {
    let (host, path) = parts(url)?;
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

/// The host with its port, and the path without its first slash.
pub(super) fn parts(url: &str) -> Outcome<(&str, &str)> {
    let parts = url.strip_prefix("http://").and_then(|rest| rest.split_once('/'));
    parts.ok_or_else(|| Failure::new(format!("`{url}` is no URL of a server here")))
}

/// The number of `32516 requests in 4.00s, 4.56MB read`, unless it is none.
fn requests(said: &str) -> Option<u64> {
    let (requests, _) = said.lines().find_map(|line| line.split_once(" requests in "))?;
    requests.trim().parse().ok().filter(|requests| *requests > 0)
}

/// The sum of `Non-2xx or 3xx responses: 3` and `Socket errors: connect 0, read 3, write 0, timeout 0`.
fn failed(said: &str) -> u64 {
    let counts = said.lines().filter_map(|line| {
        let (what, counts) = line.split_once(": ")?;
        ["Non-2xx or 3xx responses", "Socket errors"].contains(&what.trim()).then_some(counts)
    });
    counts.flat_map(|counts| counts.split([' ', ','])).filter_map(|count| count.parse::<u64>().ok()).sum()
}

/// The numbers of `50%  97.00us` and `32516 requests in 4.00s, 4.56MB read`, unless there were errors.
fn answered(said: &str) -> Result<Answered, &'static str> {
    if failed(said) > 0 {
        return Err("not every request was answered with success");
    }
    let requests = requests(said).ok_or("no request was answered")?;
    let (_, rest) = said.lines().find_map(|line| line.split_once(" requests in ")).ok_or("wrk counted nothing")?;
    let time =
        rest.split_once(',').and_then(|(time, _)| microseconds(time)).ok_or("wrk did not say how long it took")?;
    let latency = said.lines().find_map(|line| microseconds(line.trim().strip_prefix("50%")?));
    let median_latency_us = latency.ok_or("wrk did not say the median latency")?;
    Ok(Answered { requests, seconds: time / 1e6, median_latency_us })
}

/// `97.00us`, `1.20ms`, `4.00s` or `1.00m`.
fn microseconds(text: &str) -> Option<f64> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic())?);
    let factor = match unit {
        "us" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        "m" => 60e6,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_wrk_counted() {
        let said =
            "    50%    1.20ms\n    75%    2.00ms\n  32516 requests in 4.00s, 4.56MB read\nRequests/sec:   8125.87\n";
        let expected = Answered { requests: 32516, seconds: 4.0, median_latency_us: 1200.0 };
        assert_eq!(answered(said), Ok(expected));
        for failed in [
            "  10 requests in 4.00s, 1KB read\n  Non-2xx or 3xx responses: 3\n",
            "  10 requests in 4.00s, 1KB read\n  Socket errors: connect 0, read 3, write 0, timeout 0\n",
            "  10 requests in 4.00s, 1KB read\n",
            "  0 requests in 4.00s, 0B read\n",
            "unable to connect",
        ] {
            assert!(answered(failed).is_err(), "{failed}");
        }
    }

    #[test]
    fn adds_up_what_failed() {
        for (said, expected) in [
            ("  10 requests in 4.00s, 1KB read\n", 0),
            ("  Non-2xx or 3xx responses: 3\n", 3),
            ("  Socket errors: connect 1, read 20, write 300, timeout 4000\n", 4321),
            ("  Socket errors: connect 0, read 5, write 0, timeout 0\n  Non-2xx or 3xx responses: 7\n", 12),
        ] {
            assert_eq!(failed(said), expected, "{said}");
        }
    }

    #[test]
    fn reads_times_in_every_unit() {
        for (text, expected) in
            [("97.00us", Some(97.0)), (" 4.00s", Some(4e6)), ("1.00m", Some(60e6)), ("7", None), ("1h", None)]
        {
            assert_eq!(microseconds(text), expected, "{text}");
        }
    }
}
