//! What can go wrong with a blob store, by what the caller can do about it.

use std::io;

/// An operation on a [`Blobs`](super::Blobs) failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// The store cannot be reached or its device fails. Trying again may help.
    #[error("{store} cannot be used: {reason}")]
    Unavailable {
        /// Which store.
        store: String,
        /// What failed.
        reason: String,
    },
    /// There is no room for the blob. What was there before is unharmed.
    #[error("{store} has no space left for writes ({reason}): free some space; reads still work")]
    Full {
        /// Which store.
        store: String,
        /// What the device said.
        reason: String,
    },
    /// The blob has fewer bytes than were asked for.
    #[error("{store} returned fewer bytes than it should: the file is damaged")]
    Truncated {
        /// Which store.
        store: String,
    },
    /// The key is empty, too long, or has too many parts.
    #[error("a key of {size} {unit} is not possible: 1 to {limit} {unit} are")]
    InvalidKey {
        /// How much it has of what is limited.
        size: usize,
        /// The limit.
        limit: usize,
        /// What is limited.
        unit: &'static str,
    },
}

impl BlobError {
    /// What the operating system said, as what it means for the caller.
    pub(crate) fn from_io(store: &str, error: &io::Error) -> Self {
        let (store, reason) = (store.to_owned(), error.to_string());
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { store, reason },
            io::ErrorKind::UnexpectedEof => Self::Truncated { store },
            _ => Self::Unavailable { store, reason },
        }
    }
}
