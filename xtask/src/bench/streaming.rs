//! A body of 100 MB, sent to a component that sends it back as it comes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::load::{parts, single_request};
use super::row::Row;
use super::{MEBIBYTE, Options, median, project, start, usage};
use crate::failure::{Doing, Failure, Outcome};

const ROUNDS: usize = 5;
const BODY_BYTES: u64 = 100_000_000;
const QUICK_BODY_BYTES: u64 = 8_000_000;
/// Longer than any pause of a server that works.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Memory is that of the whole process, through the client's connection, gateway, runtime and back.
pub(super) fn rows(root: &Path, binaries: &Path, options: Options) -> Outcome<Vec<Row>> {
    let work = tempfile::tempdir().doing("creating a temporary folder")?;
    let folder = work.path().join("project");
    project::hello_and_echo(root, &folder)?;
    let server = start::ours(&folder, binaries, work.path())?;
    let url = server.url().replace("/hello", "/echo");
    // Idle is a server that has served, but no body yet: what the first body makes it keep counts as well.
    single_request(server.url())?;
    let idle = server.resident_bytes()?;

    let (rounds, bytes) = if options.quick { (1, QUICK_BODY_BYTES) } else { (ROUNDS, BODY_BYTES) };
    let (mut peak, mut speeds) = (0, Vec::new());
    for _ in 0..rounds {
        usage::forget_peak(server.id())?;
        let start = Instant::now();
        echo(&url, bytes)?;
        speeds.push(bytes as f64 / 1e6 / start.elapsed().as_secs_f64());
        peak = peak.max(usage::resident_bytes_max(server.id())?);
    }
    server.stop()?;
    let above_idle = peak.saturating_sub(idle) as f64 / MEBIBYTE;
    let body = format!("{} MB through a component and back", bytes / 1_000_000);
    Ok(vec![
        Row::new(&format!("{body}: most memory above idle"), "MiB", above_idle).goal("ours <= 32"),
        Row::new(&format!("{body}: throughput each way"), "MB/s", median(speeds)?),
    ])
}

/// Sends a body of so many bytes, and expects as many back, while it is still sending.
fn echo(url: &str, bytes: u64) -> Outcome {
    let (host, path) = parts(url)?;
    let mut to = TcpStream::connect(host).doing(format_args!("connecting to {host}"))?;
    to.set_read_timeout(Some(PAUSE_MAX)).doing("setting a timeout")?;
    to.set_write_timeout(Some(PAUSE_MAX)).doing("setting a timeout")?;
    let mut from = BufReader::new(to.try_clone().doing("sharing the connection")?);
    let head = format!("POST /{path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {bytes}\r\n\r\n");
    to.write_all(head.as_bytes()).doing("sending the request")?;
    let came = std::thread::scope(|scope| {
        let sending = scope.spawn(move || std::io::copy(&mut std::io::repeat(b'x').take(bytes), &mut to));
        let came = read_response(&mut from);
        let sent = sending.join().map_err(|_| Failure::new("the sender ended early"))?;
        sent.doing("sending the body")?;
        came
    })?;
    if came == bytes { Ok(()) } else { Err(Failure::new(format!("of {bytes} bytes {came} came back"))) }
}

/// The length of the body of a successful, chunked response.
fn read_response(from: &mut impl BufRead) -> Outcome<u64> {
    let status = read_line(from)?;
    let mut head = status.clone();
    loop {
        let line = read_line(from)?.to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        head = format!("{head}\n{line}");
    }
    if !status.starts_with("HTTP/1.1 200 ") || !head.contains("transfer-encoding: chunked") {
        return Err(Failure::new(format!("the answer is not a stream:\n{head}")));
    }
    let mut bytes = 0;
    loop {
        let line = read_line(from)?;
        let size = u64::from_str_radix(&line, 16).doing(format_args!("reading the size of a chunk, `{line}`"))?;
        let read = std::io::copy(&mut from.take(size), &mut std::io::sink()).doing("reading a chunk")?;
        read_line(from)?;
        bytes += read;
        if size == 0 || read < size {
            return Ok(bytes);
        }
    }
}

fn read_line(from: &mut impl BufRead) -> Outcome<String> {
    let mut line = String::new();
    from.read_line(&mut line).doing("reading the response")?;
    Ok(line.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_the_bytes_of_chunks() {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let read = |body: &str| read_response(&mut format!("{head}{body}").as_bytes());
        assert_eq!(read("5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n"), Ok(15));
        assert_eq!(read("0\r\n\r\n"), Ok(0));
        assert_eq!(read("5\r\nhel"), Ok(3), "cut off");
        assert!(read("soon\r\n").is_err());
        assert!(read_response(&mut "HTTP/1.1 502 Bad Gateway\r\n\r\n".as_bytes()).is_err());
    }
}
