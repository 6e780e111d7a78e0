//! How much a stack has in its tables.

use super::{DbError, MuDb, StackId};
use crate::{KeyRange, Order, Scan, ScanLimit, Select, keys};

/// Of one look at the store: few enough that other readers come in between.
const PAGE: ScanLimit = ScanLimit { rows: 1_000, bytes: 1 << 20 };
/// The version in front of every value.
const RECORD_OVERHEAD_BYTES: usize = 1;

impl MuDb {
    /// The bytes of all keys and values of a stack's tables, found by reading them all. What is written meanwhile may be
    /// counted or not.
    ///
    /// # Errors
    /// [`DbError::Store`].
    pub async fn stored_bytes(&self, stack: &StackId) -> Result<u64, DbError> {
        let mut range = KeyRange::prefix(keys::rows(stack));
        let mut bytes = 0_u64;
        loop {
            let scan = Scan { range: range.clone(), order: Order::Ascending, limit: PAGE, select: Select::Rows };
            let page = self.kv.scan(scan).await?;
            for row in &page.rows {
                let key_bytes = keys::inner_bytes(stack, &row.key).unwrap_or_default();
                bytes += (key_bytes + row.value.len().saturating_sub(RECORD_OVERHEAD_BYTES)) as u64;
            }
            match page.rows.last() {
                Some(last) if page.cut.is_some() => range = range.after(&last.key),
                _ => return Ok(bytes),
            }
            tokio::task::yield_now().await;
        }
    }
}
