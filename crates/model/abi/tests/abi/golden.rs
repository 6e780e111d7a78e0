//! The bytes of every message, derived by hand from the Borsh rules. Modules built long ago depend on them: a change
//! here is a change of protocol.

use std::collections::BTreeMap;

use mu_abi::{
    DbReply, DbRequest, Decoded, Header, HttpError, HttpMethod, HttpRequest, Incoming, KeyValue, LogLevel, Object,
    Outgoing, Request, Response, Status, StorageReply, StorageRequest, TableKey, TableKeyValue, Version,
};

const LIMIT_BYTES: usize = 1024;

#[test]
fn incoming_messages_have_these_bytes() {
    for (notation, message) in incoming() {
        let expected = bytes(notation);
        let mut encoded = Vec::new();
        message.encode(&mut encoded);
        assert_eq!(encoded, expected, "encoding {message:?}");
        let complete = Decoded::Complete { consumed_bytes: expected.len(), message };
        assert_eq!(Incoming::decode(&expected, LIMIT_BYTES), Ok(complete), "decoding {notation}");
    }
}

#[test]
fn outgoing_messages_have_these_bytes() {
    for (notation, message) in outgoing() {
        let expected = bytes(notation);
        let mut encoded = Vec::new();
        message.encode(&mut encoded);
        assert_eq!(encoded, expected, "encoding {message:?}");
        let complete = Decoded::Complete { consumed_bytes: expected.len(), message };
        assert_eq!(Outgoing::decode(&expected, LIMIT_BYTES), Ok(complete), "decoding {notation}");
    }
}

/// Messages to a function, and their bytes in the notation that `bytes` reads.
pub(crate) fn incoming() -> Vec<(&'static str, Incoming)> {
    vec![
        // A map is written sorted by key, a method is one byte.
        (
            "0100  05000000'greet'  02  02000000 01000000'a' 01000000'1' 01000000'b' 00000000 \
             01000000 04000000'name' 03000000'Zo' 'e'  01000000 01000000'X' 02000000'yz'  03000000 00ff80",
            Incoming::ExecuteFunction {
                function: text("greet"),
                request: Request {
                    method: HttpMethod::Post,
                    path_params: BTreeMap::from([(text("b"), text("")), (text("a"), text("1"))]),
                    query_params: BTreeMap::from([(text("name"), text("Zoe"))]),
                    headers: vec![Header::new("X", "yz")],
                    body: vec![0x00, 0xff, 0x80],
                },
            },
        ),
        ("e903  04000000'oops'", Incoming::Db(DbReply::Error(text("oops")))),
        ("ea03  02000000 c3 28", Incoming::Db(DbReply::Single(vec![0xc3, 0x28]))),
        ("eb03  02000000 01000000'a' 00000000", Incoming::Db(DbReply::List(vec![b"a".to_vec(), vec![]]))),
        (
            "ec03  01000000 01000000'k' 02000000'vv'",
            Incoming::Db(DbReply::KeyValueList(vec![KeyValue { key: b"k".to_vec(), value: b"vv".to_vec() }])),
        ),
        (
            "ed03  01000000 01000000't' 01000000'k'",
            Incoming::Db(DbReply::TableKeyList(vec![TableKey { table: text("t"), key: b"k".to_vec() }])),
        ),
        (
            "ee03  01000000 01000000't' 01000000'k' 02000000'vv'",
            Incoming::Db(DbReply::TableKeyValueList(vec![TableKeyValue {
                table: text("t"),
                key: b"k".to_vec(),
                value: b"vv".to_vec(),
            }])),
        ),
        ("ef03", Incoming::Db(DbReply::Empty)),
        (
            "f003  01 03000000'old' 01",
            Incoming::Db(DbReply::Cas { previous_value: Some(b"old".to_vec()), is_swapped: true }),
        ),
        ("f003  00 00", Incoming::Db(DbReply::Cas { previous_value: None, is_swapped: false })),
        ("d107  04000000'full'", Incoming::Storage(StorageReply::Error(text("full")))),
        ("d207  02000000 1f8b", Incoming::Storage(StorageReply::Get(vec![0x1f, 0x8b]))),
        ("d307", Incoming::Storage(StorageReply::Empty)),
        (
            "d407  01000000 05000000'a/b.c' 0807060504030201",
            Incoming::Storage(StorageReply::ObjectList(vec![Object {
                key: text("a/b.c"),
                size: 0x0102_0304_0506_0708,
            }])),
        ),
        (
            "b90b  01 9401 02000000 01000000'a' 01000000'1' 01000000'a' 01000000'2' 02000000'no'",
            Incoming::Http(Ok(Response {
                status: Status::NOT_FOUND,
                headers: vec![Header::new("a", "1"), Header::new("a", "2")],
                body: b"no".to_vec(),
            })),
        ),
        ("b90b  00 00 01000000'b'", Incoming::Http(Err(HttpError::Builder(text("b"))))),
        ("b90b  00 01 01000000'q'", Incoming::Http(Err(HttpError::Request(text("q"))))),
        ("b90b  00 02 01000000'r'", Incoming::Http(Err(HttpError::Redirect(text("r"))))),
        ("b90b  00 03 f701", Incoming::Http(Err(HttpError::Status(Status::SERVICE_UNAVAILABLE)))),
        ("b90b  00 04 01000000'o'", Incoming::Http(Err(HttpError::Body(text("o"))))),
        ("b90b  00 05 01000000'd'", Incoming::Http(Err(HttpError::Decode(text("d"))))),
        ("b90b  00 06 01000000'u'", Incoming::Http(Err(HttpError::Upgrade(text("u"))))),
    ]
}

/// Messages of a function, and their bytes.
pub(crate) fn outgoing() -> Vec<(&'static str, Outgoing)> {
    let (table, key, value) = (|| text("t"), || b"k".to_vec(), || b"vv".to_vec());
    vec![
        ("0100  03000000'bad'", Outgoing::FatalError(text("bad"))),
        (
            "0200  c900 01000000 0a000000'Set-Cookie' 03000000'a=b' 02000000 0102",
            Outgoing::FunctionResult(Response {
                status: Status::CREATED,
                headers: vec![Header::new("Set-Cookie", "a=b")],
                body: vec![1, 2],
            }),
        ),
        ("0300  02000000'hi' 00", Outgoing::Log { body: text("hi"), level: LogLevel::Error }),
        ("0300  02000000'hi' 01", Outgoing::Log { body: text("hi"), level: LogLevel::Warn }),
        ("0300  02000000'hi' 02", Outgoing::Log { body: text("hi"), level: LogLevel::Info }),
        ("0300  02000000'hi' 03", Outgoing::Log { body: text("hi"), level: LogLevel::Debug }),
        ("0300  02000000'hi' 04", Outgoing::Log { body: text("hi"), level: LogLevel::Trace }),
        (
            "e903  01000000't' 01000000'k' 02000000'vv' 01",
            Outgoing::Db(DbRequest::Put { table: table(), key: key(), value: value(), is_atomic: true }),
        ),
        (
            "e903  01000000't' 01000000'k' 02000000'vv' 00",
            Outgoing::Db(DbRequest::Put { table: table(), key: key(), value: value(), is_atomic: false }),
        ),
        ("ea03  01000000't' 01000000'k'", Outgoing::Db(DbRequest::Get { table: table(), key: key() })),
        (
            "eb03  01000000't' 01000000'k' 00",
            Outgoing::Db(DbRequest::Delete { table: table(), key: key(), is_atomic: false }),
        ),
        (
            "ec03  01000000't' 01000000'k'",
            Outgoing::Db(DbRequest::DeleteByPrefix { table: table(), key_prefix: key() }),
        ),
        (
            "ed03  01000000't' 01000000'k' 00280000",
            Outgoing::Db(DbRequest::Scan { table: table(), key_prefix: key(), limit: 10_240 }),
        ),
        (
            "ee03  01000000't' 00000000 ffffffff",
            Outgoing::Db(DbRequest::ScanKeys { table: table(), key_prefix: vec![], limit: u32::MAX }),
        ),
        ("ef03  01000000't'", Outgoing::Db(DbRequest::TableList { table_prefix: table() })),
        (
            "f003  01000000 01000000't' 01000000'k' 02000000'vv' 01",
            Outgoing::Db(DbRequest::BatchPut { items: vec![(table(), key(), value())], is_atomic: true }),
        ),
        (
            "f103  02000000 01000000't' 01000000'k' 01000000't' 02000000'vv'",
            Outgoing::Db(DbRequest::BatchGet { keys: vec![(table(), key()), (table(), value())] }),
        ),
        (
            "f203  01000000 01000000't' 01000000'k'",
            Outgoing::Db(DbRequest::BatchDelete { keys: vec![(table(), key())] }),
        ),
        (
            "f303  01000000 01000000't' 01000000'k' 07000000",
            Outgoing::Db(DbRequest::BatchScan { prefixes: vec![(table(), key())], each_limit: 7 }),
        ),
        ("f403  00000000 07000000", Outgoing::Db(DbRequest::BatchScanKeys { prefixes: vec![], each_limit: 7 })),
        (
            "f503  01000000't' 01000000'k' 02000000'vv' 00",
            Outgoing::Db(DbRequest::CompareAndSwap {
                table: table(),
                key: key(),
                new_value: value(),
                previous_value: None,
            }),
        ),
        (
            "f503  01000000't' 01000000'k' 02000000'vv' 01 01000000'k'",
            Outgoing::Db(DbRequest::CompareAndSwap {
                table: table(),
                key: key(),
                new_value: value(),
                previous_value: Some(key()),
            }),
        ),
        (
            "d107  03000000'box' 05000000'a.txt' 03000000 00ff00",
            Outgoing::Storage(StorageRequest::Put {
                storage_name: text("box"),
                key: text("a.txt"),
                data: vec![0x00, 0xff, 0x00],
            }),
        ),
        (
            "d207  03000000'box' 05000000'a.txt'",
            Outgoing::Storage(StorageRequest::Get { storage_name: text("box"), key: text("a.txt") }),
        ),
        (
            "d307  03000000'box' 05000000'a.txt'",
            Outgoing::Storage(StorageRequest::Delete { storage_name: text("box"), key: text("a.txt") }),
        ),
        (
            "d407  03000000'box' 02000000'a/'",
            Outgoing::Storage(StorageRequest::List { storage_name: text("box"), prefix: text("a/") }),
        ),
        (
            "b90b  03 0b000000'http://x/y/' 01000000 01000000'h' 01000000'v' 01000000'b' 02",
            Outgoing::Http(HttpRequest {
                method: HttpMethod::Put,
                url: text("http://x/y/"),
                headers: vec![Header::new("h", "v")],
                body: b"b".to_vec(),
                version: Version::Http11,
            }),
        ),
    ]
}

#[test]
fn methods_and_versions_have_these_numbers() {
    let request = |method, version| HttpRequest { method, version, ..HttpRequest::default() };
    for (number, method) in [
        (0, HttpMethod::Get),
        (1, HttpMethod::Head),
        (2, HttpMethod::Post),
        (3, HttpMethod::Put),
        (4, HttpMethod::Patch),
        (5, HttpMethod::Delete),
        (6, HttpMethod::Options),
    ] {
        let mut encoded = Vec::new();
        Outgoing::Http(request(method, Version::default())).encode(&mut encoded);
        assert_eq!(encoded[2], number, "{method}");
        assert_eq!(method.as_str().to_lowercase().parse(), Ok(method));
    }
    for (number, version) in
        [(0, Version::Http09), (1, Version::Http10), (2, Version::Http11), (3, Version::Http2), (4, Version::Http3)]
    {
        let mut encoded = Vec::new();
        Outgoing::Http(request(HttpMethod::Get, version)).encode(&mut encoded);
        assert_eq!(encoded.last(), Some(&number), "{version}");
    }
}

/// Reads the notation of the tables above: hexadecimal digits, text in single quotes, spaces without meaning.
fn bytes(notation: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, part) in notation.split('\'').enumerate() {
        if index % 2 == 1 {
            bytes.extend_from_slice(part.as_bytes());
            continue;
        }
        let digits: String = part.split_whitespace().collect();
        for pair in digits.as_bytes().chunks(2) {
            let pair = str::from_utf8(pair).expect("the notation is ASCII");
            bytes.push(u8::from_str_radix(pair, 16).expect("the notation is hexadecimal outside of quotes"));
        }
    }
    bytes
}

fn text(text: &str) -> String {
    text.to_owned()
}
