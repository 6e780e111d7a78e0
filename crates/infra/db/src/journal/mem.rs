//! The in-memory twin: for tests and simulations.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use super::error::check_record;
use super::{Journal, JournalError, JournalId, Position, Records};

/// A [`Journal`] in memory. It loses everything when dropped and has no limit but the machine's memory.
#[derive(Debug)]
pub struct MemJournal {
    id: JournalId,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Each with the position where it begins. A record is as long as its bytes, as in a file.
    records: VecDeque<(u64, Bytes)>,
    end: u64,
}

impl MemJournal {
    /// An empty journal.
    #[must_use]
    pub fn new(id: JournalId) -> Self {
        Self { id, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A poisoned lock is harmless: nothing that runs under it panics half way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Journal for MemJournal {
    fn id(&self) -> JournalId {
        self.id
    }

    fn append(&self, record: &[u8]) -> Result<(), JournalError> {
        check_record(record)?;
        let mut state = self.lock();
        let start = state.end;
        state.records.push_back((start, Bytes::copy_from_slice(record)));
        state.end += record.len() as u64;
        Ok(())
    }

    async fn read(&self, from: Position, bytes_max: usize) -> Result<Records, JournalError> {
        let state = self.lock();
        let first = state.records.partition_point(|(start, _)| *start < from.0);
        let mut read = Records { records: Vec::new(), next: from };
        let mut bytes = 0;
        for (start, record) in state.records.range(first..) {
            bytes += record.len();
            if bytes > bytes_max && !read.records.is_empty() {
                break;
            }
            read.records.push(record.clone());
            read.next = Position(start + record.len() as u64);
        }
        Ok(read)
    }

    async fn sync(&self) -> Result<(), JournalError> {
        Ok(())
    }

    async fn release(&self, before: Position) -> Result<(), JournalError> {
        let mut state = self.lock();
        let released = state.records.partition_point(|(start, _)| *start < before.0);
        state.records.drain(..released);
        Ok(())
    }

    async fn resume_at(&self, position: Position) -> Result<(), JournalError> {
        let mut state = self.lock();
        state.end = state.end.max(position.0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn conforms() {
        crate::conformance::check_journal(Arc::new(MemJournal::new([1; 16]))).await;
    }
}
