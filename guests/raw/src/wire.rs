//! Messages written and read by hand.

use std::io::{Read, Write, stdin, stdout};

/// A message, or a part of one.
#[derive(Default)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

/// The request to handle.
pub(crate) struct Request {
    pub(crate) function: String,
    pub(crate) method: u8,
    pub(crate) path_params: Vec<(String, String)>,
    pub(crate) query_params: Vec<(String, String)>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

pub(crate) fn send(message: &Bytes) {
    let mut output = stdout().lock();
    output.write_all(&message.0).expect("the host reads standard output");
    output.flush().expect("the host reads standard output");
}

/// The function's last message.
pub(crate) fn result(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Bytes {
    let count = u32::try_from(headers.len()).expect("there are few headers");
    let message = Bytes::of_code(2).status(status).count(count);
    headers.iter().fold(message, |message, (name, value)| message.text(name).text(value)).bytes(body)
}

pub(crate) fn receive_request() -> Request {
    assert_eq!(u16::from_le_bytes(read()), 1, "the first message is a request");
    Request {
        function: text(),
        method: read::<1>()[0],
        path_params: pairs(),
        query_params: pairs(),
        headers: pairs(),
        body: bytes(),
    }
}

/// Reads an answer; its code, and what is in it as text.
pub(crate) fn receive() -> (u16, String) {
    let code = u16::from_le_bytes(read());
    let list = |item: fn() -> String| (0..count()).map(|_| item()).collect::<Vec<_>>().join(", ");
    let content = match code {
        1001 | 1002 | 2001 | 2002 => text(),
        1003 => list(text),
        1004 => list(|| format!("{}={}", text(), text())),
        1005 => list(|| format!("{}/{}", text(), text())),
        1006 => list(|| format!("{}/{}={}", text(), text(), text())),
        1007 | 2003 => String::new(),
        1008 => {
            let previous = if read() == [1] { text() } else { "none".to_owned() };
            format!("{previous}, {}", if read() == [1] { "swapped" } else { "kept" })
        }
        2004 => list(|| format!("{}: {} bytes", text(), u64::from_le_bytes(read()))),
        3001 if read() == [0] => {
            let [kind] = read();
            let cause = if kind == 3 { u16::from_le_bytes(read()).to_string() } else { text() };
            format!("error {kind}: {cause}")
        }
        3001 => {
            let status = u16::from_le_bytes(read());
            format!("{status} {:?} {}", pairs(), text())
        }
        _ => panic!("the host answered with the unknown code {code}"),
    };
    (code, content)
}

fn pairs() -> Vec<(String, String)> {
    (0..count()).map(|_| (text(), text())).collect()
}

fn text() -> String {
    String::from_utf8(bytes()).expect("the host sends text")
}

fn bytes() -> Vec<u8> {
    let mut bytes = vec![0; count()];
    stdin().read_exact(&mut bytes).expect("the host sends whole messages");
    bytes
}

fn count() -> usize {
    u32::from_le_bytes(read()) as usize
}

fn read<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    stdin().read_exact(&mut bytes).expect("the host sends whole messages");
    bytes
}

// === impl Bytes ===

impl Bytes {
    pub(crate) fn of_code(code: u16) -> Self {
        Self(code.to_le_bytes().to_vec())
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn byte(self, byte: u8) -> Self {
        self.raw(&[byte])
    }

    pub(crate) fn status(self, status: u16) -> Self {
        self.raw(&status.to_le_bytes())
    }

    pub(crate) fn count(self, count: u32) -> Self {
        self.raw(&count.to_le_bytes())
    }

    pub(crate) fn bytes(self, bytes: &[u8]) -> Self {
        self.count(u32::try_from(bytes.len()).expect("messages are small")).raw(bytes)
    }

    pub(crate) fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }
}
