//! What operations are billed for.
//!
//! | operation | reads | writes |
//! |---|---|---|
//! | get | 1 | |
//! | scan, scan_keys, table_list | rows returned, at least 1 | |
//! | batch_get | items asked for, at least 1 | |
//! | batch_scan, batch_scan_keys | for each item, rows returned, at least 1 | |
//! | put, delete | | 1 |
//! | batch_put, batch_delete | | items, at least 1 |
//! | delete_by_prefix | | rows deleted, at least 1 |
//! | compare_and_swap | 1 | 1, when it swaps |
//!
//! A write counts twice when it is atomic; compare_and_swap always is. A failed operation counts nothing.

use std::ops::{Add, AddAssign};

/// Reads and writes that an operation is billed for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ops {
    /// Database reads.
    pub reads: u64,
    /// Database writes.
    pub writes: u64,
}

/// Whether the caller asked for an atomic write (`is_atomic` of the function protocol). mu makes every write atomic;
/// the flag decides what is billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Atomicity {
    /// Billed once.
    Plain,
    /// Billed twice.
    Atomic,
}

impl From<bool> for Atomicity {
    fn from(is_atomic: bool) -> Self {
        if is_atomic { Self::Atomic } else { Self::Plain }
    }
}

impl Ops {
    /// So many reads, at least one.
    pub(super) fn reads(count: usize) -> Self {
        Self { reads: count.max(1) as u64, writes: 0 }
    }

    /// So many writes, at least one, each counted by its atomicity.
    pub(super) fn writes(count: usize, atomicity: Atomicity) -> Self {
        let factor = match atomicity {
            Atomicity::Plain => 1,
            Atomicity::Atomic => 2,
        };
        Self { reads: 0, writes: count.max(1) as u64 * factor }
    }
}

impl Add for Ops {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { reads: self.reads + other.reads, writes: self.writes + other.writes }
    }
}

impl AddAssign for Ops {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}
