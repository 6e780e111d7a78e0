//! The value of a key, of whatever kind, and how it is written.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use mu_stack::{ByteSize, HumanDuration, Instructions};
use mu_telemetry::LogFilter;
use serde_json::json;
use url::Url;

use super::secret::Secret;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// Nothing, where a key may have nothing.
    Unset,
    Flag(bool),
    Count(u64),
    Size(ByteSize),
    Time(HumanDuration),
    Instructions(Instructions),
    Word(&'static str),
    Address(SocketAddr),
    Path(PathBuf),
    Url(Url),
    Filter(LogFilter),
    Key(OperatorKey),
    Text(String),
    Secret(Secret),
    List(Vec<Value>),
    Map(Vec<(&'static str, Value)>),
}

/// As a person would write it on one line of the file.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unset => f.write_str("null"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Count(count) => write!(f, "{count}"),
            Self::Size(size) => write!(f, "{size}"),
            Self::Time(duration) => write!(f, "{duration}"),
            Self::Instructions(count) => write!(f, "{count}"),
            Self::Word(word) => f.write_str(word),
            Self::Address(address) => write!(f, "{address}"),
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Url(url) => write!(f, "{url}"),
            Self::Filter(filter) => write!(f, "{filter}"),
            Self::Key(key) => write!(f, "{key}"),
            Self::Text(text) => f.write_str(text),
            Self::Secret(secret) => write!(f, "{secret:?}"),
            Self::List(items) => {
                let items: Vec<_> = items.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", items.join(", "))
            }
            Self::Map(fields) => {
                let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
                write!(f, "{{{}}}", fields.join(", "))
            }
        }
    }
}

impl Value {
    /// The same for programs: numbers where it is one, else the text.
    pub(super) fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Unset => serde_json::Value::Null,
            Self::Flag(flag) => json!(flag),
            Self::Count(count) => json!(count),
            Self::List(items) => items.iter().map(Self::to_json).collect(),
            Self::Map(fields) => fields.iter().map(|(name, value)| ((*name).to_owned(), value.to_json())).collect(),
            text => json!(text.to_string()),
        }
    }
}

/// The public key of an operator: `k_` and the base58 form of 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OperatorKey([u8; 32]);

/// Why a text is not the key of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a client's key is `k_` and the base58 form of 32 bytes, as `mu login` prints it")]
pub struct ParseOperatorKeyError;

impl OperatorKey {
    /// The bytes of the ed25519 key.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for OperatorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "k_{}", bs58::encode(self.0).into_string())
    }
}

impl FromStr for OperatorKey {
    type Err = ParseOperatorKeyError;

    fn from_str(text: &str) -> Result<Self, ParseOperatorKeyError> {
        let digits = text.strip_prefix("k_").ok_or(ParseOperatorKeyError)?;
        let mut bytes = [0; 32];
        match bs58::decode(digits).onto(&mut bytes) {
            Ok(32) => Ok(Self(bytes)),
            _ => Err(ParseOperatorKeyError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_operators() {
        let key = OperatorKey([7; 32]);
        assert_eq!(key.to_string().parse(), Ok(key));
        let short = format!("k_{}", bs58::encode([7; 31]).into_string());
        let long = format!("k_{}", bs58::encode([7; 33]).into_string());
        for text in ["", "k_", "s_4vJ9", "k_0OIl", &short, &long, &key.to_string()[2..], &"k_1".repeat(10_000)] {
            assert!(text.parse::<OperatorKey>().is_err(), "{text:.40}");
        }
    }
}
