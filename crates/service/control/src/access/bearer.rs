//! Random texts that open a door to whoever has them; only their hashes are kept.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mu_env::Random;
use sha2::{Digest, Sha256};

const SECRET_BYTES: usize = 32;
/// 32 bytes in base64 without padding.
const SECRET_CHARS: usize = 43;

/// A token as its owner has it: shown once, kept by nobody else, never printed by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenText(String);

/// What kind of door a text opens, by how it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BearerKind {
    /// `mu_`: an API token.
    Token,
    /// `mub_`: the bootstrap token.
    Bootstrap,
}

impl BearerKind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Token => "mu_",
            Self::Bootstrap => "mub_",
        }
    }

    /// Which kind this text says that it is.
    pub(super) fn of(text: &str) -> Option<Self> {
        [Self::Token, Self::Bootstrap].into_iter().find(|kind| text.starts_with(kind.prefix()))
    }

    /// A new text of this kind.
    pub(super) fn generate(self, random: &Random) -> TokenText {
        let mut secret = [0; SECRET_BYTES];
        random.fill_secret(&mut secret);
        TokenText(self.prefix().to_owned() + &URL_SAFE_NO_PAD.encode(secret))
    }

    /// The hash by which a text of this kind is known; none when it cannot be one.
    pub(super) fn hash(self, text: &str) -> Option<[u8; 32]> {
        let encoded = text.strip_prefix(self.prefix()).filter(|encoded| encoded.len() == SECRET_CHARS)?;
        URL_SAFE_NO_PAD.decode(encoded).ok()?;
        Some(Sha256::digest(text.as_bytes()).into())
    }
}

impl TokenText {
    /// The text, to be given to its owner.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenText(...)")
    }
}

#[cfg(test)]
mod tests {
    use mu_env::{Env, Timestamp};

    use super::*;

    #[test]
    fn texts_are_of_one_kind_and_form() {
        let env = Env::simulated(1, Timestamp::from_micros(0));
        for (kind, other) in [(BearerKind::Token, BearerKind::Bootstrap), (BearerKind::Bootstrap, BearerKind::Token)] {
            let text = kind.generate(env.random());
            assert_eq!(text.reveal().len(), kind.prefix().len() + SECRET_CHARS);
            assert_eq!(BearerKind::of(text.reveal()), Some(kind));
            assert!(kind.hash(text.reveal()).is_some());
            assert!(other.hash(text.reveal()).is_none());
            assert!(!format!("{text:?}").contains(&text.reveal()[4..]));
            let short = &text.reveal()[..text.reveal().len() - 1];
            for bad in [short, &format!("{short}!"), &format!("{}A", text.reveal()), kind.prefix(), ""] {
                assert!(kind.hash(bad).is_none(), "{bad}");
            }
        }
        assert_eq!(BearerKind::of("eyJhbGciOi"), None);
    }
}
