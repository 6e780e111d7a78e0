//! Reads on the latest snapshot, on the caller's thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arc_swap::ArcSwap;
use redb::{ReadOnlyTable, StorageError};
use tokio::sync::{mpsc, watch};

use super::file::explain;
use super::writer::Job;
use crate::kv::KvError;

/// The rows as of one commit. Holding it keeps that state readable.
pub(super) type Rows = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// How often a read asks the writer to open the file again before it gives up.
const REOPENINGS_MAX: usize = 2;

/// What reads see now. The writer publishes, readers load.
pub(super) struct Snapshots {
    store: String,
    current: ArcSwap<Snapshot>,
    /// The generation of `current`: a new one for each (re)opening of the file, not for each commit.
    generation: watch::Sender<u64>,
}

pub(super) struct Snapshot {
    generation: u64,
    rows: Result<Rows, KvError>,
}

impl Snapshots {
    pub(super) fn new(store: String) -> Self {
        let rows = Err(KvError::Closed { store: store.clone() });
        Self {
            store,
            current: ArcSwap::from_pointee(Snapshot { generation: 0, rows }),
            generation: watch::Sender::new(0),
        }
    }

    /// A new state of the same opening of the file.
    pub(super) fn publish(&self, rows: Rows) {
        self.current.store(Arc::new(Snapshot { generation: self.generation(), rows: Ok(rows) }));
    }

    /// The file was opened again, or could not be.
    pub(super) fn publish_reopened(&self, rows: Result<Rows, KvError>) {
        let generation = self.generation() + 1;
        self.current.store(Arc::new(Snapshot { generation, rows }));
        self.generation.send_replace(generation);
    }

    pub(super) fn generation(&self) -> u64 {
        *self.generation.borrow()
    }
}

/// Reads, and asks the writer to open the file again when it has failed.
pub(super) struct Reader {
    snapshots: Arc<Snapshots>,
    /// Weak, so that readers on blocking threads don't keep a dropped store open.
    jobs: mpsc::WeakUnboundedSender<Job>,
}

enum Attempt<T> {
    Done(Result<T, KvError>),
    /// The file must be opened again; this was its generation.
    Stale(u64, KvError),
}

impl Reader {
    pub(super) fn new(snapshots: Arc<Snapshots>, jobs: mpsc::WeakUnboundedSender<Job>) -> Self {
        Self { snapshots, jobs }
    }

    /// Runs a short read on this thread.
    pub(super) async fn inline<T: Send>(
        &self,
        read: impl Fn(&Rows) -> Result<T, StorageError> + Send + Sync,
    ) -> Result<T, KvError> {
        for _ in 0..REOPENINGS_MAX {
            match self.snapshots.attempt(&read) {
                Attempt::Done(result) => return result,
                Attempt::Stale(generation, _) => self.reopened_after(generation).await,
            }
        }
        self.snapshots.attempt(&read).settle()
    }

    /// Runs a long read on a thread of its own.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        read: impl Fn(&Rows) -> Result<T, StorageError> + Send + Sync + 'static,
    ) -> Result<T, KvError> {
        let read = Arc::new(read);
        for _ in 0..REOPENINGS_MAX {
            match self.attempt_blocking(Arc::clone(&read)).await {
                Attempt::Done(result) => return result,
                Attempt::Stale(generation, _) => self.reopened_after(generation).await,
            }
        }
        self.attempt_blocking(read).await.settle()
    }

    async fn attempt_blocking<T: Send + 'static>(
        &self,
        read: Arc<impl Fn(&Rows) -> Result<T, StorageError> + Send + Sync + 'static>,
    ) -> Attempt<T> {
        let snapshots = Arc::clone(&self.snapshots);
        let attempt = tokio::task::spawn_blocking(move || snapshots.attempt(&*read)).await;
        // The runtime is shutting down when this fails: panics are caught inside.
        attempt.unwrap_or_else(|_| Attempt::Done(Err(KvError::Closed { store: self.snapshots.store.clone() })))
    }

    /// Asks for a generation newer than `generation` and waits for it. Returns at once when the writer is gone.
    async fn reopened_after(&self, generation: u64) {
        let Some(jobs) = self.jobs.upgrade() else { return };
        let mut newest = self.snapshots.generation.subscribe();
        if jobs.send(Job::Reopen { generation }).is_ok() {
            tokio::select! {
                _ = newest.wait_for(|&newest| newest > generation) => {}
                () = jobs.closed() => {}
            }
        }
    }
}

impl Snapshots {
    fn attempt<T>(&self, read: &impl Fn(&Rows) -> Result<T, StorageError>) -> Attempt<T> {
        let snapshot = self.current.load();
        let rows = match &snapshot.rows {
            Ok(rows) => rows,
            Err(error @ (KvError::Unavailable { .. } | KvError::Full { .. })) => {
                return Attempt::Stale(snapshot.generation, error.clone());
            }
            Err(error) => return Attempt::Done(Err(error.clone())),
        };
        // redb may panic on a file that was damaged behind its back; the node must not.
        match catch_unwind(AssertUnwindSafe(|| read(rows))) {
            Ok(Ok(value)) => Attempt::Done(Ok(value)),
            Ok(Err(error)) => match explain(&self.store, error) {
                error @ KvError::Unavailable { .. } => Attempt::Stale(snapshot.generation, error),
                error => Attempt::Done(Err(error)),
            },
            Err(_) => Attempt::Done(Err(KvError::Corrupt {
                store: self.store.clone(),
                reason: "reading it stopped on an impossible page".into(),
            })),
        }
    }
}

impl<T> Attempt<T> {
    fn settle(self) -> Result<T, KvError> {
        match self {
            Self::Done(result) => result,
            Self::Stale(_, error) => Err(error),
        }
    }
}
