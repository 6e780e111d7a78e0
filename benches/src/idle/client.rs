//! A client with one connection.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

pub(super) struct Client {
    address: SocketAddr,
    connection: BufReader<TcpStream>,
}

impl Client {
    pub(super) fn connect(address: SocketAddr) -> Self {
        let connection = TcpStream::connect(address).expect("the node listens");
        connection.set_nodelay(true).expect("the connection takes options");
        Self { address, connection: BufReader::new(connection) }
    }

    /// Sends a request and reads the whole response, which has to be a success with a declared length.
    pub(super) fn get(&mut self, path: &str) {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.address);
        self.connection.get_mut().write_all(request.as_bytes()).expect("the node reads");
        let status = self.line();
        assert!(status.starts_with("HTTP/1.1 200 "), "{path}: {status}");
        let mut length = None;
        loop {
            let line = self.line().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            length = length.or_else(|| line.strip_prefix("content-length:")?.trim().parse().ok());
        }
        let mut body = vec![0; length.expect("the response says how long it is")];
        self.connection.read_exact(&mut body).expect("the node answers");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.connection.read_line(&mut line).expect("the node answers");
        line.trim_end().to_owned()
    }
}
