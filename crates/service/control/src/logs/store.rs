//! The side of the logs that the request path and queries see.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mu_db::Kv;
use mu_env::Env;
use mu_stack::StackId;
use mu_telemetry::{Limit, LogRecord, LogSink};

use super::follow::Followers;
use super::queue::Queue;
use super::writer::{BATCH_LINES, LogWriter};
use super::{Follow, History, LogError, LogFilter, LogOptions, LogPage, LogQuery};

/// Takes lines, and answers what was logged.
#[derive(Debug)]
pub struct LogStore {
    pub(super) env: Env,
    pub(super) kv: Arc<dyn Kv>,
    pub(super) options: LogOptions,
    pub(super) queue: Queue,
    pub(super) followers: Followers,
    /// Stacks whose lines are to be deleted.
    pub(super) unwanted: Mutex<BTreeSet<StackId>>,
    pub(super) stored: AtomicU64,
    pub(super) stored_bytes: AtomicU64,
}

/// What a store holds and has done since it was opened, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogStats {
    /// Lines that were stored.
    pub stored: u64,
    /// Lines that were dropped, because too many waited.
    pub dropped: u64,
    /// Bytes of all lines that are stored now.
    pub stored_bytes: u64,
    /// Who follows.
    pub followers: usize,
}

impl LogStore {
    /// Opens the logs in `kv`, a database that nothing else writes to. The writer's [`run`](LogWriter::run) is to be
    /// spawned.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn open(kv: Arc<dyn Kv>, env: Env, options: LogOptions) -> Result<(Arc<Self>, LogWriter), LogError> {
        let state = super::writer::load(&*kv).await?;
        let store = Arc::new(Self {
            env,
            kv,
            queue: Queue::new(options.queue_bytes_max, BATCH_LINES),
            options,
            followers: Followers::new(state.sequence),
            unwanted: Mutex::default(),
            stored: AtomicU64::new(0),
            stored_bytes: AtomicU64::new(state.bytes.values().sum()),
        });
        let writer = LogWriter::new(Arc::clone(&store), state);
        Ok((store, writer))
    }

    /// Searches what is stored. Lines appear within a fraction of a second after they were written.
    ///
    /// # Errors
    /// When the query asks for too much, or the database fails.
    pub async fn query(&self, query: &LogQuery) -> Result<LogPage, LogError> {
        query.answer(&*self.kv, None).await
    }

    /// Follows what comes, after some of what has come.
    ///
    /// # Errors
    /// When too many follow, the filter asks for too much, or the history cannot be read.
    pub async fn follow(
        self: &Arc<Self>,
        stack: StackId,
        filter: LogFilter,
        history: History,
    ) -> Result<Follow, LogError> {
        Follow::open(Arc::clone(self), stack, filter, history).await
    }

    /// Deletes the lines of a stack, soon. What of it is left when the process ends before that is deleted when it is
    /// too old.
    pub fn delete_stack(&self, stack: StackId) {
        self.unwanted.lock().unwrap_or_else(PoisonError::into_inner).insert(stack);
    }

    /// What is stored, and was done since the store was opened.
    #[must_use]
    pub fn stats(&self) -> LogStats {
        LogStats {
            stored: self.stored.load(Ordering::Relaxed),
            dropped: self.queue.dropped(),
            stored_bytes: self.stored_bytes.load(Ordering::Relaxed),
            followers: self.followers.count(),
        }
    }
}

impl LogSink for LogStore {
    fn write(&self, record: LogRecord) {
        self.queue.push(record);
    }

    fn cut(&self) {
        self.options.limit_hit(Limit::FunctionsLogBytes);
    }
}
