//! The embedded store: one redb file, one writer thread, group commit.
//!
//! Commits wait in a queue. The writer thread takes all that wait, applies them in one redb transaction (checking each
//! one's expectations against the state its predecessors left), makes that durable with one sync, and answers them all.
//! While it syncs, the next group gathers: the more writers, the more commits share a sync. A group smaller than the one
//! before waits up to 200 µs for the callers just answered, who may be about to commit again; a lone writer never waits.
//!
//! Reads run on the caller's thread, on a snapshot that the writer replaces after each group and before it answers: a
//! read costs neither a lock nor the opening of a transaction, and always sees what was acknowledged.
//!
//! redb refuses everything after any failed read or write of its file until the file is opened again. So the writer
//! opens it again; when the disk is full, in a way that keeps reads working without writing (`overlay`).

mod file;
mod overlay;
mod reader;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use async_trait::async_trait;
use bytes::Bytes;
use redb::{ReadableTable, TableDefinition};
use tokio::sync::{Semaphore, mpsc, oneshot};

use self::file::{DatabaseFile, Files};
use self::reader::{Reader, Snapshots};
use self::writer::{Job, PendingCommit, Writer};
use super::range::{PageBuilder, ValuesBuilder};
use super::{BATCH_BYTES_MAX, Batch, Kv, KvError, Order, Outcome, Page, Scan};

/// The only redb table: concerns are told apart by the first byte of the key, as in every other store.
const ROWS: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("kv");

/// Reads of at most this many rows run inline on the caller's thread; larger ones on tokio's blocking threads.
const INLINE_ROWS: usize = 64;

/// What a waiting commit counts against [`RedbOptions::pending_bytes`] besides its keys and values.
const COMMIT_OVERHEAD_BYTES: usize = 1024;

/// How a [`RedbKv`] uses memory and how careful it is.
#[derive(Clone, Debug)]
pub struct RedbOptions {
    /// Memory for cached pages, in bytes. The operating system caches the file as well, so a small cache costs little.
    /// Default 16 MiB, so that an idle node stays small.
    pub cache_bytes: usize,
    /// Commits that wait may hold this many bytes (each counts 1 KiB more than its keys and values); callers of
    /// `commit` wait beyond that. Default 64 MiB.
    pub pending_bytes: usize,
    /// A file of at most this many bytes has every checksum verified when it is opened, at about 1 GB/s. A larger one
    /// is verified only after a crash. Default 64 MiB.
    pub verify_bytes: u64,
}

impl Default for RedbOptions {
    fn default() -> Self {
        Self { cache_bytes: 16 << 20, pending_bytes: 64 << 20, verify_bytes: 64 << 20 }
    }
}

/// A [`Kv`] in one file of this machine, durable on disk before a commit is acknowledged.
///
/// Dropping it finishes the commits that wait and closes the file, which takes about as long as two syncs.
pub struct RedbKv {
    store: String,
    reader: Reader,
    /// Bounds the bytes of waiting commits, hence the queue.
    room: Arc<Semaphore>,
    room_bytes: usize,
    /// `None` only while dropping.
    jobs: Option<mpsc::UnboundedSender<Job>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl RedbKv {
    /// Opens the file, or creates it together with missing parent directories.
    ///
    /// Blocks: after a crash, the whole file is read and checked.
    ///
    /// # Errors
    /// [`KvError::InUse`] when another process has it open, [`KvError::Corrupt`] when it is not a sound database,
    /// [`KvError::Unavailable`] or [`KvError::Full`] when it cannot be created or read.
    pub fn open(path: &Path, options: &RedbOptions) -> Result<Self, KvError> {
        Self::start(DatabaseFile::new(path), options)
    }

    /// Finishes the commits that wait, closes the file and releases its lock. Later calls of any operation answer
    /// [`KvError::Closed`].
    pub async fn close(&self) {
        if let Some(jobs) = &self.jobs {
            // The writer is gone already when this fails, which is what we want.
            let _ = jobs.send(Job::Close);
            jobs.closed().await;
        }
        let writer = self.take_writer();
        // The thread ends right after it dropped its queue, so this waits for next to nothing.
        let _ = tokio::task::spawn_blocking(move || writer.map(JoinHandle::join)).await;
    }

    fn start<F: Files>(files: F, options: &RedbOptions) -> Result<Self, KvError> {
        let store = files.name();
        let (jobs, queue) = mpsc::unbounded_channel();
        let snapshots = Arc::new(Snapshots::new(store.clone()));
        let writer = Writer::open(files, options.clone(), queue, Arc::clone(&snapshots))?;
        let thread = std::thread::Builder::new().name("mu-db-writer".into()).spawn(move || writer.run());
        let thread = thread.map_err(|e| KvError::Unavailable { store: store.clone(), reason: e.to_string() })?;
        let room_bytes = options.pending_bytes.clamp(COMMIT_OVERHEAD_BYTES, Semaphore::MAX_PERMITS);
        Ok(Self {
            reader: Reader::new(snapshots, jobs.clone().downgrade()),
            store,
            room: Arc::new(Semaphore::new(room_bytes)),
            room_bytes,
            jobs: Some(jobs),
            writer: Mutex::new(Some(thread)),
        })
    }

    fn take_writer(&self) -> Option<JoinHandle<()>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn closed(&self) -> KvError {
        KvError::Closed { store: self.store.clone() }
    }
}

#[async_trait]
impl Kv for RedbKv {
    async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        self.reader.inline(|rows| Ok(rows.get(key)?.map(|value| Bytes::copy_from_slice(value.value())))).await
    }

    async fn get_many(&self, keys: &[Bytes], bytes_max: usize) -> Result<Vec<Option<Bytes>>, KvError> {
        let values = if keys.len() <= INLINE_ROWS {
            self.reader.inline(|rows| read_values(rows, keys, bytes_max)).await?
        } else {
            let keys = keys.to_vec();
            self.reader.blocking(move |rows| read_values(rows, &keys, bytes_max)).await?
        };
        values.finish()
    }

    async fn scan(&self, scan: Scan) -> Result<Page, KvError> {
        if scan.limit.rows <= INLINE_ROWS {
            return self.reader.inline(|rows| read_page(rows, &scan)).await;
        }
        self.reader.blocking(move |rows| read_page(rows, &scan)).await
    }

    async fn commit(&self, batch: Batch) -> Result<Outcome, KvError> {
        batch.check()?;
        let jobs = self.jobs.as_ref().ok_or_else(|| self.closed())?;
        let bytes = (batch.bytes() + COMMIT_OVERHEAD_BYTES).min(self.room_bytes);
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(permits).await.map_err(|_| self.closed())?;
        let (reply, answer) = oneshot::channel();
        jobs.send(Job::Commit(PendingCommit { batch, reply, _room: room })).map_err(|_| self.closed())?;
        answer.await.map_err(|_| self.closed())?
    }
}

fn read_values(rows: &reader::Rows, keys: &[Bytes], bytes_max: usize) -> Result<ValuesBuilder, redb::StorageError> {
    let mut values = ValuesBuilder::new(keys.len(), bytes_max);
    for key in keys {
        let value = rows.get(&key[..])?;
        if !values.push(value.as_ref().map(redb::AccessGuard::value)) {
            break;
        }
    }
    Ok(values)
}

fn read_page(rows: &reader::Rows, scan: &Scan) -> Result<Page, redb::StorageError> {
    let mut page = PageBuilder::new(scan);
    if scan.range.is_empty() {
        return Ok(page.finish());
    }
    let mut range = ReadableTable::range::<&[u8]>(rows, scan.range.bounds())?;
    while let Some(row) = match scan.order {
        Order::Ascending => range.next(),
        Order::Descending => range.next_back(),
    } {
        let (key, value) = row?;
        if !page.push(key.value(), value.value()) {
            break;
        }
    }
    Ok(page.finish())
}

impl fmt::Debug for RedbKv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbKv").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Drop for RedbKv {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(writer) = self.take_writer() {
            // A panic of the writer was already answered to whoever waited for it.
            let _ = writer.join();
        }
    }
}

const _: () = assert!(BATCH_BYTES_MAX < u32::MAX as usize, "a batch fits the permits of one acquisition");

#[cfg(test)]
mod tests;
