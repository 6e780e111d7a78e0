//! What a running function may ask of the node: one value per call, scoped to the function's stack.

mod db;
mod storage;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use mu_abi::{DbReply, DbRequest, StorageReply, StorageRequest};
use mu_db::MuDb;
use mu_pricing::Usage;
use mu_runtime::{ExecutionUsage, Services};
use mu_storage::Boxes;

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
        Self { backends, stack, counters: Counters::default() }
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
}

fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}
