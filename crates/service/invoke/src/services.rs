//! What a running function may ask of the node: one value per call, scoped to the function's stack.

mod db;
mod storage;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use mu_abi::{DbReply, DbRequest, StorageReply, StorageRequest};
use mu_db::MuDb;
use mu_pricing::Usage;
use mu_runtime::{ExecutionUsage, Services};
use mu_storage::Boxes;

use crate::receipt::OpenReceipt;

/// The data of all stacks.
pub(crate) struct Backends {
    pub(crate) db: Arc<MuDb>,
    pub(crate) boxes: Arc<Boxes>,
}

/// The node as one call sees it. Counts what the call uses.
pub(crate) struct CallServices {
    backends: Arc<Backends>,
    stack: [u8; 32],
    counters: Counters,
    abandonment: Mutex<Abandonment>,
}

/// What is known of a call whose caller went away.
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

    /// Takes the receipt of a call that was abandoned. It is closed when the execution has let go of its services: it
    /// may be running still, on other threads, until the end of its time slice.
    pub(crate) fn close_at_end(&self, receipt: OpenReceipt) {
        self.abandonment.lock().unwrap_or_else(PoisonError::into_inner).receipt = Some(receipt);
    }

    /// What the call has used so far, together with what its execution used.
    pub(crate) fn usage(&self, execution: ExecutionUsage) -> Usage {
        let counters = &self.counters;
        Usage {
            instructions: execution.instructions,
            byte_instructions: execution.byte_instructions,
            db_reads: counters.db_reads.load(Ordering::Relaxed),
            db_writes: counters.db_writes.load(Ordering::Relaxed),
            storage_reads: counters.storage_reads.load(Ordering::Relaxed),
            storage_writes: counters.storage_writes.load(Ordering::Relaxed),
            storage_read_bytes: counters.storage_read_bytes.load(Ordering::Relaxed),
            storage_written_bytes: counters.storage_written_bytes.load(Ordering::Relaxed),
            ..Usage::default()
        }
    }
}

#[async_trait]
impl Services for CallServices {
    async fn db(&self, request: DbRequest) -> DbReply {
        match db::answer(&self.backends.db, &self.stack, request).await {
            Ok((reply, ops)) => {
                add(&self.counters.db_reads, ops.reads);
                add(&self.counters.db_writes, ops.writes);
                reply
            }
            Err(error) => DbReply::Error(error.to_string()),
        }
    }

    async fn storage(&self, request: StorageRequest) -> StorageReply {
        match storage::answer(&self.backends.boxes, &self.stack, request).await {
            Ok((reply, ops)) => {
                add(&self.counters.storage_reads, ops.reads);
                add(&self.counters.storage_writes, ops.writes);
                add(&self.counters.storage_read_bytes, ops.bytes_read);
                add(&self.counters.storage_written_bytes, ops.bytes_written);
                reply
            }
            Err(error) => StorageReply::Error(error.to_string()),
        }
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

fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}
