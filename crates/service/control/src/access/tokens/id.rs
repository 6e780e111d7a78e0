//! How tokens are named.

use std::fmt;
use std::str::FromStr;

use mu_env::Random;

/// Names a token, without being of any use to whoever knows it: 16 random bytes, written `t_<base58>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId([u8; 16]);

/// The text is not the id of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the id of a token is `t_` and the base58 form of 16 bytes")]
pub struct ParseTokenIdError;

/// Base58 of 16 bytes has at most this many characters.
const TEXT_BYTES_MAX: usize = "t_".len() + 22;

impl TokenId {
    pub(super) fn generate(random: &Random) -> Self {
        let mut id = [0; 16];
        random.fill(&mut id);
        Self(id)
    }

    /// The id of these bytes.
    #[must_use]
    pub const fn new(id: [u8; 16]) -> Self {
        Self(id)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl FromStr for TokenId {
    type Err = ParseTokenIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let encoded = text.strip_prefix("t_").filter(|_| text.len() <= TEXT_BYTES_MAX).ok_or(ParseTokenIdError)?;
        let mut id = [0; 16];
        match bs58::decode(encoded).onto(&mut id) {
            Ok(16) => Ok(Self(id)),
            _ => Err(ParseTokenIdError),
        }
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("t_{}", bs58::encode(self.0).into_string()))
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
