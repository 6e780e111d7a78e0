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

    /// Sends a request and reads the whole response, which has to be a success.
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
        match length {
            Some(length) => self.skip(length),
            None => self.skip_chunks(),
        }
    }

    /// Reads a chunked body to its end.
    fn skip_chunks(&mut self) {
        loop {
            let size = usize::from_str_radix(&self.line(), 16).expect("a chunk begins with its size");
            self.skip(size);
            assert!(self.line().is_empty(), "a chunk ends with its line");
            if size == 0 {
                break;
            }
        }
    }

    fn skip(&mut self, bytes: usize) {
        let mut read = vec![0; bytes];
        self.connection.read_exact(&mut read).expect("the node answers");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.connection.read_line(&mut line).expect("the node answers");
        line.trim_end().to_owned()
    }
}
