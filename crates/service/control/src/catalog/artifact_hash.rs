//! The hash that names an artifact for ever.

use std::fmt;
use std::str::FromStr;

use mu_stack::BinaryId;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The BLAKE3 hash of an artifact's bytes; as text, 64 lower-case hexadecimal digits.
///
/// The text is also the [`BinaryId`] that functions of a stored stack carry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArtifactHash([u8; 32]);

/// The text is not the hash of an artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the hash of an artifact is 64 lower-case hexadecimal digits: the BLAKE3 hash of its bytes")]
pub struct InvalidArtifactHash;

impl ArtifactHash {
    /// The hash of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// A hash that was computed before.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// As functions name the artifact that they run.
    #[must_use]
    pub fn binary_id(&self) -> BinaryId {
        self.to_string().parse().expect("hexadecimal digits make a name")
    }
}

impl FromStr for ArtifactHash {
    type Err = InvalidArtifactHash;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_lower_case = !text.bytes().any(|byte| byte.is_ascii_uppercase());
        let hash = blake3::Hash::from_hex(text).ok().filter(|_| is_lower_case);
        hash.map(|hash| Self(*hash.as_bytes())).ok_or(InvalidArtifactHash)
    }
}

impl fmt::Display for ArtifactHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for ArtifactHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for ArtifactHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ArtifactHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_survive_text() {
        let hash = ArtifactHash::of(b"");
        let text = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
        assert_eq!(hash.to_string(), text);
        assert_eq!(hash.binary_id().as_str(), text);
        assert_eq!(text.parse(), Ok(hash));
        for bad in ["", "af13", &text.to_uppercase(), &text[1..], &format!("{text}0"), &text.replace('f', "g")] {
            assert_eq!(bad.parse::<ArtifactHash>(), Err(InvalidArtifactHash), "{bad}");
        }
    }
}
