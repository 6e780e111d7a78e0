//! One connection that calls a function, over TCP to a gateway or over a unix socket to the function itself.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::super::control::read_response;
use crate::failure::{Doing, Failure, Outcome};

/// Longer than any start takes.
const PAUSE_MAX: Duration = Duration::from_secs(60);

pub(super) struct Client {
    request: String,
    connection: BufReader<Box<dyn Connection>>,
}

trait Connection: Read + Write {}

impl<T: Read + Write> Connection for T {}

impl Client {
    pub(super) fn over_tcp(host: &str, path: &str) -> Outcome<Self> {
        let stream = TcpStream::connect(host).doing(format_args!("connecting to {host}"))?;
        stream.set_nodelay(true).doing("setting an option of a connection")?;
        stream.set_read_timeout(Some(PAUSE_MAX)).doing("setting a timeout")?;
        Ok(Self::new(Box::new(stream), host, path))
    }

    /// To a container's socket, as the node connects.
    pub(super) fn over_socket(socket: &Path) -> Outcome<Self> {
        let stream = UnixStream::connect(socket).doing(format_args!("connecting to {}", socket.display()))?;
        stream.set_read_timeout(Some(PAUSE_MAX)).doing("setting a timeout")?;
        Ok(Self::new(Box::new(stream), "localhost", "/call"))
    }

    fn new(connection: Box<dyn Connection>, host: &str, path: &str) -> Self {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}"
        );
        Self { request, connection: BufReader::new(connection) }
    }

    /// Calls, and waits for the first byte of the answer. The rest is left.
    pub(super) fn first_byte(mut self) -> Outcome {
        self.send()?;
        let read = self.connection.fill_buf().doing("reading a response")?;
        if read.starts_with(b"HTTP/1.1 200 ") {
            return Ok(());
        }
        Err(Failure::new(format!("a cold start was answered with\n{}", String::from_utf8_lossy(read))))
    }

    /// Calls, and reads the answer.
    pub(super) fn call(&mut self) -> Outcome {
        self.send()?;
        match read_response(&mut self.connection)? {
            (200, _) => Ok(()),
            (status, body) => {
                let said = String::from_utf8_lossy(&body);
                Err(Failure::new(format!("a call was answered with {status}\n{said}")))
            }
        }
    }

    fn send(&mut self) -> Outcome {
        self.connection.get_mut().write_all(self.request.as_bytes()).doing("sending a request")
    }
}
