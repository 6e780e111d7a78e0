//! The port: an ordered map from bytes to bytes with one transactional write.

mod batch;
mod error;
mod mem;
mod range;
mod redb;

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

pub use self::batch::{Batch, Conflict, Expectation, Outcome, Write};
pub use self::error::KvError;
pub use self::mem::MemKv;
pub use self::range::{Cut, KeyRange, Order, Page, Row, Scan, ScanLimit, Select};
pub use self::redb::{RedbKv, RedbOptions};

/// Longest key, in bytes. muDB's own limit is lower; the rest is room for its prefixes.
pub const KEY_BYTES_MAX: usize = 16 * 1024;
/// Longest value, in bytes.
pub const VALUE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most bytes of keys and values in one [`Batch`].
pub const BATCH_BYTES_MAX: usize = 64 * 1024 * 1024;

/// An ordered map from bytes to bytes. Keys compare as unsigned bytes.
///
/// Every adapter gives the same guarantees, which the `conformance` suite checks:
///
/// - A read sees every commit that was acknowledged before the read began.
/// - One call of `get_many` or `scan` reads one state: it never sees half of a batch.
/// - An acknowledged commit is as durable as the adapter can make it (for redb: on disk).
/// - A commit that answers with an error may have happened or not, but never in part.
///
/// Futures may be dropped at any point. Dropping the one of [`Kv::commit`] does not undo the commit.
#[async_trait]
pub trait Kv: Send + Sync + fmt::Debug {
    /// The value of one key.
    async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, KvError>;

    /// The values of several keys, in the order of `keys`, all from one state. Values of more than `bytes_max` bytes
    /// together are refused with [`KvError::TooLarge`].
    async fn get_many(&self, keys: &[Bytes], bytes_max: usize) -> Result<Vec<Option<Bytes>>, KvError>;

    /// The rows of a range, in order, within limits.
    async fn scan(&self, scan: Scan) -> Result<Page, KvError>;

    /// Applies a batch if all its expectations hold, all or nothing.
    async fn commit(&self, batch: Batch) -> Result<Outcome, KvError>;
}
