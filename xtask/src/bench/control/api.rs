//! A client of the management API with one connection, which carries a token.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use crate::failure::{Doing, Failure, Outcome};

/// Longer than any request takes, those that have to wait for a compiler included.
const PAUSE_MAX: Duration = Duration::from_secs(120);

pub(super) struct Client {
    host: String,
    token: String,
    connection: BufReader<TcpStream>,
}

impl Client {
    /// `host` is where the API listens.
    pub(super) fn connect(host: &str, token: &str) -> Outcome<Self> {
        let connection = TcpStream::connect(host).doing(format_args!("connecting to {host}"))?;
        connection.set_nodelay(true).doing("setting an option of a connection")?;
        connection.set_read_timeout(Some(PAUSE_MAX)).doing("setting a timeout")?;
        Ok(Self { host: host.to_owned(), token: token.to_owned(), connection: BufReader::new(connection) })
    }

    pub(super) fn get(&mut self, path: &str) -> Outcome<Value> {
        self.ask("GET", path, "")
    }

    /// Sends an order, which has to be carried out.
    pub(super) fn order(&mut self, method: &str, path: &str, order: &Value) -> Outcome<Value> {
        self.ask(method, path, &order.to_string())
    }

    fn ask(&mut self, method: &str, path: &str, body: &str) -> Outcome<Value> {
        let Self { host, token, connection } = self;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        connection.get_mut().write_all(request.as_bytes()).doing("sending a request")?;
        let (status, body) = read_response(connection)?;
        if !(200..300).contains(&status) {
            let said = String::from_utf8_lossy(&body);
            return Err(Failure::new(format!("{method} {path} was answered with {status}\n{said}")));
        }
        serde_json::from_slice(&body).doing(format_args!("reading the answer to {method} {path}"))
    }
}

/// The status and the body of a response that says how long it is.
pub(in super::super) fn read_response(from: &mut impl BufRead) -> Outcome<(u16, Vec<u8>)> {
    let first = read_line(from)?;
    let status = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let status = status.ok_or_else(|| Failure::new(format!("`{first}` is no response")))?;
    let mut length = None;
    loop {
        let line = read_line(from)?.to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        length = length.or_else(|| line.strip_prefix("content-length:")?.trim().parse().ok());
    }
    let mut body = vec![0; length.ok_or_else(|| Failure::new("a response does not say how long it is"))?];
    from.read_exact(&mut body).doing("reading a response")?;
    Ok((status, body))
}

fn read_line(from: &mut impl BufRead) -> Outcome<String> {
    let mut line = String::new();
    from.read_line(&mut line).doing("reading a response")?;
    Ok(line.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_response_and_leaves_the_next_one() {
        let mut two =
            b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
                .as_slice();
        assert_eq!(read_response(&mut two), Ok((201, b"{}".to_vec())));
        assert_eq!(read_response(&mut two), Ok((404, Vec::new())));
        for wrong in ["", "soon\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{}"] {
            assert!(read_response(&mut wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
