//! What a running function may ask of the node: one value per call, scoped to the function's stack.

mod db;
mod node;
mod storage;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use mu_abi::{DbReply, DbRequest, StorageReply, StorageRequest};
use mu_db::MuDb;
use mu_pricing::Usage;
use mu_runtime::{ExecutionUsage, Services};
use mu_stack::StackId;
use mu_storage::Boxes;

use crate::gatekeeper::{DataKind, Gatekeeper, WritePermit};
use crate::receipt::OpenReceipt;
use crate::websocket::Sockets;

/// The data of all stacks, and their WebSocket connections.
pub(crate) struct Backends {
    pub(crate) db: Arc<MuDb>,
    pub(crate) boxes: Arc<Boxes>,
    pub(crate) sockets: Arc<Sockets>,
    /// Asked before every write.
    pub(crate) gatekeeper: Arc<dyn Gatekeeper>,
}

/// The node as one call sees it. Counts what the call uses.
pub(crate) struct CallServices {
    backends: Arc<Backends>,
    stack: [u8; 32],
    counters: Counters,
    abandonment: Mutex<Abandonment>,
}

/// What is known of a call whose caller went away, or whose engine panicked.
#[derive(Default)]
struct Abandonment {
    execution: ExecutionUsage,
    receipt: Option<OpenReceipt>,
}

#[derive(Default)]
struct Counters {
    db_reads: AtomicU64,
    db_writes: AtomicU64,
    storage_reads: AtomicU64,
    storage_writes: AtomicU64,
    storage_read_bytes: AtomicU64,
    storage_written_bytes: AtomicU64,
}

impl CallServices {
    pub(crate) fn new(backends: Arc<Backends>, stack: [u8; 32]) -> Self {
        Self { backends, stack, counters: Counters::default(), abandonment: Mutex::default() }
    }

    /// Takes the receipt of a call that ended without an outcome. It is closed when the execution has let go of its services: it
    /// may be running still, on other threads, until the end of its time slice.
    pub(crate) fn close_at_end(&self, receipt: OpenReceipt) {
        self.abandonment.lock().unwrap_or_else(PoisonError::into_inner).receipt = Some(receipt);
    }

    /// Whether the call may write so much; else what its function is told. Writes of nothing are always permitted.
    async fn may_write(&self, kind: DataKind, bytes: u64) -> Result<(), String> {
        if bytes == 0 {
            return Ok(());
        }
        match self.backends.gatekeeper.may_write(&StackId::new(self.stack), kind, bytes) {
            WritePermit::Granted => Ok(()),
            WritePermit::Refused(told) => Err(told),
            WritePermit::Later(permit) => permit.await,
        }
    }

    /// What the call has used so far, together with what its execution used.
    pub(crate) fn usage(&self, execution: ExecutionUsage) -> Usage {
        Usage {
            instructions: execution.instructions,
            byte_instructions: execution.byte_instructions,
            ..self.counters.usage()
        }
    }
}

#[async_trait]
impl Services for CallServices {
    async fn db(&self, request: DbRequest) -> DbReply {
        if let Err(refusal) = self.may_write(DataKind::Tables, db::written_bytes_max(&request)).await {
            return DbReply::Error(refusal);
        }
        let asked = self.counters.ask(Usage { db_writes: db::writes_max(&request), ..Usage::default() });
        match db::answer(&self.backends.db, &self.stack, request).await {
            Ok((reply, ops)) => {
                asked.answered(&Usage { db_reads: ops.reads, db_writes: ops.writes, ..Usage::default() });
                reply
            }
            Err(error) => {
                asked.answered(&Usage::default());
                DbReply::Error(db::told(&error))
            }
        }
    }

    async fn storage(&self, request: StorageRequest) -> StorageReply {
        if let Err(refusal) = self.may_write(DataKind::Boxes, storage::stored_bytes_max(&request)).await {
            return StorageReply::Error(refusal);
        }
        let (storage_writes, storage_written_bytes) = storage::writes_max(&request);
        let asked = self.counters.ask(Usage { storage_writes, storage_written_bytes, ..Usage::default() });
        match storage::answer(&self.backends.boxes, &self.stack, request).await {
            Ok((reply, ops)) => {
                asked.answered(&Usage {
                    storage_reads: ops.reads,
                    storage_writes: ops.writes,
                    storage_read_bytes: ops.bytes_read,
                    storage_written_bytes: ops.bytes_written,
                    ..Usage::default()
                });
                reply
            }
            Err(error) => {
                asked.answered(&Usage::default());
                StorageReply::Error(storage::told(&error))
            }
        }
    }

    async fn has_box(&self, name: &str) -> Result<bool, String> {
        self.backends.boxes.has_box(&self.stack, name).await.map_err(|error| storage::told(&error))
    }

    async fn node(&self, request: http::Request<Bytes>) -> http::Response<Bytes> {
        node::answer(&self.backends.sockets, StackId::new(self.stack), request)
    }

    fn abandoned(&self, usage: ExecutionUsage) {
        self.abandonment.lock().unwrap_or_else(PoisonError::into_inner).execution = usage;
    }
}

impl Drop for CallServices {
    fn drop(&mut self) {
        let abandonment = self.abandonment.get_mut().unwrap_or_else(PoisonError::into_inner);
        let execution = abandonment.execution;
        if let Some(receipt) = abandonment.receipt.take() {
            receipt.close(self.usage(execution), execution.memory_bytes_max);
        }
    }
}

impl Counters {
    /// Notes that something was asked whose writes are at most `writes_max`.
    fn ask(&self, writes_max: Usage) -> Asked<'_> {
        Asked { counters: self, writes_max: Some(writes_max) }
    }

    fn usage(&self) -> Usage {
        Usage {
            db_reads: self.db_reads.load(Ordering::Relaxed),
            db_writes: self.db_writes.load(Ordering::Relaxed),
            storage_reads: self.storage_reads.load(Ordering::Relaxed),
            storage_writes: self.storage_writes.load(Ordering::Relaxed),
            storage_read_bytes: self.storage_read_bytes.load(Ordering::Relaxed),
            storage_written_bytes: self.storage_written_bytes.load(Ordering::Relaxed),
            ..Usage::default()
        }
    }

    fn add(&self, usage: &Usage) {
        for (counter, amount) in [
            (&self.db_reads, usage.db_reads),
            (&self.db_writes, usage.db_writes),
            (&self.storage_reads, usage.storage_reads),
            (&self.storage_writes, usage.storage_writes),
            (&self.storage_read_bytes, usage.storage_read_bytes),
            (&self.storage_written_bytes, usage.storage_written_bytes),
        ] {
            counter.fetch_add(amount, Ordering::Relaxed);
        }
    }
}

/// A question under way. What is billed is what the answer says. When a call is stopped before the answer, nobody
/// knows whether its write happens, because stores finish what they began: then the most that the question can have
/// written counts, so that stopping calls is no way to write for nothing. Reads that nobody sees are free.
struct Asked<'a> {
    counters: &'a Counters,
    /// Taken by the answer.
    writes_max: Option<Usage>,
}

impl Asked<'_> {
    fn answered(mut self, usage: &Usage) {
        self.writes_max = None;
        self.counters.add(usage);
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if let Some(writes_max) = self.writes_max.take() {
            self.counters.add(&writes_max);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_counts_as_answered_or_at_its_most() {
        let at_most = Usage { db_writes: 4, storage_writes: 1, storage_written_bytes: 9, ..Usage::default() };
        let answer = Usage { db_reads: 1, db_writes: 2, ..Usage::default() };
        for (answer, expected) in [(Some(answer), answer), (Some(Usage::default()), Usage::default()), (None, at_most)]
        {
            let counters = Counters::default();
            let asked = counters.ask(at_most);
            match answer {
                Some(answer) => asked.answered(&answer),
                None => drop(asked),
            }
            assert_eq!(counters.usage(), expected);
        }
    }
}
