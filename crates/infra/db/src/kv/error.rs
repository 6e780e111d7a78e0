//! What can go wrong with a store, by what the caller can do about it.

/// An operation on a [`Kv`](crate::Kv) failed. Cloneable, because one failed group of commits answers many callers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KvError {
    /// The store cannot be reached or its device fails. Trying again may help.
    #[error("{store} cannot be used: {reason}")]
    Unavailable {
        /// Which store.
        store: String,
        /// What failed.
        reason: String,
    },
    /// There is no room for the write. Reads still work, and writes work again once there is room.
    #[error("{store} has no space left for writes ({reason}): free some space; reads still work")]
    Full {
        /// Which store.
        store: String,
        /// What the device said.
        reason: String,
    },
    /// The stored bytes are not what was written. Only a person can help.
    #[error("{store} is damaged: {reason}; restore it from a copy, or move it away to start empty")]
    Corrupt {
        /// Which store.
        store: String,
        /// What is wrong.
        reason: String,
    },
    /// Another process holds the store. Happens only when opening it.
    #[error("another mu is using {store}; stop it or choose another --data-dir")]
    InUse {
        /// Which store.
        store: String,
    },
    /// A key, a value or a batch is over a limit of the port.
    #[error("{what} of {bytes} bytes is over the limit of {limit_bytes} bytes")]
    TooLarge {
        /// What is too large: "a key", "a value", "a batch" or "a set of values".
        what: &'static str,
        /// Its size in bytes.
        bytes: usize,
        /// The limit in bytes.
        limit_bytes: usize,
    },
    /// The store was closed by its owner: the node is stopping.
    #[error("{store} is closed")]
    Closed {
        /// Which store.
        store: String,
    },
}

pub(super) fn at_most(what: &'static str, bytes: usize, limit_bytes: usize) -> Result<(), KvError> {
    if bytes > limit_bytes { Err(KvError::TooLarge { what, bytes, limit_bytes }) } else { Ok(()) }
}
