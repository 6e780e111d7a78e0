//! How much one operation may ask for.

use super::StorageError;

/// Limits of single operations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest key of an object, in bytes. Default 1024; at most 1600 is possible in the store.
    pub key_bytes: usize,
    /// Largest object, in bytes. Default 5 GiB.
    pub object_bytes: u64,
    /// Most bytes that `get` and `get_range` return at once; [`ObjectReader`](super::ObjectReader) streams any size.
    /// Default 64 MiB.
    pub read_bytes: u64,
    /// Most objects in one list. Default 10 240.
    pub listed_objects: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { key_bytes: 1024, object_bytes: 5 << 30, read_bytes: 64 << 20, listed_objects: 10_240 }
    }
}

impl Limits {
    pub(super) fn check_key(&self, key: &str) -> Result<(), StorageError> {
        if key.is_empty() { Err(self.invalid_key(key)) } else { self.check_prefix(key) }
    }

    pub(super) fn check_prefix(&self, prefix: &str) -> Result<(), StorageError> {
        if prefix.len() > self.key_bytes { Err(self.invalid_key(prefix)) } else { Ok(()) }
    }

    fn invalid_key(&self, key: &str) -> StorageError {
        StorageError::InvalidKey { bytes: key.len(), limit: self.key_bytes }
    }
}
