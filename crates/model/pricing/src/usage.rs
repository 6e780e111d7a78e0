//! What was consumed.

use crate::megabyte_instructions::MegabyteInstructions;

/// Counters of what a stack consumed, in the smallest units there are. They only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Sum, over the executed instructions, of the bytes of linear memory allocated at that moment.
    pub byte_instructions: u128,
    /// Executed instructions.
    pub instructions: u64,
    /// Keys read from muDB.
    pub db_reads: u64,
    /// Keys written to muDB; an atomic write counts twice.
    pub db_writes: u64,
    /// Bytes kept in muDB times the seconds they were kept.
    pub db_byte_seconds: u128,
    /// Objects read from mu Storage.
    pub storage_reads: u64,
    /// Objects written to mu Storage.
    pub storage_writes: u64,
    /// Bytes read from mu Storage.
    pub storage_read_bytes: u64,
    /// Bytes written to mu Storage.
    pub storage_written_bytes: u64,
    /// Bytes kept in mu Storage times the seconds they were kept.
    pub storage_byte_seconds: u128,
    /// Requests that a gateway answered from a route.
    pub gateway_requests: u64,
    /// Bytes of those requests and their responses.
    pub gateway_traffic_bytes: u64,
}

impl Usage {
    /// Both together; `None` when a counter can't hold its sum.
    #[must_use]
    pub fn checked_add(&self, other: &Self) -> Option<Self> {
        Some(Self {
            byte_instructions: self.byte_instructions.checked_add(other.byte_instructions)?,
            instructions: self.instructions.checked_add(other.instructions)?,
            db_reads: self.db_reads.checked_add(other.db_reads)?,
            db_writes: self.db_writes.checked_add(other.db_writes)?,
            db_byte_seconds: self.db_byte_seconds.checked_add(other.db_byte_seconds)?,
            storage_reads: self.storage_reads.checked_add(other.storage_reads)?,
            storage_writes: self.storage_writes.checked_add(other.storage_writes)?,
            storage_read_bytes: self.storage_read_bytes.checked_add(other.storage_read_bytes)?,
            storage_written_bytes: self.storage_written_bytes.checked_add(other.storage_written_bytes)?,
            storage_byte_seconds: self.storage_byte_seconds.checked_add(other.storage_byte_seconds)?,
            gateway_requests: self.gateway_requests.checked_add(other.gateway_requests)?,
            gateway_traffic_bytes: self.gateway_traffic_bytes.checked_add(other.gateway_traffic_bytes)?,
        })
    }

    /// Both together; a counter that can't hold its sum stays at its maximum. For counters on a running node, where
    /// stopping to count would be worse.
    #[must_use]
    pub fn saturating_add(&self, other: &Self) -> Self {
        Self {
            byte_instructions: self.byte_instructions.saturating_add(other.byte_instructions),
            instructions: self.instructions.saturating_add(other.instructions),
            db_reads: self.db_reads.saturating_add(other.db_reads),
            db_writes: self.db_writes.saturating_add(other.db_writes),
            db_byte_seconds: self.db_byte_seconds.saturating_add(other.db_byte_seconds),
            storage_reads: self.storage_reads.saturating_add(other.storage_reads),
            storage_writes: self.storage_writes.saturating_add(other.storage_writes),
            storage_read_bytes: self.storage_read_bytes.saturating_add(other.storage_read_bytes),
            storage_written_bytes: self.storage_written_bytes.saturating_add(other.storage_written_bytes),
            storage_byte_seconds: self.storage_byte_seconds.saturating_add(other.storage_byte_seconds),
            gateway_requests: self.gateway_requests.saturating_add(other.gateway_requests),
            gateway_traffic_bytes: self.gateway_traffic_bytes.saturating_add(other.gateway_traffic_bytes),
        }
    }

    /// The byte-instructions in the unit they are billed in.
    #[must_use]
    pub fn megabyte_instructions(&self) -> MegabyteInstructions {
        MegabyteInstructions(self.byte_instructions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adding_is_checked_or_saturates() {
        let one = Usage { db_reads: 1, byte_instructions: 1, ..Usage::default() };
        let full = Usage { db_reads: u64::MAX, byte_instructions: 1, ..Usage::default() };
        assert_eq!(one.checked_add(&one), Some(Usage { db_reads: 2, byte_instructions: 2, ..Usage::default() }));
        assert_eq!(one.checked_add(&full), None);
        assert_eq!(one.saturating_add(&full), Usage { db_reads: u64::MAX, byte_instructions: 2, ..Usage::default() });
    }
}
