//! The writer thread: groups commits, applies them, and opens the file again when it fails.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use redb::{AccessGuard, Builder, Database, ReadableDatabase, ReadableTable, StorageBackend, TableError};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::file::{Files, explain};
use super::overlay::Overlay;
use super::reader::{Rows, Snapshots};
use super::{ROWS, RedbOptions};
use crate::kv::{Batch, Conflict, Expectation, KvError, Outcome, Write};

/// Commits in one group. With one sync for all of them, more would only delay the first ones.
const GROUP_COMMITS_MAX: usize = 1024;
/// Bytes of keys and values in one group, unless its first commit alone has more.
const GROUP_BYTES_MAX: usize = 16 << 20;
/// How long a group waits for the callers of the one before, who are likely to be back with their next commits: without
/// it, the first of them back gets a sync alone, and the others wait for two. A small part of what a sync takes.
const RETURN_TIME: Duration = Duration::from_micros(200);

/// What the writer is asked to do.
pub(super) enum Job {
    Commit(PendingCommit),
    /// Reading failed in this generation: open the file again, unless that has happened since.
    Reopen {
        generation: u64,
    },
    Close,
}

/// A commit that waits for its group.
pub(super) struct PendingCommit {
    pub(super) batch: Batch,
    pub(super) reply: oneshot::Sender<Result<Outcome, KvError>>,
    /// Its share of the queue, free again once it is answered.
    pub(super) _room: OwnedSemaphorePermit,
}

pub(super) struct Writer<F> {
    files: F,
    options: RedbOptions,
    queue: mpsc::UnboundedReceiver<Job>,
    snapshots: Arc<Snapshots>,
    access: Access,
    /// Commits in the last group.
    last_group: usize,
}

/// What the writer can do with the file at the moment.
enum Access {
    ReadWrite(Database),
    /// The device was full or failed. Reads work; what redb itself writes stays in memory.
    ReadOnly {
        _database: Database,
        cause: KvError,
    },
    /// Not even opening it worked.
    Lost(KvError),
}

impl<F: Files> Writer<F> {
    pub(super) fn open(
        files: F,
        options: RedbOptions,
        queue: mpsc::UnboundedReceiver<Job>,
        snapshots: Arc<Snapshots>,
    ) -> Result<Self, KvError> {
        let access = Access::Lost(KvError::Closed { store: files.name() });
        files.create().map_err(|error| explain(&files.name(), error))?;
        let mut writer = Self { files, options, queue, snapshots, access, last_group: 0 };
        writer.open_for_writing()?;
        Ok(writer)
    }

    /// Serves until the store is closed or dropped.
    pub(super) fn run(mut self) {
        while let Some(job) = self.queue.blocking_recv() {
            match job {
                Job::Commit(first) => {
                    let (group, last) = self.gather(first);
                    self.serve(group);
                    match last {
                        Some(Job::Close) => break,
                        Some(Job::Reopen { generation }) => self.reopen(generation),
                        Some(Job::Commit(_)) | None => {}
                    }
                }
                Job::Reopen { generation } => self.reopen(generation),
                Job::Close => break,
            }
        }
        // First the file, so that its lock is free when the queue is seen closed.
        let closed = KvError::Closed { store: self.files.name() };
        self.snapshots.publish_reopened(Err(closed.clone()));
        self.access = Access::Lost(closed);
    }

    /// Takes the commits that wait, and for a moment those that are about to come. Stops at another kind of job, which
    /// comes back for its turn.
    fn gather(&mut self, first: PendingCommit) -> (Vec<PendingCommit>, Option<Job>) {
        let start = Instant::now();
        let mut bytes = first.batch.bytes();
        let mut group = Vec::with_capacity(self.last_group.max(1));
        group.push(first);
        while group.len() < GROUP_COMMITS_MAX && bytes < GROUP_BYTES_MAX {
            match self.queue.try_recv() {
                Ok(Job::Commit(commit)) => {
                    bytes += commit.batch.bytes();
                    group.push(commit);
                }
                Ok(other) => return (group, Some(other)),
                Err(mpsc::error::TryRecvError::Empty)
                    if group.len() < self.last_group && start.elapsed() < RETURN_TIME =>
                {
                    std::thread::yield_now();
                }
                Err(_) => break,
            }
        }
        self.last_group = group.len();
        (group, None)
    }

    fn serve(&mut self, mut group: Vec<PendingCommit>) {
        // Whoever gave up waiting in the queue does not want the write any more.
        group.retain(|commit| !commit.reply.is_closed());
        if group.is_empty() {
            return;
        }
        match self.ensure_writable().and_then(|()| self.apply(&group)) {
            Ok(outcomes) => {
                for (commit, outcome) in group.into_iter().zip(outcomes) {
                    let _ = commit.reply.send(Ok(outcome));
                }
            }
            Err(error) => {
                for commit in group {
                    let _ = commit.reply.send(Err(error.clone()));
                }
            }
        }
    }

    /// Applies a group and publishes the new state. On failure, opens the file again.
    fn apply(&mut self, group: &[PendingCommit]) -> Result<Vec<Outcome>, KvError> {
        let Access::ReadWrite(database) = &self.access else {
            return Err(self.files_lost("it is not open for writing"));
        };
        // redb may panic on a file that was damaged behind its back; the node must not.
        let result = catch_unwind(AssertUnwindSafe(|| -> Result<_, redb::Error> {
            let outcomes = commit_group(database, group)?;
            Ok((outcomes, snapshot(database)?))
        }));
        let error = match result {
            Ok(Ok((outcomes, rows))) => {
                self.snapshots.publish(rows);
                return Ok(outcomes);
            }
            Ok(Err(error)) => explain(&self.files.name(), error),
            Err(_) => self.damaged(),
        };
        tracing::warn!(error = %error, "a group of {} commits failed", group.len());
        self.recover(error.clone());
        Err(error)
    }

    /// Tries to write again when the last time failed.
    fn ensure_writable(&mut self) -> Result<(), KvError> {
        match &self.access {
            Access::ReadWrite(_) => Ok(()),
            Access::ReadOnly { cause, .. } if !self.files.has_room() => Err(cause.clone()),
            Access::Lost(error @ KvError::Corrupt { .. }) => Err(error.clone()),
            Access::ReadOnly { .. } | Access::Lost(_) => match self.open_for_writing() {
                Ok(()) => Ok(()),
                Err(error) => {
                    self.open_for_reading(error.clone());
                    Err(error)
                }
            },
        }
    }

    fn reopen(&mut self, generation: u64) {
        if self.snapshots.generation() <= generation {
            let cause = self.files_lost("reading it failed");
            self.recover(cause);
        }
    }

    /// After a failure: back to writing if that can be, else to reading.
    fn recover(&mut self, cause: KvError) {
        let is_full = matches!(cause, KvError::Full { .. });
        if is_full {
            self.open_for_reading(cause);
        } else if let Err(error) = self.open_for_writing() {
            self.open_for_reading(error);
        }
    }

    fn open_for_writing(&mut self) -> Result<(), KvError> {
        self.let_go();
        let (database, rows) = self.open_device(|device| device)?;
        self.access = Access::ReadWrite(database);
        self.snapshots.publish_reopened(Ok(rows));
        Ok(())
    }

    fn open_for_reading(&mut self, cause: KvError) {
        self.let_go();
        match self.open_device(Overlay::new) {
            Ok((database, rows)) => {
                self.access = Access::ReadOnly { _database: database, cause };
                self.snapshots.publish_reopened(Ok(rows));
            }
            Err(error) => {
                tracing::error!(error = %error, "the database can be neither written nor read");
                self.access = Access::Lost(error.clone());
                self.snapshots.publish_reopened(Err(error));
            }
        }
    }

    /// Closes the file, which releases its lock, so that it can be opened again.
    fn let_go(&mut self) {
        self.access = Access::Lost(KvError::Closed { store: self.files.name() });
    }

    fn open_device<D: StorageBackend>(&self, wrap: impl FnOnce(F::Device) -> D) -> Result<(Database, Rows), KvError> {
        let mut builder = Builder::new();
        builder.set_cache_size(self.options.cache_bytes);
        builder.set_check_integrity_on_open(self.files.bytes() <= self.options.verify_bytes);
        let opened = catch_unwind(AssertUnwindSafe(|| -> Result<_, redb::Error> {
            let database = builder.create_with_backend(wrap(self.files.open()?))?;
            ensure_table(&database)?;
            let rows = snapshot(&database)?;
            Ok((database, rows))
        }));
        match opened {
            Ok(Ok(opened)) => Ok(opened),
            Ok(Err(error)) => Err(explain(&self.files.name(), error)),
            Err(_) => Err(self.damaged()),
        }
    }

    fn files_lost(&self, reason: &str) -> KvError {
        KvError::Unavailable { store: self.files.name(), reason: reason.into() }
    }

    fn damaged(&self) -> KvError {
        KvError::Corrupt { store: self.files.name(), reason: "it has an impossible page".into() }
    }
}

/// One redb transaction for the whole group.
fn commit_group(database: &Database, group: &[PendingCommit]) -> Result<Vec<Outcome>, redb::Error> {
    let transaction = database.begin_write()?;
    let mut outcomes = Vec::with_capacity(group.len());
    let mut is_changed = false;
    {
        let mut state = GroupState { rows: transaction.open_table(ROWS)?, known: HashMap::new() };
        for PendingCommit { batch, .. } in group {
            let outcome = match state.first_conflict(batch)? {
                Some(conflict) => Outcome::Conflict(conflict),
                None => {
                    state.write(batch)?;
                    is_changed |= !batch.writes().is_empty();
                    Outcome::Committed
                }
            };
            outcomes.push(outcome);
        }
    }
    // A group of conflicts alone has nothing to make durable.
    if is_changed {
        transaction.commit()?;
    } else {
        transaction.abort()?;
    }
    Ok(outcomes)
}

/// The rows as the group so far leaves them.
struct GroupState<'txn, 'group> {
    rows: redb::Table<'txn, &'static [u8], &'static [u8]>,
    /// Values of keys that were expected. The commits of a group often expect the same: that a table exists, that this
    /// node holds a lease.
    known: HashMap<&'group Bytes, Option<&'group Bytes>>,
}

impl<'group> GroupState<'_, 'group> {
    fn first_conflict(&mut self, batch: &'group Batch) -> Result<Option<Conflict>, redb::Error> {
        for Expectation { key, value } in batch.expectations() {
            if let Some(&known) = self.known.get(key) {
                if known != value.as_ref() {
                    return Ok(Some(Conflict { key: key.clone(), actual: known.cloned() }));
                }
                continue;
            }
            let actual = self.rows.get(&key[..])?;
            if actual.as_ref().map(AccessGuard::value) != value.as_deref() {
                let actual = actual.map(|actual| Bytes::copy_from_slice(actual.value()));
                return Ok(Some(Conflict { key: key.clone(), actual }));
            }
            self.known.insert(key, value.as_ref());
        }
        Ok(None)
    }

    fn write(&mut self, batch: &'group Batch) -> Result<(), redb::Error> {
        for write in batch.writes() {
            let (key, value) = match write {
                Write::Put { key, value } => (key, Some(value)),
                Write::Delete { key } => (key, None),
            };
            match value {
                Some(value) => drop(self.rows.insert(&key[..], &value[..])?),
                None => drop(self.rows.remove(&key[..])?),
            }
            if let Some(known) = self.known.get_mut(key) {
                *known = value;
            }
        }
        Ok(())
    }
}

fn ensure_table(database: &Database) -> Result<(), redb::Error> {
    match database.begin_read()?.open_table(ROWS) {
        Ok(_) => Ok(()),
        Err(TableError::TableDoesNotExist(_)) => {
            let transaction = database.begin_write()?;
            transaction.open_table(ROWS)?;
            Ok(transaction.commit()?)
        }
        Err(error) => Err(error.into()),
    }
}

fn snapshot(database: &Database) -> Result<Rows, redb::Error> {
    Ok(database.begin_read()?.open_table(ROWS)?)
}
