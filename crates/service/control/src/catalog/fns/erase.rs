//! Removing what belongs to a fn or a stack that is gone.

use mu_db::{Batch, KeyRange, Order, Outcome, Scan, ScanLimit, Select, keys};
use mu_stack::StackId;

use super::functions::object_id;
use super::{FnError, FnRef};
use crate::catalog::{Catalog, CatalogError};

/// Rows that are removed in one commit.
const CHUNK_ROWS: usize = 256;

impl Catalog {
    /// Removes the triggers of a fn that is gone.
    pub(super) async fn erase_triggers_of(&self, stack: &StackId, of: &FnRef) -> Result<(), FnError> {
        for entry in self.trigger_entries(stack, Some(of)).await? {
            match self.delete_trigger(entry.id).await {
                Ok(()) | Err(FnError::UnknownTrigger) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Removes all fns and triggers of a stack, with what `guard` expects.
    pub(in crate::catalog) async fn erase_fns(&self, id: &StackId, guard: &Batch) -> Result<Outcome, CatalogError> {
        let stack = id.key();
        type RecordKey = fn(&keys::fns::ObjectId) -> bytes::Bytes;
        let kinds: [(bytes::Bytes, Option<RecordKey>); 3] = [
            (keys::fns::name(stack, ""), Some(keys::fns::record)),
            (keys::fns::trigger_names(stack), Some(keys::fns::trigger)),
            (keys::fns::trigger_sources(stack), None),
        ];
        for (prefix, record_key) in kinds {
            loop {
                let limit = ScanLimit { rows: CHUNK_ROWS, bytes: usize::MAX };
                let range = KeyRange::prefix(prefix.clone());
                let page = self.kv.scan(Scan { range, order: Order::Ascending, limit, select: Select::Rows }).await?;
                if page.rows.is_empty() {
                    break;
                }
                let mut batch = guard.clone();
                for row in &page.rows {
                    batch = batch.delete(row.key.clone());
                    // What cannot be read any more leads to no record.
                    if let Some((record_key, object)) = record_key.zip(object_id(&row.value)) {
                        batch = batch.delete(record_key(&object.key()));
                    }
                }
                if let Outcome::Conflict(conflict) = self.kv.commit(batch).await? {
                    return Ok(Outcome::Conflict(conflict));
                }
            }
        }
        Ok(Outcome::Committed)
    }
}
