//! The ordered key/value port, its adapters, and muDB on top of it.
//!
//! [`Kv`] is what every stateful service of mu stands on: ordered bytes to bytes, point reads, range scans, and one
//! write primitive, [`Kv::commit`], that checks expectations and applies puts and deletes all or nothing. [`MemKv`] and
//! [`RedbKv`] implement it. [`MuDb`] is the database that functions see: the tables of a stack, with limits and counted
//! reads and writes. Keys of all of mu are built in [`keys`].
//!
//! [`Journal`] is for records that come one by one and too often for a commit each: they survive the process once they
//! are appended, and are added up into a [`Kv`] later. [`MemJournal`] and [`FileJournal`] implement it.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod journal;
pub mod keys;
mod kv;
mod mudb;

pub use journal::{
    FileJournal, Journal, JournalError, JournalId, JournalOptions, MemJournal, Position, RECORD_BYTES_MAX, Records,
};
pub use kv::{
    BATCH_BYTES_MAX, Batch, Conflict, Cut, Expectation, KEY_BYTES_MAX, KeyRange, Kv, KvError, MemKv, Order, Outcome,
    Page, RedbKv, RedbOptions, Row, Scan, ScanLimit, Select, VALUE_BYTES_MAX, Write,
};
pub use mudb::{Atomicity, DbError, Limits, MuDb, Ops, StackId, Swap, TableKey, TableRow};
