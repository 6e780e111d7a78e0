//! How much one operation may ask for.

use super::DbError;

/// Limits of single operations. The defaults are those of the architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest key, in bytes. Default 8 KiB; at most about 15.7 KiB is possible in the store.
    pub key_bytes: usize,
    /// Longest value, in bytes. Default 1 MiB; at most just under 8 MiB is possible in the store.
    pub value_bytes: usize,
    /// Most rows in one answer, and the highest limit a scan may ask for. Default 10 240.
    pub scan_rows: usize,
    /// Most bytes of keys and values in one answer. Default 16 MiB.
    pub scan_bytes: usize,
    /// Most items in one batch operation. Default 10 240.
    pub batch_items: usize,
    /// Most bytes of keys and values in one batch operation. Default 16 MiB.
    pub batch_bytes: usize,
    /// Most tables in one answer of `table_list`. Default 128.
    pub listed_tables: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            key_bytes: 8 << 10,
            value_bytes: 1 << 20,
            scan_rows: 10_240,
            scan_bytes: 16 << 20,
            batch_items: 10_240,
            batch_bytes: 16 << 20,
            listed_tables: 128,
        }
    }
}

impl Limits {
    pub(super) fn check_key(&self, key: &[u8]) -> Result<(), DbError> {
        at_most("a key", key.len(), self.key_bytes, "bytes")
    }

    pub(super) fn check_value(&self, value: &[u8]) -> Result<(), DbError> {
        at_most("a value", value.len(), self.value_bytes, "bytes")
    }

    pub(super) fn check_row_limit(&self, rows: usize) -> Result<(), DbError> {
        at_most("a row limit", rows, self.scan_rows, "rows")
    }

    pub(super) fn check_batch_items(&self, items: usize) -> Result<(), DbError> {
        at_most("a batch", items, self.batch_items, "items")
    }

    pub(super) fn check_batch_bytes(&self, bytes: usize) -> Result<(), DbError> {
        at_most("a batch", bytes, self.batch_bytes, "bytes")
    }
}

fn at_most(what: &'static str, size: usize, limit: usize, unit: &'static str) -> Result<(), DbError> {
    if size > limit { Err(DbError::TooLarge { what, size, limit, unit }) } else { Ok(()) }
}
