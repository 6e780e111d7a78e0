//! What a function or a person reads when mu Storage refuses.

use crate::BlobError;
use crate::format::FormatError;

/// Longest part of a name that an error message repeats, in characters: names come from guests.
const NAME_CHARS_MAX: usize = 64;

/// An operation on mu Storage failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// The stack has no such box.
    #[error("box `{box_name}` is not declared: add a Storage named `{box_name}` to mu.yaml")]
    UnknownBox {
        /// The name, shortened if it is very long.
        box_name: String,
    },
    /// A name that no box can have.
    #[error("`{box_name}` cannot be the name of a box: names have 1 to 255 of the characters A-Z a-z 0-9 _ -")]
    InvalidBoxName {
        /// The name, shortened if it is very long.
        box_name: String,
    },
    /// There is no such object.
    #[error("box `{box_name}` has no object `{key}`")]
    NotFound {
        /// The box.
        box_name: String,
        /// The key, shortened if it is very long.
        key: String,
    },
    /// A key that no object can have.
    #[error("a key of {size} {unit} is not possible: 1 to {limit} {unit} are")]
    InvalidKey {
        /// How much it has of what is limited.
        size: usize,
        /// The limit.
        limit: usize,
        /// What is limited: bytes, or parts.
        unit: &'static str,
    },
    /// The content is over the limit of an object.
    #[error("an object of more than {limit} bytes cannot be stored")]
    ObjectTooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The object is too large to be read at once.
    #[error("object `{key}` has {bytes} bytes and at most {limit} can be read at once: read it in ranges")]
    ReadTooLarge {
        /// The key, shortened if it is very long.
        key: String,
        /// How much was asked for.
        bytes: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The list would be over a limit. It is not cut short, because the caller could not tell.
    #[error("box `{box_name}` has more than {limit} objects with this prefix: use a longer prefix")]
    TooManyObjects {
        /// The box.
        box_name: String,
        /// How many one list may hold.
        limit: usize,
    },
    /// The object has no such range.
    #[error("bytes {start} to {end} cannot be read from an object of {bytes} bytes")]
    InvalidRange {
        /// The first byte of the range.
        start: u64,
        /// The byte after the last one.
        end: u64,
        /// The size of the object.
        bytes: u64,
    },
    /// The stored bytes of an object are not what was written.
    #[error("object `{key}` in box `{box_name}` is damaged: {reason}")]
    CorruptObject {
        /// The box.
        box_name: String,
        /// The key, shortened if it is very long.
        key: String,
        /// What is wrong.
        reason: FormatError,
    },
    /// The stored bytes about a box are not what was written.
    #[error("box `{box_name}` cannot be opened: {reason}")]
    CorruptBox {
        /// The box.
        box_name: String,
        /// What is wrong.
        reason: FormatError,
    },
    /// The box was made with another root key.
    #[error("box `{box_name}` belongs to another root key: put back the root key file of this data directory")]
    OtherRootKey {
        /// The box.
        box_name: String,
    },
    /// What was to be stored did not arrive whole.
    #[error("the content of the object did not arrive: {reason}")]
    Interrupted {
        /// What its source said.
        reason: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(BlobError),
}

impl From<BlobError> for StorageError {
    fn from(error: BlobError) -> Self {
        match error {
            // The name of the box and the key together are too much for the store.
            BlobError::InvalidKey { size, limit, unit } => Self::InvalidKey { size, limit, unit },
            error => Self::Store(error),
        }
    }
}

impl StorageError {
    pub(super) fn unknown_box(name: &str) -> Self {
        Self::UnknownBox { box_name: shortened(name) }
    }

    pub(super) fn invalid_box_name(name: &str) -> Self {
        Self::InvalidBoxName { box_name: shortened(name) }
    }

    pub(super) fn corrupt_box(name: &str, reason: FormatError) -> Self {
        let box_name = name.to_owned();
        match reason {
            FormatError::OtherRootKey => Self::OtherRootKey { box_name },
            reason => Self::CorruptBox { box_name, reason },
        }
    }
}

pub(super) fn shortened(name: &str) -> String {
    match name.char_indices().nth(NAME_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}
