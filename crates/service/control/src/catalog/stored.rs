//! How records are stored: one byte for the version of the layout, then JSON.

use std::fmt::Display;
use std::str::FromStr;

use bytes::{BufMut, Bytes, BytesMut};
use mu_db::{Kv, KvError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

const LAYOUT: u8 = 1;

/// A stored record could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] KvError),
    /// The record makes no sense.
    #[error("the stored record of {what} cannot be read: it is damaged, or a newer mu has written it")]
    Unreadable {
        /// What it is about.
        what: String,
    },
}

/// A record, and the bytes that it was read from: what a change of it expects to find.
#[derive(Clone, Debug)]
pub(crate) struct Stored<T> {
    pub(crate) value: T,
    pub(crate) raw: Bytes,
}

/// Reads a record. `what` names it in messages.
pub(crate) async fn read<T: DeserializeOwned>(
    kv: &dyn Kv,
    key: &[u8],
    what: impl FnOnce() -> String,
) -> Result<Option<Stored<T>>, RecordError> {
    let Some(raw) = kv.get(key).await? else { return Ok(None) };
    Ok(Some(Stored { value: decode(&raw, what)?, raw }))
}

pub(crate) fn encode<T: Serialize>(record: &T) -> Bytes {
    let mut bytes = BytesMut::from(&[LAYOUT][..]).writer();
    serde_json::to_writer(&mut bytes, record).expect("records are structs with text as keys, and memory takes all");
    bytes.into_inner().freeze()
}

pub(crate) fn decode<T: DeserializeOwned>(raw: &[u8], what: impl FnOnce() -> String) -> Result<T, RecordError> {
    let json = raw.strip_prefix(&[LAYOUT]);
    let record = json.and_then(|json| serde_json::from_slice(json).ok());
    record.ok_or_else(|| RecordError::Unreadable { what: what() })
}

/// Bytes that have a form of their own, behind the version of the layout.
pub(crate) fn encode_bytes(content: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(1 + content.len());
    bytes.put_u8(LAYOUT);
    bytes.put_slice(content);
    bytes.freeze()
}

/// What [`encode_bytes`] was given; `None` when another layout has been written.
pub(crate) fn decode_bytes(raw: &Bytes) -> Option<Bytes> {
    (raw.first() == Some(&LAYOUT)).then(|| raw.slice(1..))
}

impl<T> Stored<T> {
    pub(crate) fn raw(&self) -> Bytes {
        self.raw.clone()
    }
}

/// Times as microseconds since the Unix epoch.
pub(crate) mod micros {
    use mu_env::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    pub(crate) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(time.as_micros())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        u64::deserialize(deserializer).map(Timestamp::from_micros)
    }
}

/// What has a text form, as that.
pub(crate) mod text {
    use serde::{Deserializer, Serializer};

    use super::{Deserialize, Display, FromStr};

    pub(crate) fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The same for what may be absent.
pub(crate) mod optional_text {
    use serde::{Deserializer, Serializer};

    use super::{Deserialize, Display, FromStr};

    pub(crate) fn serialize<T: Display, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.collect_str(value),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(serde::de::Error::custom)).transpose()
    }
}

/// Environment variables, as an object.
pub(crate) mod variables {
    use std::collections::BTreeMap;

    use mu_stack::Env;
    use serde::{Deserializer, Serializer};

    use super::Deserialize;

    pub(crate) fn serialize<S: Serializer>(variables: &Env, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(variables.iter())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Env, D::Error> {
        let mut variables = Env::new();
        for (name, value) in BTreeMap::<String, String>::deserialize(deserializer)? {
            variables.set(name, value).map_err(serde::de::Error::custom)?;
        }
        Ok(variables)
    }
}

/// Maps whose keys have a text form.
pub(crate) mod text_keys {
    use std::collections::BTreeMap;

    use serde::{Deserializer, Serialize, Serializer};

    use super::{Deserialize, Display, FromStr};

    pub(crate) fn serialize<K: Display, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(map.iter().map(|(key, value)| (key.to_string(), value)))
    }

    pub(crate) fn deserialize<'de, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: FromStr<Err: Display> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        let map = BTreeMap::<String, V>::deserialize(deserializer)?;
        let typed = map.into_iter().map(|(key, value)| Ok((key.parse().map_err(serde::de::Error::custom)?, value)));
        typed.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_layout_is_read() {
        assert_eq!(encode(&vec![1, 2]), &b"\x01[1,2]"[..]);
        assert_eq!(decode::<Vec<u8>>(b"\x01[1,2]", || "it".into()).unwrap(), [1, 2]);
        for raw in [&b""[..], b"\x01", b"[1,2]", b"\x02[1,2]", b"\x01[1,2", b"\x01{}"] {
            let error = decode::<Vec<u8>>(raw, || "stack `a`".into()).unwrap_err().to_string();
            assert!(error.starts_with("the stored record of stack `a` cannot be read"), "{error}");
        }
        assert_eq!(decode_bytes(&encode_bytes(b"abc")).as_deref(), Some(&b"abc"[..]));
        assert_eq!(decode_bytes(&Bytes::from_static(b"\x02abc")), None);
        assert_eq!(decode_bytes(&Bytes::new()), None);
    }
}
