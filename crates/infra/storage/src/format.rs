//! The bytes of objects and boxes at rest, version 1, and a decoder that may be given any bytes.
//!
//! An object:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `muob` |
//! | 1 | version: 1 |
//! | 16 | object id: random for every put, also the entity tag |
//! | 60 | data key: random for every put, wrapped by the key of the box |
//! | each 65 536 + 16 | a chunk of the content and its tag |
//! | 0 to 65 536, + 16 | the last chunk and its tag; empty only when the whole object is |
//!
//! A box:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `mubx` |
//! | 1 | version: 1 |
//! | 8 | id of the root key that wraps the key of the box |
//! | 16 | box id: random for every box that is made |
//! | 60 | key of the box, wrapped by a key derived from the root key |
//!
//! A wrapped key is a random nonce (12), the encrypted key (32) and a tag (16). All encryption is AES-256-GCM.
//!
//! Everything is authenticated together with where it belongs. A wrapped data key: version, stack, box, key and object
//! id. A chunk: the same, its index, and whether it is the last one; index and last-mark are also its nonce, and the
//! data key is never used for another object. So no object can be passed off as another one, no chunk can change
//! places, within an object or between objects, and no end can be cut off. A wrapped box key: version, stack, box and
//! box id.
//!
//! The size of the content follows from the size of the blob: nothing has to be read to know it.

mod box_record;
mod object;

use crate::boxes::StackId;

pub use self::box_record::BoxKey;
pub(crate) use self::box_record::{BOX_RECORD_BYTES, BoxId, new_box, open_box};
pub use self::object::{ObjectId, Opener, Sealer, open_object, seal_object};

/// Bytes of content in each chunk but the last.
pub const CHUNK_BYTES: usize = 64 * 1024;

/// Bytes before the first chunk.
pub const HEADER_BYTES: usize = 4 + 1 + 16 + crate::cipher::WRAPPED_KEY_BYTES;

/// Bytes that a chunk takes more than its content.
pub const CHUNK_OVERHEAD_BYTES: usize = crate::cipher::TAG_BYTES;

const VERSION: u8 = 1;

/// Where an object belongs. All of it is authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The stack.
    pub stack: StackId,
    /// The name of the box.
    pub box_name: String,
    /// The key in the box.
    pub key: String,
}

/// Bytes are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// They don't begin like ours.
    #[error("it is not an object of mu Storage")]
    NotOurs,
    /// They were written by a later version.
    #[error("it has format version {0}, which this mu does not know")]
    UnknownVersion(u8),
    /// No object has this size.
    #[error("{0} bytes cannot be an object: it was cut short")]
    ImpossibleSize(u64),
    /// They were changed, moved, or written with another key.
    #[error("it was changed or belongs elsewhere")]
    Forged,
    /// They were written with another root key.
    #[error("it was written with another root key")]
    OtherRootKey,
}

/// The size of the content of an object that takes `stored` bytes.
///
/// # Errors
/// [`FormatError::ImpossibleSize`].
pub fn content_bytes(stored: u64) -> Result<u64, FormatError> {
    let (chunk, overhead) = ((CHUNK_BYTES + CHUNK_OVERHEAD_BYTES) as u64, CHUNK_OVERHEAD_BYTES as u64);
    let chunks = stored.checked_sub(HEADER_BYTES as u64).ok_or(FormatError::ImpossibleSize(stored))?;
    let last = chunks % chunk;
    let is_empty = chunks == overhead;
    if chunks == 0 || (1..=overhead).contains(&last) && !is_empty {
        return Err(FormatError::ImpossibleSize(stored));
    }
    Ok(chunks - chunks.div_ceil(chunk) * overhead)
}

/// The number of chunks of an object: at least one.
#[must_use]
pub fn chunk_count(content_bytes: u64) -> u64 {
    content_bytes.div_ceil(CHUNK_BYTES as u64).max(1)
}

/// The bytes that an object takes at rest.
#[must_use]
pub fn stored_bytes(content_bytes: u64) -> u64 {
    HEADER_BYTES as u64 + content_bytes + chunk_count(content_bytes) * CHUNK_OVERHEAD_BYTES as u64
}

#[cfg(test)]
mod tests;
