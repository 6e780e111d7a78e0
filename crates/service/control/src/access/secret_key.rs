//! The secret half of a client's key.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signer, SigningKey};
use mu_env::Random;

use super::ClientKey;

/// What a client proves with that it is who it says: an ed25519 secret key, written `sk_<base58>`.
///
/// It is wiped from memory when dropped, and never printed by accident.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

/// The text is not `sk_` and the base58 form of 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret key is `sk_` and the base58 form of 32 bytes")]
pub struct ParseSecretKeyError;

/// Base58 of 32 bytes has at most this many characters.
const TEXT_BYTES_MAX: usize = "sk_".len() + 44;

impl SecretKey {
    /// A new key.
    #[must_use]
    pub fn generate(random: &Random) -> Self {
        let mut seed = [0; 32];
        random.fill_secret(&mut seed);
        Self::from_seed(&seed)
    }

    /// The key that is made of these bytes.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The public half: who signs with this key.
    #[must_use]
    pub fn client(&self) -> ClientKey {
        ClientKey::new(self.0.verifying_key().to_bytes())
    }

    /// The key as text, to be kept where only its owner can read it.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("sk_{}", bs58::encode(self.0.as_bytes()).into_string())
    }

    pub(super) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl FromStr for SecretKey {
    type Err = ParseSecretKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let encoded = text.strip_prefix("sk_").filter(|_| text.len() <= TEXT_BYTES_MAX).ok_or(ParseSecretKeyError)?;
        let mut seed = [0; 32];
        match bs58::decode(encoded).onto(&mut seed) {
            Ok(32) => Ok(Self::from_seed(&seed)),
            _ => Err(ParseSecretKeyError),
        }
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.client())
    }
}

#[cfg(test)]
mod tests {
    use mu_env::{Env, Timestamp};

    use super::*;

    #[test]
    fn a_key_survives_text_and_is_not_printed() {
        let env = Env::simulated(3, Timestamp::from_micros(0));
        let key = SecretKey::generate(env.random());
        let text = key.reveal();
        assert_eq!(text.parse::<SecretKey>().unwrap().client(), key.client());
        assert!(!format!("{key:?}").contains(&text[3..]));
        for bad in ["", "sk_", "sk_0OIl", &text[1..], &format!("{text}1"), &format!("sk_{}", "1".repeat(10_000))] {
            assert_eq!(bad.parse::<SecretKey>().err(), Some(ParseSecretKeyError), "{bad:.60}");
        }
    }
}
