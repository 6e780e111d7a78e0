//! The port: records in the order in which they came, appended one by one at the cost of a write.

mod error;
mod file;
mod mem;

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

pub use self::error::JournalError;
pub use self::file::{FileJournal, JournalOptions};
pub use self::mem::MemJournal;

/// Tells a journal from all others, also from one that was at the same place before: whoever remembers a [`Position`]
/// remembers it for this id.
pub type JournalId = [u8; 16];

/// Longest record, in bytes.
pub const RECORD_BYTES_MAX: usize = 64 * 1024;

/// A place between two records, or at the end: it only grows, and is never used for anything else later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

/// What one read returned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// The records, in the order in which they were appended.
    pub records: Vec<Bytes>,
    /// Where the next read continues. When it is where this read began, there is nothing more at the moment.
    pub next: Position,
}

/// Records in the order in which they were appended, until they are released.
///
/// Every adapter gives the same guarantees, which the `conformance` suite checks:
///
/// - An appended record is read by every read that begins later, once, whole, and after those appended before it.
/// - It survives the end of the process, however sudden. It survives that of the machine once it was
///   [synced](Journal::sync); what was not may be lost from some record on, and never in another way.
/// - An append that answers with an error has left nothing behind.
#[async_trait]
pub trait Journal: Send + Sync + fmt::Debug {
    /// Which journal this is.
    fn id(&self) -> JournalId;

    /// Appends a record of at least one byte. Called on the request path: it hands the bytes to the operating system
    /// and waits for no device.
    fn append(&self, record: &[u8]) -> Result<(), JournalError>;

    /// The records from `from` on, or from the first that is kept when that is later. Returns at most `bytes_max` bytes
    /// of records, but always one if there is one.
    async fn read(&self, from: Position, bytes_max: usize) -> Result<Records, JournalError>;

    /// Makes what was appended so far survive the machine.
    async fn sync(&self) -> Result<(), JournalError>;

    /// Forgets records before `before`, sooner or later: nobody reads them again.
    async fn release(&self, before: Position) -> Result<(), JournalError>;

    /// Lets later records come at `position` or after it. For a device that lost records it had acknowledged: what is
    /// appended next must not stand at a place that was read before.
    async fn resume_at(&self, position: Position) -> Result<(), JournalError>;
}

impl Position {
    /// Before the first record.
    pub const START: Self = Self(0);

    /// The position with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number, to be stored.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}
