//! Small values, encrypted for whoever asks the node's root key for a purpose of its own.

use std::fmt;

use mu_env::Random;
use zeroize::Zeroizing;

use crate::cipher::{Cipher, KEY_BYTES, NONCE_BYTES, WRAPPED_KEY_BYTES, context, new_key};

/// Encrypts values that are small enough to be held in memory, and binds each to what it belongs to.
///
/// What is sealed is a random nonce, the encrypted value, and a tag (AES-256-GCM). The context, a list of parts such as
/// a stack, a name and a version, is authenticated and not stored: a value opens only with the parts it was sealed
/// with, so that nobody can put one in the place of another. With random nonces, one sealer may seal about 2^32 values;
/// for more, and to change keys without the root key, there are [inner](Sealer::new_inner) sealers.
///
/// Nothing about it is ever printed.
pub struct Sealer {
    cipher: Cipher,
    purpose: String,
}

/// A sealed value cannot be opened: it was changed, belongs to something else, or was sealed with another key. Which of
/// them it is cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sealed value does not open: it was changed, is in the wrong place, or was sealed with another key")]
pub struct Unsealable;

/// How many bytes sealing adds to a value.
pub const SEAL_BYTES: usize = NONCE_BYTES + crate::cipher::TAG_BYTES;

impl Sealer {
    pub(crate) fn new(key: &[u8; KEY_BYTES], purpose: &str) -> Self {
        Self { cipher: Cipher::new(key), purpose: purpose.to_owned() }
    }

    /// A sealer with a new random key, and that key sealed by this sealer, to be stored.
    #[must_use]
    pub fn new_inner(&self, random: &Random, parts: &[&[u8]]) -> (Self, Vec<u8>) {
        let key = new_key(random);
        let wrapped = self.cipher.wrap(random, &self.context("key", parts), &key);
        (Self::new(&key, &self.purpose), wrapped.to_vec())
    }

    /// The sealer that [`Sealer::new_inner`] made with the same parts.
    ///
    /// # Errors
    /// When the key does not open.
    pub fn inner(&self, parts: &[&[u8]], wrapped: &[u8]) -> Result<Self, Unsealable> {
        let wrapped = <&[u8; WRAPPED_KEY_BYTES]>::try_from(wrapped).map_err(|_| Unsealable)?;
        let key = self.cipher.unwrap(&self.context("key", parts), wrapped).ok_or(Unsealable)?;
        Ok(Self::new(&key, &self.purpose))
    }

    /// Encrypts a value. The result is [`SEAL_BYTES`] longer.
    #[must_use]
    pub fn seal(&self, random: &Random, parts: &[&[u8]], value: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        random.fill_secret(&mut nonce);
        // Of the right size from the start: a buffer that grows would leave copies of the value behind.
        let mut sealed = Vec::with_capacity(value.len() + SEAL_BYTES);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(value);
        let tag = self.cipher.seal(nonce, &self.context("value", parts), &mut sealed[NONCE_BYTES..]);
        sealed.extend_from_slice(&tag);
        sealed
    }

    /// The value that was sealed with the same parts; it is erased from memory when dropped.
    ///
    /// # Errors
    /// When anything about it is not as it was.
    pub fn open(&self, parts: &[&[u8]], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unsealable> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(Unsealable)?;
        let mut value = Zeroizing::new(sealed.to_vec());
        let length = self.cipher.open(*nonce, &self.context("value", parts), &mut value).ok_or(Unsealable)?.len();
        value.truncate(length);
        Ok(value)
    }

    /// A key is never mistaken for a value, nor a purpose for another one.
    fn context(&self, kind: &str, parts: &[&[u8]]) -> Vec<u8> {
        let parts: Vec<&[u8]> = std::iter::once(kind.as_bytes()).chain(parts.iter().copied()).collect();
        context(&self.purpose, &parts)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(..)")
    }
}

#[cfg(test)]
mod tests {
    use mu_env::{Env, Timestamp};

    use super::*;
    use crate::RootKey;

    fn random() -> Random {
        Env::simulated(1, Timestamp::from_micros(0)).random().clone()
    }

    fn sealer() -> Sealer {
        RootKey::from_bytes([1; KEY_BYTES]).sealer("tests")
    }

    #[test]
    fn what_is_sealed_opens_with_the_same_context_alone() {
        let (sealer, random) = (sealer(), random());
        for value in [&b""[..], b"x", &[7; 100_000]] {
            let sealed = sealer.seal(&random, &[b"stack", b"NAME"], value);
            assert_eq!(sealed.len(), value.len() + SEAL_BYTES);
            assert_eq!(sealer.open(&[b"stack", b"NAME"], &sealed).unwrap()[..], *value);
            for parts in [&[&b"stack"[..]][..], &[b"stack", b"OTHER"], &[b"stackN", b"AME"], &[b"NAME", b"stack"], &[]]
            {
                assert_eq!(sealer.open(parts, &sealed), Err(Unsealable), "{parts:?}");
            }
        }
    }

    #[test]
    fn the_same_value_is_sealed_differently_each_time() {
        let (sealer, random) = (sealer(), random());
        assert_ne!(sealer.seal(&random, &[], b"value"), sealer.seal(&random, &[], b"value"));
    }

    #[test]
    fn changed_cut_and_foreign_values_do_not_open() {
        let (sealer, random) = (sealer(), random());
        let sealed = sealer.seal(&random, &[b"a"], b"value");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(sealer.open(&[b"a"], &changed), Err(Unsealable), "byte {at}");
            assert_eq!(sealer.open(&[b"a"], &sealed[..at]), Err(Unsealable), "cut at {at}");
        }
        for other in [RootKey::from_bytes([2; 32]).sealer("tests"), RootKey::from_bytes([1; 32]).sealer("others")] {
            assert_eq!(other.open(&[b"a"], &sealed), Err(Unsealable));
        }
    }

    #[test]
    fn an_inner_sealer_has_a_key_of_its_own() {
        let (sealer, random) = (sealer(), random());
        let (inner, wrapped) = sealer.new_inner(&random, &[b"stack"]);
        let sealed = inner.seal(&random, &[b"a"], b"value");
        assert_eq!(sealer.open(&[b"a"], &sealed), Err(Unsealable));
        let again = sealer.inner(&[b"stack"], &wrapped).unwrap();
        assert_eq!(again.open(&[b"a"], &sealed).unwrap()[..], *b"value");
        assert!(sealer.inner(&[b"other"], &wrapped).is_err());
        assert!(sealer.inner(&[b"stack"], &wrapped[1..]).is_err());
        assert_eq!(sealer.open(&[b"stack"], &wrapped), Err(Unsealable), "a key is no value");
    }

    #[test]
    fn nothing_is_printed() {
        assert_eq!(format!("{:?}", sealer()), "Sealer(..)");
    }

    /// Changing one of these makes what nodes have sealed unreadable.
    #[test]
    fn golden() {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(
            hex(&sealer().seal(&random(), &[b"a", b"bc"], b"value")),
            "c15c0289ec2d0a9167ec8e655d39ad01e38adeaa7047ca38bce05116c5f133bb77"
        );
        assert_eq!(
            hex(&sealer().new_inner(&random(), &[b"a", b"bc"]).1),
            "b9b501d1d854bb7180021590da8f50378864e6312837493d9ed95d4ce84b07c44ee222373c223b70db8d122ce4879d8ff9ebc7c5260b653335e32127"
        );
    }
}
