//! The in-memory twin: for tests, simulations and caches that may be lost.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use async_trait::async_trait;
use bytes::Bytes;

use super::range::{PageBuilder, ValuesBuilder};
use super::{Batch, Conflict, Kv, KvError, Order, Outcome, Page, Scan, Write};

/// A [`Kv`] in memory. It loses everything when dropped and has no limit but the machine's memory.
#[derive(Debug, Default)]
pub struct MemKv {
    rows: RwLock<Rows>,
}

type Rows = BTreeMap<Bytes, Bytes>;

impl MemKv {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn read<T>(&self, read: impl FnOnce(&Rows) -> T) -> T {
        // A poisoned lock is harmless: nothing that runs under it panics half way through a change.
        read(&self.rows.read().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Kv for MemKv {
    async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        Ok(self.read(|rows| rows.get(key).cloned()))
    }

    async fn get_many(&self, keys: &[Bytes], bytes_max: usize) -> Result<Vec<Option<Bytes>>, KvError> {
        let mut values = ValuesBuilder::new(keys.len(), bytes_max);
        self.read(|rows| keys.iter().all(|key| values.push(rows.get(key).map(|value| &value[..]))));
        values.finish()
    }

    async fn scan(&self, scan: Scan) -> Result<Page, KvError> {
        let mut page = PageBuilder::new(&scan);
        if !scan.range.is_empty() {
            self.read(|rows| {
                let mut range = rows.range::<[u8], _>(scan.range.bounds());
                while let Some((key, value)) = match scan.order {
                    Order::Ascending => range.next(),
                    Order::Descending => range.next_back(),
                } {
                    if !page.push(key, value) {
                        break;
                    }
                }
            });
        }
        Ok(page.finish())
    }

    async fn commit(&self, batch: Batch) -> Result<Outcome, KvError> {
        batch.check()?;
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        for expected in batch.expectations() {
            let actual = rows.get(&expected.key);
            if actual != expected.value.as_ref() {
                return Ok(Outcome::Conflict(Conflict { key: expected.key.clone(), actual: actual.cloned() }));
            }
        }
        for write in batch.writes() {
            match write {
                Write::Put { key, value } => rows.insert(key.clone(), value.clone()),
                Write::Delete { key } => rows.remove(key),
            };
        }
        Ok(Outcome::Committed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn conforms() {
        crate::conformance::check(Arc::new(MemKv::new())).await;
    }
}
