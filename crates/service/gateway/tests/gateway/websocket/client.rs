//! A WebSocket client that sends whatever frames it is told to.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

const FINAL: u8 = 0x80;
const MASK: [u8; 4] = [0x12, 0x9a, 0x00, 0xff];

/// A connection, from its handshake on.
pub(crate) struct Socket {
    pub(crate) stream: TcpStream,
    unread: Vec<u8>,
}

/// What the gateway says to a handshake.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The whole head, in lower case.
    pub(crate) head: String,
}

/// A frame of the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
}

/// The bytes of a frame as a client sends it.
pub(crate) fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    with_first_byte(FINAL | opcode, payload)
}

/// The same for a frame that is not the last one of its message.
pub(crate) fn part(opcode: u8, payload: &[u8]) -> Vec<u8> {
    with_first_byte(opcode, payload)
}

/// A frame whose first byte is anything.
pub(crate) fn with_first_byte(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(0x80 | u8::try_from(length).unwrap()),
        length @ 126..=65_535 => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// A close frame's payload.
pub(crate) fn closing(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes()[..], reason.as_bytes()].concat()
}

/// Sends a handshake with more headers than it needs, and reads the answer's head.
pub(crate) async fn handshake(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> (Answer, Socket) {
    let mut request = format!(
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    );
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    let mut socket = Socket { stream: TcpStream::connect(address).await.unwrap(), unread: Vec::new() };
    socket.write(request.as_bytes()).await;
    let head = socket.head().await;
    let status = head[9..12].parse().unwrap();
    (Answer { status, head }, socket)
}

impl Socket {
    /// A connection that was accepted.
    pub(crate) async fn open(address: SocketAddr, path: &str) -> Self {
        let (answer, socket) = handshake(address, path, &[]).await;
        assert_eq!(answer.status, 101, "{answer:?}");
        socket
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    pub(crate) async fn send(&mut self, opcode: u8, payload: &[u8]) {
        self.write(&frame(opcode, payload)).await;
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.send(TEXT, text.as_bytes()).await;
    }

    /// The next frame; `None` at the end of the connection.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let first = self.take(1).await?[0];
        assert_eq!(first & 0xf0, FINAL, "the gateway sends whole messages without extensions");
        let length = match self.take(1).await?[0] {
            126 => u64::from(u16::from_be_bytes(self.take(2).await?.try_into().unwrap())),
            127 => u64::from_be_bytes(self.take(8).await?.try_into().unwrap()),
            length @ 0..=125 => length.into(),
            masked => panic!("the gateway masks a frame: {masked:#x}"),
        };
        let payload = self.take(usize::try_from(length).unwrap()).await?;
        Some(Frame { opcode: first & 0xf, payload })
    }

    /// The text of the next frame.
    pub(crate) async fn hear(&mut self) -> String {
        let frame = self.next().await.expect("the connection goes on");
        assert_eq!(frame.opcode, TEXT, "{frame:?}");
        String::from_utf8(frame.payload).unwrap()
    }

    /// The code and the reason of the close frame that must be next, after whose answer TCP must end.
    pub(crate) async fn goodbye(&mut self) -> (u16, String) {
        let closed = self.closed().await;
        // The gateway may have closed already.
        let _ = self.stream.write_all(&frame(CLOSE, &closing(1000, ""))).await;
        assert_eq!(self.next().await, None);
        closed
    }

    /// The code and the reason of the close frame that must be next; 1005 for one without a code.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        let frame = self.next().await.expect("a close frame comes");
        assert_eq!(frame.opcode, CLOSE, "{frame:?}");
        match frame.payload.split_first_chunk() {
            Some((code, reason)) => (u16::from_be_bytes(*code), String::from_utf8(reason.to_vec()).unwrap()),
            None => (1005, String::new()),
        }
    }

    /// The answer's head, in lower case.
    async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(self.take(1).await.expect("an answer comes"));
        }
        String::from_utf8(head).unwrap().to_lowercase()
    }

    async fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.unread.len() < count {
            // A reset after the end is as good as the end.
            if self.stream.read_buf(&mut self.unread).await.unwrap_or(0) == 0 {
                return None;
            }
        }
        let rest = self.unread.split_off(count);
        Some(std::mem::replace(&mut self.unread, rest))
    }
}
