//! The DNS messages of a container: one question each, about an address or about something that is not known here.

use std::net::Ipv4Addr;

/// The longest message that is read, in bytes: what resolvers keep their datagrams below.
pub(super) const MESSAGE_BYTES_MAX: usize = 1232;

/// How long a container may keep an address, in seconds.
const TIME_TO_LIVE: u32 = 60;

const HEADER_BYTES: usize = 12;
const NAME_BYTES_MAX: usize = 253;
const TYPE_ADDRESS: u16 = 1;
const CLASS_INTERNET: u16 = 1;

/// What a container asks.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query {
    id: [u8; 2],
    opcode: u8,
    is_recursive: bool,
    /// As it was asked, capital letters and all; empty when it cannot be understood.
    question: Vec<u8>,
    asked: Asked,
}

#[derive(Debug, PartialEq, Eq)]
enum Asked {
    AddressOf(String),
    /// Nothing that has to be looked up: the answer is a code.
    Settled(Code),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Code {
    /// Without an answer: the name may exist, and has nothing of the kind.
    Fine = 0,
    FormatError = 1,
    NoSuchName = 3,
    NotImplemented = 4,
}

impl Query {
    /// Reads a message; `None` for one that deserves no answer.
    pub(super) fn parse(message: &[u8]) -> Option<Self> {
        let (header, body) = message.split_first_chunk::<HEADER_BYTES>()?;
        let [id0, id1, flags, _, questions0, questions1, ..] = *header;
        if flags & 0x80 != 0 {
            return None;
        }
        let opcode = (flags >> 3) & 0x0f;
        let (question, asked) = match (opcode, u16::from_be_bytes([questions0, questions1])) {
            (0, 1) => read_question(body).unwrap_or((&[], Asked::Settled(Code::FormatError))),
            (0, _) => (&[] as &[u8], Asked::Settled(Code::FormatError)),
            _ => (&[] as &[u8], Asked::Settled(Code::NotImplemented)),
        };
        let question = question.to_vec();
        Some(Self { id: [id0, id1], opcode, is_recursive: flags & 1 != 0, question, asked })
    }

    /// The name whose address is asked for, in small letters.
    pub(super) fn host(&self) -> Option<&str> {
        match &self.asked {
            Asked::AddressOf(name) => Some(name),
            Asked::Settled(_) => None,
        }
    }

    /// The answer, with the address of [`Query::host`] if it has one.
    pub(super) fn answer(&self, address: Option<Ipv4Addr>) -> Vec<u8> {
        const IS_RESPONSE: u8 = 0x80;
        const RECURSION_AVAILABLE: u8 = 0x80;
        // The name stands right behind the header.
        const NAME_OF_QUESTION: [u8; 2] = [0xc0, 12];
        const LENGTH: [u8; 2] = [0, 4];
        let code = match (&self.asked, address) {
            (Asked::Settled(code), _) => *code,
            (Asked::AddressOf(_), Some(_)) => Code::Fine,
            (Asked::AddressOf(_), None) => Code::NoSuchName,
        };
        let address = address.filter(|_| self.host().is_some());
        let flags = [IS_RESPONSE | self.opcode << 3 | u8::from(self.is_recursive), RECURSION_AVAILABLE | code as u8];
        let counts = [0, u8::from(!self.question.is_empty()), 0, u8::from(address.is_some()), 0, 0, 0, 0];
        let mut message = [self.id.as_slice(), &flags, &counts, &self.question].concat();
        if let Some(address) = address {
            message.extend(NAME_OF_QUESTION);
            message.extend([TYPE_ADDRESS, CLASS_INTERNET].map(u16::to_be_bytes).as_flattened());
            message.extend(TIME_TO_LIVE.to_be_bytes());
            message.extend(LENGTH);
            message.extend(address.octets());
        }
        message
    }
}

/// The question at the start of a body, and what it asks; `None` when it is malformed.
fn read_question(body: &[u8]) -> Option<(&[u8], Asked)> {
    let mut name = Some(String::new());
    let mut rest = body;
    loop {
        let (length, after) = rest.split_first()?;
        // Longer ones are references to other places, which a question has no use for.
        if *length > 63 {
            return None;
        }
        let (label, after) = after.split_at_checked(usize::from(*length))?;
        rest = after;
        if label.is_empty() {
            break;
        }
        name = name.and_then(|name| with_label(name, label));
    }
    let (&[type0, type1, class0, class1], rest) = rest.split_first_chunk()?;
    let is_address = [type0, type1, class0, class1] == [0, 1, 0, 1];
    let asked = match name {
        None => Asked::Settled(Code::NoSuchName),
        Some(name) if is_address && !name.is_empty() => Asked::AddressOf(name),
        Some(_) => Asked::Settled(Code::Fine),
    };
    Some((&body[..body.len() - rest.len()], asked))
}

/// A name with one more label; `None` when no host can be called that.
fn with_label(mut name: String, label: &[u8]) -> Option<String> {
    let is_of_host = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if !label.iter().all(is_of_host) || name.len() + 1 + label.len() > NAME_BYTES_MAX {
        return None;
    }
    if !name.is_empty() {
        name.push('.');
    }
    name.extend(label.iter().map(|byte| char::from(byte.to_ascii_lowercase())));
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: [u8; 12] = [7, 8, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];

    fn query(labels: &[&[u8]], kind: u8) -> Vec<u8> {
        let mut message = HEADER.to_vec();
        for label in labels {
            message.push(u8::try_from(label.len()).expect("short"));
            message.extend(*label);
        }
        message.extend([0, 0, kind, 0, 1]);
        message
    }

    fn code(message: &[u8]) -> u8 {
        Query::parse(message).expect("it is a question").answer(None)[3] & 0x0f
    }

    #[test]
    fn a_name_has_an_address() {
        let message = query(&[b"Api", b"Example"], 1);
        let parsed = Query::parse(&message).expect("it is a question");
        assert_eq!(parsed.host(), Some("api.example"));
        let mut expected = message.clone();
        expected[2..8].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1]);
        expected.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 198, 18, 0, 2]);
        assert_eq!(parsed.answer(Some(Ipv4Addr::new(198, 18, 0, 2))), expected);
        assert_eq!(code(&message), 3, "no address, no such name");
    }

    #[test]
    fn what_is_not_known_here_is_answered() {
        let long: &[u8] = &[b'a'; 63];
        let mut two = query(&[b"a"], 1);
        two[5] = 2;
        let mut status = query(&[b"a"], 1);
        status[2] = 2 << 3;
        let mut additional = query(&[b"a"], 28);
        additional[11] = 1;
        additional.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
        for (message, expected, why) in [
            (query(&[b"a"], 28), 0, "an IPv6 address"),
            (additional, 0, "a question with an extension"),
            (query(&[b"a"], 12), 0, "a name by its address"),
            (query(&[], 1), 0, "the root"),
            (query(&[b"a.b"], 1), 3, "a dot in a label"),
            (query(&[b"a b"], 1), 3, "a space"),
            (query(&[b"a\0"], 1), 3, "a zero"),
            (query(&[long, long, long, long], 1), 3, "a long name"),
            (two, 1, "two questions"),
            (status, 4, "another operation"),
        ] {
            let parsed = Query::parse(&message).expect(why);
            assert_eq!(parsed.host(), None, "{why}");
            let answer = parsed.answer(Some(Ipv4Addr::LOCALHOST));
            assert_eq!(answer[3] & 0x0f, expected, "{why}");
            assert_eq!(answer[7], 0, "{why}: no address is answered");
        }
    }

    #[test]
    fn what_is_cut_short_is_malformed() {
        let message = query(&[b"api", b"example"], 1);
        for length in 0..message.len() {
            match Query::parse(&message[..length]) {
                None => assert!(length < HEADER.len(), "{length}"),
                Some(parsed) => assert_eq!(parsed.answer(None), [7, 8, 0x81, 0x81, 0, 0, 0, 0, 0, 0, 0, 0], "{length}"),
            }
        }
        let mut reference = HEADER.to_vec();
        reference.extend([0xc0, 12, 0, 1, 0, 1]);
        assert_eq!(code(&reference), 1);
    }

    #[test]
    fn answers_are_not_answered() {
        let mut message = query(&[b"a"], 1);
        message[2] |= 0x80;
        assert_eq!(Query::parse(&message), None);
    }
}
