//! Idle WebSocket connections: what each holds in the memory of the process. The kernel's buffers are not part of it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::load::parts;
use super::row::Row;
use super::{Options, project, start};
use crate::failure::{Doing, Failure, Outcome};

const CONNECTIONS: usize = 10_000;
const QUICK_CONNECTIONS: usize = 100;
/// Opened and closed before: what serving a first connection needs does not belong to the idle ones.
const WARMING: usize = 100;
/// Open files that a process needs beside its connections.
const OTHER_FILES: u64 = 500;
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// No row where `mu` does not open WebSockets, which is said instead.
pub(super) fn rows(root: &Path, binaries: &Path, options: Options) -> Outcome<Vec<Row>> {
    let wanted = if options.quick { QUICK_CONNECTIONS } else { CONNECTIONS };
    let count = wanted.min(raise_open_files()?);
    let work = tempfile::tempdir().doing("creating a temporary folder")?;
    let folder = work.path().join("project");
    project::socket(root, &folder)?;
    // A manifest with a `websocket` route is refused where there are none.
    let opened =
        start::ours(&folder, binaries, work.path()).and_then(|server| open(server.url()).map(|first| (server, first)));
    let (server, first) = match opened {
        Ok(opened) => opened,
        Err(failure) => {
            eprintln!("idle WebSocket connections: not available: {failure}");
            return Ok(Vec::new());
        }
    };
    drop(first);
    drop(open_many(server.url(), WARMING)?);
    let before = server.resident_bytes()?;
    let mut connections = open_many(server.url(), count)?;
    let held = server.resident_bytes()?.saturating_sub(before);
    // They are still there, all of them.
    connections.iter_mut().try_for_each(ping)?;
    drop(connections);
    server.stop()?;
    let each = held as f64 / count as f64 / 1024.0;
    Ok(vec![Row::new(&format!("{count} idle WebSocket connections: memory of each"), "KiB", each)])
}

/// Raises the limit of open files as far as is permitted, also for the servers started from here, and returns how many
/// connections it leaves room for.
fn raise_open_files() -> Outcome<usize> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).doing("raising the limit of open files")?;
    let room = limit.maximum.unwrap_or(u64::MAX).saturating_sub(OTHER_FILES);
    Ok(usize::try_from(room).unwrap_or(usize::MAX))
}

fn open_many(url: &str, count: usize) -> Outcome<Vec<TcpStream>> {
    (0..count).map(|_| open(url)).collect()
}

/// Opens a connection and reads the message that greets it.
fn open(url: &str) -> Outcome<TcpStream> {
    let (host, path) = parts(url)?;
    let mut stream = TcpStream::connect(host).doing(format_args!("connecting to {host}"))?;
    stream.set_read_timeout(Some(PAUSE_MAX)).doing("setting a timeout")?;
    // The key of the example in RFC 6455. Its answer is the server's tests' business.
    let request = format!(
        "GET /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).doing("sending the handshake")?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).doing("reading the handshake's answer")?;
        head.push(byte[0]);
    }
    if !head.starts_with(b"HTTP/1.1 101 ") {
        return Err(Failure::new(format!("the answer is no upgrade:\n{}", String::from_utf8_lossy(&head).trim())));
    }
    match read_frame(&mut stream)? {
        (_, message) if message == b"hello" => Ok(stream),
        (opcode, _) => Err(Failure::new(format!("a frame with opcode {opcode} came instead of a greeting"))),
    }
}

const PING: u8 = 9;
const PONG: u8 = 10;

/// Sends a ping and reads up to its pong.
fn ping(stream: &mut TcpStream) -> Outcome {
    // Final, masked with zeros, empty.
    stream.write_all(&[0x80 | PING, 0x80, 0, 0, 0, 0]).doing("sending a ping")?;
    loop {
        match read_frame(stream)? {
            (PONG, _) => return Ok(()),
            // The server has its own doubts after a while.
            (PING, _) => {}
            (opcode, _) => return Err(Failure::new(format!("a frame with opcode {opcode} came instead of a pong"))),
        }
    }
}

/// The opcode and payload of an unmasked frame that is short, as all are here.
fn read_frame(from: &mut impl Read) -> Outcome<(u8, Vec<u8>)> {
    let mut head = [0; 2];
    from.read_exact(&mut head).doing("reading a frame")?;
    if head[1] > 125 {
        return Err(Failure::new("a frame came that is masked or long"));
    }
    let mut payload = vec![0; usize::from(head[1])];
    from.read_exact(&mut payload).doing("reading a frame")?;
    Ok((head[0] & 0x0f, payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_short_frames() {
        assert_eq!(read_frame(&mut [0x81, 5, b'h', b'e', b'l', b'l', b'o'].as_slice()), Ok((1, b"hello".to_vec())));
        assert_eq!(read_frame(&mut [0x8a, 0].as_slice()), Ok((PONG, Vec::new())));
        for wrong in [&[0x81, 126, 0, 200][..], &[0x81, 0x80], &[0x81, 3, b'h']] {
            assert!(read_frame(&mut &*wrong).is_err(), "{wrong:?}");
        }
    }
}
