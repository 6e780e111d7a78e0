//! How much one operation may ask for.

use super::StorageError;
use crate::blobs::{PARTS, parts};

/// Limits of single operations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest key of an object, in bytes. Default 1024; at most 1600 is possible in the store.
    ///
    /// In the store, the name of the box and the key are a path of at most
    /// [`BLOB_PATH_BYTES_MAX`](crate::BLOB_PATH_BYTES_MAX) bytes. No key of 1024 bytes meets that, unless the name of
    /// its box has more than 40 characters.
    pub key_bytes: usize,
    /// Most parts of a key, empty ones included: one more than it has slashes. Default 32; at most 36 is possible in
    /// the store.
    pub key_parts: usize,
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
        Self { key_bytes: 1024, key_parts: 32, object_bytes: 5 << 30, read_bytes: 64 << 20, listed_objects: 10_240 }
    }
}

impl Limits {
    pub(super) fn check_key(&self, key: &str) -> Result<(), StorageError> {
        if key.is_empty() { Err(self.too_long_or_empty(key)) } else { self.check_prefix(key) }
    }

    pub(super) fn check_prefix(&self, prefix: &str) -> Result<(), StorageError> {
        if prefix.len() > self.key_bytes {
            return Err(self.too_long_or_empty(prefix));
        }
        let (size, limit) = (parts(prefix), self.key_parts);
        if size > limit { Err(StorageError::InvalidKey { size, limit, unit: PARTS }) } else { Ok(()) }
    }

    fn too_long_or_empty(&self, key: &str) -> StorageError {
        StorageError::InvalidKey { size: key.len(), limit: self.key_bytes, unit: "bytes" }
    }
}
