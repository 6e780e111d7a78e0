//! AES-256-GCM, and keys that wrap keys.

use mu_env::Random;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

pub(crate) const KEY_BYTES: usize = 32;
pub(crate) const NONCE_BYTES: usize = 12;
pub(crate) const TAG_BYTES: usize = 16;
/// A wrapped key: nonce, encrypted key, tag.
pub(crate) const WRAPPED_KEY_BYTES: usize = NONCE_BYTES + KEY_BYTES + TAG_BYTES;

/// Key material that is erased when it is no longer used.
pub(crate) type Key = Zeroizing<[u8; KEY_BYTES]>;

/// A key, ready to encrypt and decrypt.
pub(crate) struct Cipher(LessSafeKey);

impl Cipher {
    pub(crate) fn new(key: &[u8; KEY_BYTES]) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, key).expect("an AES-256 key has 32 bytes");
        Self(LessSafeKey::new(key))
    }

    /// Encrypts in place. A nonce must never be used twice with one key.
    pub(crate) fn seal(&self, nonce: [u8; NONCE_BYTES], context: &[u8], text: &mut [u8]) -> [u8; TAG_BYTES] {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(context), text);
        let tag = tag.expect("what we encrypt at once is far below the limit of AES-GCM");
        let mut bytes = [0; TAG_BYTES];
        bytes.copy_from_slice(tag.as_ref());
        bytes
    }

    /// Decrypts in place what `seal` made, followed by its tag. `None` when anything about it is not as it was.
    pub(crate) fn open<'a>(
        &self,
        nonce: [u8; NONCE_BYTES],
        context: &[u8],
        sealed: &'a mut [u8],
    ) -> Option<&'a mut [u8]> {
        self.0.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(context), sealed).ok()
    }

    /// Encrypts another key. With random nonces, one key may wrap about 2^32 others.
    pub(crate) fn wrap(&self, random: &Random, context: &[u8], key: &Key) -> [u8; WRAPPED_KEY_BYTES] {
        let mut wrapped = [0; WRAPPED_KEY_BYTES];
        let (nonce, rest) = wrapped.split_at_mut(NONCE_BYTES);
        let (text, tag) = rest.split_at_mut(KEY_BYTES);
        random.fill_secret(nonce);
        text.copy_from_slice(&key[..]);
        let mut nonce_used = [0; NONCE_BYTES];
        nonce_used.copy_from_slice(nonce);
        tag.copy_from_slice(&self.seal(nonce_used, context, text));
        wrapped
    }

    pub(crate) fn unwrap(&self, context: &[u8], wrapped: &[u8; WRAPPED_KEY_BYTES]) -> Option<Key> {
        let (nonce, sealed) = wrapped.split_first_chunk::<NONCE_BYTES>()?;
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let key = self.open(*nonce, context, &mut sealed)?;
        Some(Zeroizing::new(key.first_chunk().copied()?))
    }
}

/// A new random key.
pub(crate) fn new_key(random: &Random) -> Key {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    random.fill_secret(&mut key[..]);
    key
}

/// What a ciphertext is bound to: a purpose and the parts that identify the thing, each preceded by its length, so that
/// no two different lists of parts give the same bytes.
pub(crate) fn context(purpose: &str, parts: &[&[u8]]) -> Vec<u8> {
    let mut context = Vec::new();
    for part in std::iter::once(&purpose.as_bytes()).chain(parts) {
        context.extend_from_slice(&(part.len() as u64).to_be_bytes());
        context.extend_from_slice(part);
    }
    context
}
