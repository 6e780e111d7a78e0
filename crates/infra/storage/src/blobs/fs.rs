//! Blobs in a directory: each one a file.
//!
//! ```text
//! ROOT/blobs/...   the blobs, under names made from their keys (`name`)
//! ROOT/tmp/...     blobs that are being written; emptied when the store is opened
//! ```
//!
//! A blob is written to a temporary file, synced, renamed to its place, and the directory is synced: after a crash, a
//! key has its old blob or its new one. The store belongs to one process; the lock of the database beside it sees to
//! that.

mod name;
mod walk;

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use tempfile::NamedTempFile;

pub(super) use self::name::path_bytes;
use super::{BLOB_PATH_BYTES_MAX, BlobError, BlobInfo, BlobReader, BlobWriter, Blobs, check_key};

/// Bytes that a writer gathers before it goes to the disk: a blob below this costs one hop to a blocking thread.
const WRITE_BUFFER_BYTES: usize = 1 << 20;

/// Bytes read when a blob is opened, so that a small blob costs one hop to a blocking thread, too.
const READ_AHEAD_BYTES: u64 = 4096;

/// Directories that are remembered to be durable. Beyond that all are forgotten: each then costs a sync when it is used
/// again.
const DURABLE_DIRECTORIES_MAX: usize = 10_000;

/// Longest path of the root, in bytes: with it, the path of every blob is one that operating systems allow.
const ROOT_BYTES_MAX: usize = 4095 - BLOB_PATH_BYTES_MAX - "/blobs/".len();

/// A blob store in a directory of this machine.
#[derive(Clone, Debug)]
pub struct FsBlobs {
    directory: Arc<Directory>,
}

#[derive(Debug)]
struct Directory {
    /// What to call this store in messages.
    store: String,
    blobs: PathBuf,
    temporary: PathBuf,
    /// Shared while files are placed in directories that exist, exclusive while directories are made or removed: a
    /// directory that is among these is durable and stays. One that is not may be there, but its name might not survive
    /// a crash: a process that ended before it was synced may have made it.
    durable: RwLock<HashSet<PathBuf>>,
    #[cfg(test)]
    disk: tests::Disk,
}

impl FsBlobs {
    /// Opens the directory, or creates it, and removes what interrupted writes left behind. Blocks for a moment.
    ///
    /// # Errors
    /// [`BlobError::Unavailable`] or [`BlobError::Full`] when it cannot be created, read or written.
    pub fn open(root: &Path) -> Result<Self, BlobError> {
        let store = format!("the storage directory {}", root.display());
        let directory = Directory {
            blobs: root.join("blobs"),
            temporary: root.join("tmp"),
            durable: RwLock::default(),
            store: store.clone(),
            #[cfg(test)]
            disk: tests::Disk::default(),
        };
        if root.as_os_str().len() > ROOT_BYTES_MAX {
            let reason = format!("its path has more than {ROOT_BYTES_MAX} bytes: choose a shorter one");
            return Err(BlobError::Unavailable { store, reason });
        }
        directory.prepare(root).map_err(|error| BlobError::from_io(&store, &error))?;
        Ok(Self { directory: Arc::new(directory) })
    }

    /// Runs file operations where they may block.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Directory) -> io::Result<T> + Send + 'static,
    ) -> Result<T, BlobError> {
        self.directory.blocking(work).await
    }
}

#[async_trait]
impl Blobs for FsBlobs {
    async fn create(&self, key: &str) -> Result<Box<dyn BlobWriter>, BlobError> {
        check_key(key)?;
        Ok(Box::new(FsWriter {
            directory: Arc::clone(&self.directory),
            path: name::path(&self.directory.blobs, key),
            buffer: BytesMut::new(),
            file: FileState::NotYet,
        }))
    }

    async fn open(&self, key: &str) -> Result<Option<Box<dyn BlobReader>>, BlobError> {
        check_key(key)?;
        let path = name::path(&self.directory.blobs, key);
        let opened = self.blocking(move |_| open_file(&path)).await?;
        let directory = Arc::clone(&self.directory);
        Ok(opened.map(|(file, size_bytes, start)| {
            let file = Arc::new(Mutex::new(file));
            Box::new(FsReader { directory, file, size_bytes, start }) as Box<dyn BlobReader>
        }))
    }

    async fn delete(&self, key: &str) -> Result<(), BlobError> {
        check_key(key)?;
        let path = name::path(&self.directory.blobs, key);
        self.blocking(move |directory| directory.remove(&path)).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<BlobInfo>, BlobError> {
        if !prefix.is_empty() && check_key(prefix).is_err() {
            // A key that is too long or too deep stays so, whatever follows.
            return Ok(Vec::new());
        }
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        self.blocking(move |directory| walk::list(&directory.blobs, &prefix, after.as_deref(), limit)).await
    }
}

struct FsWriter {
    directory: Arc<Directory>,
    path: PathBuf,
    buffer: BytesMut,
    file: FileState,
}

enum FileState {
    NotYet,
    Open(NamedTempFile),
    /// A blocking thread has it. It stays so when a write failed or its future was dropped.
    Away,
}

impl FsWriter {
    /// The file for the blocking thread to write to; `None` when it must make one.
    fn take_file(&mut self) -> Result<Option<NamedTempFile>, BlobError> {
        match std::mem::replace(&mut self.file, FileState::Away) {
            FileState::NotYet => Ok(None),
            FileState::Open(file) => Ok(Some(file)),
            FileState::Away => {
                let reason = "writing the blob was interrupted".to_owned();
                Err(BlobError::Unavailable { store: self.directory.store.clone(), reason })
            }
        }
    }
}

#[async_trait]
impl BlobWriter for FsWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        self.buffer.extend_from_slice(&bytes);
        if self.buffer.len() < WRITE_BUFFER_BYTES {
            return Ok(());
        }
        let file = self.take_file()?;
        let gathered = self.buffer.split();
        let file = self.directory.blocking(move |directory| directory.append(file, &gathered)).await?;
        self.file = FileState::Open(file);
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<(), BlobError> {
        let file = self.take_file()?;
        let (gathered, path) = (self.buffer.split(), std::mem::take(&mut self.path));
        let place = move |directory: &Directory| directory.place(directory.append(file, &gathered)?, &path);
        self.directory.blocking(place).await
    }
}

#[derive(Debug)]
struct FsReader {
    directory: Arc<Directory>,
    file: Arc<Mutex<File>>,
    size_bytes: u64,
    /// The first bytes of the blob.
    start: Bytes,
}

#[async_trait]
impl BlobReader for FsReader {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    async fn read(&self, offset: u64, length: usize) -> Result<Bytes, BlobError> {
        let known = usize::try_from(offset).ok().and_then(|first| Some(first..first.checked_add(length)?));
        if let Some(known) = known.filter(|known| known.end <= self.start.len()) {
            return Ok(self.start.slice(known));
        }
        let file = Arc::clone(&self.file);
        let read = move |_: &Directory| {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            file.seek(SeekFrom::Start(offset))?;
            let mut content = vec![0; length];
            file.read_exact(&mut content)?;
            Ok(Bytes::from(content))
        };
        self.directory.blocking(read).await
    }
}

/// The file, its size and its first bytes; `None` when it does not exist.
fn open_file(path: &Path) -> io::Result<Option<(File, u64, Bytes)>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let bytes = file.metadata()?.len();
    let mut start = Vec::new();
    (&mut file).take(bytes.min(READ_AHEAD_BYTES)).read_to_end(&mut start)?;
    Ok(Some((file, bytes, start.into())))
}

impl Directory {
    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> io::Result<T> + Send + 'static,
    ) -> Result<T, BlobError> {
        let directory = Arc::clone(self);
        let result = tokio::task::spawn_blocking(move || work(&directory)).await;
        // It ends early only when the runtime shuts down.
        let result = result.unwrap_or_else(|error| Err(io::Error::other(error)));
        result.map_err(|error| BlobError::from_io(&self.store, &error))
    }

    fn prepare(&self, root: &Path) -> io::Result<()> {
        if let Some(parent) = root.parent() {
            fs::create_dir_all(parent)?;
        }
        if create_private_directory(root)? {
            sync_directory(root.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))?;
        }
        for directory in [&self.blobs, &self.temporary] {
            create_private_directory(directory)?;
        }
        sync_directory(root)?;
        for entry in fs::read_dir(&self.temporary)? {
            fs::remove_file(entry?.path())?;
        }
        Ok(())
    }

    fn append(&self, file: Option<NamedTempFile>, content: &[u8]) -> io::Result<NamedTempFile> {
        self.use_space()?;
        let mut file = file.map_or_else(|| NamedTempFile::new_in(&self.temporary), Ok)?;
        self.use_space()?;
        file.write_all(content)?;
        Ok(file)
    }

    /// Makes a written file durable and gives it its name.
    fn place(&self, file: NamedTempFile, path: &Path) -> io::Result<()> {
        self.use_space()?;
        file.as_file().sync_all()?;
        let parent = path.parent().unwrap_or(&self.blobs);
        {
            let durable = self.durable.read().unwrap_or_else(PoisonError::into_inner);
            if self.is_durable(&durable, parent) {
                return self.rename(file, path, parent);
            }
        }
        let mut durable = self.durable.write().unwrap_or_else(PoisonError::into_inner);
        let placed = self.make_durable(&mut durable, parent).and_then(|()| self.rename(file, path, parent));
        if placed.is_err() {
            self.remove_empty_directories(&mut durable, parent);
        }
        placed
    }

    fn is_durable(&self, durable: &HashSet<PathBuf>, path: &Path) -> bool {
        // Someone may have tidied up, so it is looked at all the same.
        (path == self.blobs || durable.contains(path)) && path.is_dir()
    }

    /// Makes the directories between `blobs` and `path` that are missing, and all of them durable, each one before the
    /// next.
    fn make_durable(&self, durable: &mut HashSet<PathBuf>, path: &Path) -> io::Result<()> {
        let uncertain: Vec<&Path> = path
            .ancestors()
            .take_while(|ancestor| *ancestor != self.blobs && !self.is_durable(durable, ancestor))
            .collect();
        for directory in uncertain.into_iter().rev() {
            self.use_space()?;
            create_private_directory(directory)?;
            sync_directory(directory.parent().unwrap_or(&self.blobs))?;
            if durable.len() >= DURABLE_DIRECTORIES_MAX {
                durable.clear();
            }
            durable.insert(directory.to_owned());
        }
        Ok(())
    }

    fn rename(&self, file: NamedTempFile, path: &Path, parent: &Path) -> io::Result<()> {
        self.use_space()?;
        file.persist(path).map_err(|error| error.error)?;
        sync_directory(parent)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let parent = path.parent().unwrap_or(&self.blobs);
        {
            // Shared, so that no other removal takes the directory away before it is synced.
            let _shared = self.durable.read().unwrap_or_else(PoisonError::into_inner);
            match fs::remove_file(path) {
                Ok(()) => sync_directory(parent)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        let mut durable = self.durable.write().unwrap_or_else(PoisonError::into_inner);
        self.remove_empty_directories(&mut durable, parent);
        Ok(())
    }

    /// Removes `path` and the directories above it as far as they are empty. If a crash brings one back, it does no harm.
    fn remove_empty_directories(&self, durable: &mut HashSet<PathBuf>, path: &Path) {
        for directory in path.ancestors().take_while(|directory| *directory != self.blobs) {
            match fs::remove_dir(directory) {
                Ok(()) => durable.remove(directory),
                Err(error) if error.kind() == io::ErrorKind::NotFound => durable.remove(directory),
                Err(_) => break,
            };
        }
    }

    /// Comes before every operation that may find the disk full. In tests, it may be.
    #[cfg_attr(not(test), expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "tests need both"))]
    fn use_space(&self) -> io::Result<()> {
        #[cfg(test)]
        self.disk.use_space()?;
        Ok(())
    }
}

/// Makes a directory that only this user can enter. Answers whether it was missing.
fn create_private_directory(path: &Path) -> io::Result<bool> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes the names in a directory durable. Only unix offers this; elsewhere the file system does it on its own.
fn sync_directory(directory: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests;
