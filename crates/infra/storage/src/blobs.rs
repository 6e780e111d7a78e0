//! The port: named byte strings that appear and are replaced whole.

mod error;
mod fs;
mod mem;

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

pub use self::error::BlobError;
pub use self::fs::FsBlobs;
pub use self::mem::MemBlobs;

/// Longest key of a blob, in bytes. A key has at least one byte.
pub const BLOB_KEY_BYTES_MAX: usize = 2048;
/// Most parts of a key: one more than it has slashes. Each may become a directory of its own.
pub const BLOB_KEY_PARTS_MAX: usize = 40;
/// Longest path of a key below its store, in bytes. What the operating system allows is 4095 bytes with the store's own
/// path, for which this leaves room. ASCII letters that are not capitals, digits, `_`, `-` and `/` take one byte in a
/// path, other bytes three; each part takes six more, and so do each 80 bytes.
pub const BLOB_PATH_BYTES_MAX: usize = 3584;

/// A store of blobs, named by UTF-8 keys, listed in the order of their bytes.
///
/// Every adapter gives the same guarantees, which the `conformance` suite checks:
///
/// - A blob is visible only once [`BlobWriter::finish`] is called, and then it is as durable as the adapter can make it
///   (for the directory: on disk). Until then, readers see what the key had before.
/// - A [`BlobReader`] reads the blob as it was when it was opened, also after it is replaced or deleted.
/// - Keys are independent: `a` and `a/b` can both exist, and so can `A` and `a`.
#[async_trait]
pub trait Blobs: Send + Sync + fmt::Debug {
    /// Begins to write a blob. Dropping the writer leaves no trace.
    async fn create(&self, key: &str) -> Result<Box<dyn BlobWriter>, BlobError>;

    /// Opens a blob for reading; `None` when there is none.
    async fn open(&self, key: &str) -> Result<Option<Box<dyn BlobReader>>, BlobError>;

    /// Removes a blob. Removing one that does not exist is not an error.
    async fn delete(&self, key: &str) -> Result<(), BlobError>;

    /// The first `limit` blobs whose keys begin with `prefix` and are greater than `after`, in order.
    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<BlobInfo>, BlobError>;

    /// Writes a whole blob.
    async fn put(&self, key: &str, content: Bytes) -> Result<(), BlobError> {
        let mut writer = self.create(key).await?;
        writer.write(content).await?;
        writer.finish().await
    }
}

/// A blob that is being written.
#[async_trait]
pub trait BlobWriter: Send {
    /// Appends bytes. When the future is dropped before it is done, the blob can no longer be finished.
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError>;

    /// Makes the blob durable and visible, in place of the one that had its key.
    async fn finish(self: Box<Self>) -> Result<(), BlobError>;
}

/// A blob that is being read.
#[async_trait]
pub trait BlobReader: Send + Sync + fmt::Debug {
    /// Its size in bytes.
    fn size_bytes(&self) -> u64;

    /// Exactly `length` bytes from `offset` on. Less than that is an error.
    async fn read(&self, offset: u64, length: usize) -> Result<Bytes, BlobError>;
}

/// An entry of a list of blobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobInfo {
    /// The key.
    pub key: String,
    /// The size in bytes.
    pub size_bytes: u64,
}

/// Checks the limits of the port. Every adapter asks this before anything else.
fn check_key(key: &str) -> Result<(), BlobError> {
    if key.is_empty() {
        return Err(BlobError::InvalidKey { size: 0, limit: BLOB_KEY_BYTES_MAX, unit: "bytes" });
    }
    for (size, limit, unit) in [
        (key.len(), BLOB_KEY_BYTES_MAX, "bytes"),
        (parts(key), BLOB_KEY_PARTS_MAX, PARTS),
        (fs::path_bytes(key), BLOB_PATH_BYTES_MAX, "bytes of path"),
    ] {
        if size > limit {
            return Err(BlobError::InvalidKey { size, limit, unit });
        }
    }
    Ok(())
}

/// What messages call [`parts`].
pub(crate) const PARTS: &str = "parts between slashes";

/// The parts of a key, empty ones included.
pub(crate) fn parts(key: &str) -> usize {
    key.split('/').count()
}
