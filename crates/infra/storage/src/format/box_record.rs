//! What is stored about a box.

use std::fmt;

use mu_env::Random;

use super::{FormatError, VERSION};
use crate::RootKey;
use crate::boxes::StackId;
use crate::cipher::{Cipher, KEY_BYTES, Key, WRAPPED_KEY_BYTES, context, new_key};

const MAGIC: [u8; 4] = *b"mubx";
const ROOT_ID_BYTES: usize = 8;

pub(crate) const BOX_RECORD_BYTES: usize = MAGIC.len() + 1 + ROOT_ID_BYTES + size_of::<BoxId>() + WRAPPED_KEY_BYTES;

/// Tells a box from an earlier one of the same name.
pub(crate) type BoxId = [u8; 16];

/// The key of a box: it wraps the data keys of the objects in it.
pub struct BoxKey(Cipher);

impl BoxKey {
    /// A key from bytes, for tests of the decoder. Boxes make their own.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; KEY_BYTES]) -> Self {
        Self(Cipher::new(bytes))
    }

    pub(super) fn cipher(&self) -> &Cipher {
        &self.0
    }
}

impl fmt::Debug for BoxKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxKey(..)")
    }
}

/// Makes the record of a new box.
pub(crate) fn new_box(root: &RootKey, random: &Random, stack: &StackId, name: &str) -> Vec<u8> {
    let mut id: BoxId = [0; 16];
    random.fill(&mut id);
    let key: Key = new_key(random);
    let wrapped = root.box_cipher().wrap(random, &wrapping_context(stack, name, &id), &key);
    [&MAGIC[..], &[VERSION], &root.id(), &id, &wrapped].concat()
}

/// Reads the record of a box.
pub(crate) fn open_box(
    root: &RootKey,
    stack: &StackId,
    name: &str,
    record: &[u8],
) -> Result<(BoxId, BoxKey), FormatError> {
    let rest = record.strip_prefix(&MAGIC).ok_or(FormatError::NotOurs)?;
    let (&version, rest) = rest.split_first().ok_or(FormatError::NotOurs)?;
    if version != VERSION {
        return Err(FormatError::UnknownVersion(version));
    }
    let parts = || {
        let (root_id, rest) = rest.split_first_chunk::<ROOT_ID_BYTES>()?;
        let (id, rest) = rest.split_first_chunk::<16>()?;
        Some((root_id, id, <&[u8; WRAPPED_KEY_BYTES]>::try_from(rest).ok()?))
    };
    let (root_id, id, wrapped) = parts().ok_or(FormatError::ImpossibleSize(record.len() as u64))?;
    if *root_id != root.id() {
        return Err(FormatError::OtherRootKey);
    }
    let key = root.box_cipher().unwrap(&wrapping_context(stack, name, id), wrapped).ok_or(FormatError::Forged)?;
    Ok((*id, BoxKey::from_bytes(&key)))
}

fn wrapping_context(stack: &StackId, name: &str, id: &BoxId) -> Vec<u8> {
    context("mu storage: box key", &[&[VERSION], stack, name.as_bytes(), id])
}
