//! How records of this module are stored: one byte for the version of the layout, then JSON.

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;

const VERSION: u8 = 1;

/// A stored record cannot be read: it is damaged, or was written by a newer mu.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable;

pub(crate) fn encode(record: &impl Serialize) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u8(VERSION);
    serde_json::to_writer((&mut bytes).writer(), record).expect("records are structs of texts and numbers");
    bytes.freeze()
}

pub(crate) fn decode<R: DeserializeOwned>(bytes: &[u8]) -> Result<R, Unreadable> {
    match bytes.split_first() {
        Some((&VERSION, json)) => serde_json::from_slice(json).map_err(|_| Unreadable),
        _ => Err(Unreadable),
    }
}

/// A record of fixed length: the version, then these bytes.
pub(crate) fn encode_bytes(content: &[u8]) -> Bytes {
    [&[VERSION], content].concat().into()
}

pub(crate) fn decode_bytes<const BYTES: usize>(bytes: &[u8]) -> Result<[u8; BYTES], Unreadable> {
    match bytes.split_first() {
        Some((&VERSION, content)) => content.try_into().map_err(|_| Unreadable),
        _ => Err(Unreadable),
    }
}
