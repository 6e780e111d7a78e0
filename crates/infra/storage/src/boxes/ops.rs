//! What operations are billed for.
//!
//! | operation | counts |
//! |---|---|
//! | put | 1 write, and the bytes of the content written |
//! | get, get_range | 1 read, and the bytes of content returned |
//! | head, list | 1 read |
//! | opening an [`ObjectReader`](super::ObjectReader) | 1 read; its user adds the bytes it takes |
//! | delete | 1 write |
//!
//! Bytes are those of the content, not of its encrypted form. A failed operation counts nothing.

use std::ops::{Add, AddAssign};

/// Reads, writes and bytes that an operation is billed for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageOps {
    /// Operations that read.
    pub reads: u64,
    /// Operations that write.
    pub writes: u64,
    /// Bytes of content read.
    pub bytes_read: u64,
    /// Bytes of content written.
    pub bytes_written: u64,
}

impl StorageOps {
    /// One read of so many bytes.
    #[must_use]
    pub fn read(bytes: u64) -> Self {
        Self { reads: 1, bytes_read: bytes, ..Self::default() }
    }

    /// One write of so many bytes.
    #[must_use]
    pub fn write(bytes: u64) -> Self {
        Self { writes: 1, bytes_written: bytes, ..Self::default() }
    }
}

impl Add for StorageOps {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            reads: self.reads + other.reads,
            writes: self.writes + other.writes,
            bytes_read: self.bytes_read + other.bytes_read,
            bytes_written: self.bytes_written + other.bytes_written,
        }
    }
}

impl AddAssign for StorageOps {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}
