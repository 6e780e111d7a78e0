//! What is stored about secrets: a version byte, then JSON, or for values sealed bytes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::SecretError;

const VERSION: u8 = 1;

/// What all secrets of a stack share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// How many secrets there are.
    pub(super) secrets: u32,
    /// The keys that values are sealed with, the current one last. More than one while they are sealed anew.
    pub(super) keys: Vec<SealedKey>,
}

/// A key of a stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SealedKey {
    /// Tells it from the others of its stack; later ones have larger numbers.
    pub(super) number: u64,
    /// The key, sealed with that of the node.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub(super) key: Vec<u8>,
}

/// What is known about a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// The versions that are kept, the current one last.
    pub(super) versions: Vec<SecretVersion>,
}

/// A version of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretVersion {
    /// Its number, from 1.
    pub version: u64,
    /// When it was set, in microseconds since the Unix epoch.
    pub created_micros: u64,
    /// Who set it: the text of a principal.
    pub created_by: String,
}

pub(super) fn encode<T: Serialize>(record: &T) -> Result<Bytes, SecretError> {
    let mut bytes = vec![VERSION];
    serde_json::to_writer(&mut bytes, record).map_err(|_| SecretError::UnreadableRecord)?;
    Ok(bytes.into())
}

pub(super) fn decode<T: DeserializeOwned>(record: &[u8]) -> Result<T, SecretError> {
    let json = record.strip_prefix(&[VERSION]).ok_or(SecretError::UnreadableRecord)?;
    serde_json::from_slice(json).map_err(|_| SecretError::UnreadableRecord)
}

/// A sealed value, and the number of the key it is sealed with.
pub(super) fn encode_value(key_number: u64, sealed: &[u8]) -> Bytes {
    [&[VERSION][..], &key_number.to_be_bytes(), sealed].concat().into()
}

pub(super) fn decode_value(record: &[u8]) -> Result<(u64, &[u8]), SecretError> {
    let rest = record.strip_prefix(&[VERSION]).ok_or(SecretError::UnreadableRecord)?;
    let (number, sealed) = rest.split_first_chunk::<8>().ok_or(SecretError::UnreadableRecord)?;
    Ok((u64::from_be_bytes(*number), sealed))
}

fn to_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Changing one of these strands the secrets of every node: add a version instead.
    #[test]
    fn golden() {
        let head = Head { secrets: 2, keys: vec![SealedKey { number: 7, key: vec![1, 2, 3] }] };
        assert_eq!(encode(&head).unwrap(), "\u{1}{\"secrets\":2,\"keys\":[{\"number\":7,\"key\":\"AQID\"}]}");
        assert_eq!(decode(&encode(&head).unwrap()), Ok(head));
        let version = SecretVersion { version: 3, created_micros: 5, created_by: "k_a".into() };
        let entry = Entry { versions: vec![version] };
        let json = "{\"versions\":[{\"version\":3,\"created_micros\":5,\"created_by\":\"k_a\"}]}";
        assert_eq!(encode(&entry).unwrap(), format!("\u{1}{json}"));
        assert_eq!(decode(&encode(&entry).unwrap()), Ok(entry));
        assert_eq!(encode_value(0x0102, b"sealed"), &b"\x01\0\0\0\0\0\0\x01\x02sealed"[..]);
        assert_eq!(decode_value(b"\x01\0\0\0\0\0\0\x01\x02sealed"), Ok((0x0102, &b"sealed"[..])));
    }

    #[test]
    fn other_records_are_refused() {
        for record in [&b""[..], b"\x01", b"\x02{}", b"\x01{", b"\x01[]"] {
            assert_eq!(decode::<Head>(record), Err(SecretError::UnreadableRecord));
        }
        for record in [&b""[..], b"\x01", b"\x01\0\0\0\0\0\0\0", b"\x02\0\0\0\0\0\0\x01\x02sealed"] {
            assert_eq!(decode_value(record), Err(SecretError::UnreadableRecord));
        }
    }
}
