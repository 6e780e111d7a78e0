//! The id of a stack: the 32 bytes of the key that owns it.

use std::fmt;
use std::str::FromStr;

/// Names a stack everywhere in the world: 32 bytes, written `s_<base58>`.
///
/// The binary form is 33 bytes: the tag `0x01` (an ed25519 public key), then the 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StackId([u8; 32]);

/// First byte of the binary form; other kinds of ids would take other tags.
const TAG: u8 = 1;
/// Base58 of 32 bytes is 32 to 44 characters; anything longer is refused before decoding, which is quadratic.
const TEXT_BYTES_MAX: usize = "s_".len() + 44;

/// Why something is not a stack id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseStackIdError {
    /// The text doesn't start with `s_`.
    #[error("a stack id starts with `s_`")]
    Prefix,
    /// What follows `s_` is not base58 of 32 bytes.
    #[error("a stack id is `s_` and the base58 form of 32 bytes")]
    Encoding,
    /// The binary form isn't a `1` and 32 bytes.
    #[error("the binary form of a stack id is the byte 1 and 32 more")]
    Bytes,
}

impl StackId {
    /// The id made of these 32 bytes.
    #[must_use]
    pub const fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// Reads the 33-byte binary form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ParseStackIdError> {
        match bytes.split_first() {
            Some((&TAG, key)) => key.try_into().map(Self).map_err(|_| ParseStackIdError::Bytes),
            _ => Err(ParseStackIdError::Bytes),
        }
    }

    /// The 33-byte binary form.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 33] {
        let mut bytes = [TAG; 33];
        bytes[1..].copy_from_slice(&self.0);
        bytes
    }

    /// The 32 bytes of the key.
    #[must_use]
    pub const fn key(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for StackId {
    type Err = ParseStackIdError;

    fn from_str(text: &str) -> Result<Self, ParseStackIdError> {
        let encoded = text.strip_prefix("s_").ok_or(ParseStackIdError::Prefix)?;
        if text.len() > TEXT_BYTES_MAX {
            return Err(ParseStackIdError::Encoding);
        }
        let mut key = [0; 32];
        match bs58::decode(encoded).onto(&mut key) {
            Ok(32) => Ok(Self(key)),
            _ => Err(ParseStackIdError::Encoding),
        }
    }
}

impl fmt::Display for StackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("s_{}", bs58::encode(self.0).into_string()))
    }
}

impl fmt::Debug for StackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_id_of_the_original_sample_is_read_and_written() {
        let text = "s_DfGaQSo67uZKUcC8zecSsLxdikFL9jefp8NJxj41CeEu";
        assert_eq!(text.parse::<StackId>().unwrap().to_string(), text);
    }

    #[test]
    fn zero_and_the_binary_form() {
        let zero = StackId::new([0; 32]);
        assert_eq!(zero.to_string(), format!("s_{}", "1".repeat(32)));
        assert_eq!(zero.to_bytes()[0], 1);
        assert_eq!(zero.to_bytes().len(), 33);
    }

    #[test]
    fn what_is_not_an_id() {
        let long = format!("s_{}", "1".repeat(100_000));
        for text in ["", "s", "s_", "DfGaQSo67uZKUcC8zecSsLxdikFL9jefp8NJxj41CeEu", "s_0OIl", "s_abc", &long] {
            assert!(text.parse::<StackId>().is_err(), "{text:.60}");
        }
        assert!(StackId::from_bytes(&[]).is_err());
        assert!(StackId::from_bytes(&[1; 32]).is_err());
        assert!(StackId::from_bytes(&[1; 34]).is_err());
        assert!(StackId::from_bytes(&[2; 33]).is_err());
    }

    proptest! {
        #[test]
        fn both_forms_round_trip(key in any::<[u8; 32]>()) {
            let id = StackId::new(key);
            prop_assert_eq!(id.to_string().parse::<StackId>().unwrap(), id);
            prop_assert_eq!(StackId::from_bytes(&id.to_bytes()).unwrap(), id);
        }
    }
}
