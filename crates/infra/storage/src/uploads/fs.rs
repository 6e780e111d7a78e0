//! Uploads in a directory: each one a file that grows.
//!
//! The store belongs to one process; the lock of the database beside it sees to that.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use super::{AppendError, UploadId, UploadStore};
use crate::BlobError;

/// What the names of the files end with; all others are left alone.
const SUFFIX: &str = ".upload";

/// Locks that uploads share: enough that two uploads at the same time hardly ever wait for each other.
const LOCKS: usize = 64;

/// An upload store in a directory of this machine.
#[derive(Clone, Debug)]
pub struct FsUploads {
    directory: Arc<Directory>,
}

#[derive(Debug)]
struct Directory {
    /// What to call this store in messages.
    store: String,
    root: PathBuf,
    /// Held while the length of an upload is compared and changed.
    locks: [Mutex<()>; LOCKS],
}

impl FsUploads {
    /// Opens the directory, or creates it; uploads that are there can be continued. Blocks for a moment.
    ///
    /// # Errors
    /// [`BlobError::Unavailable`] or [`BlobError::Full`] when it cannot be created.
    pub fn open(root: &Path) -> Result<Self, BlobError> {
        let store = format!("the upload directory {}", root.display());
        create(root).map_err(|error| BlobError::from_io(&store, &error))?;
        let locks = std::array::from_fn(|_| Mutex::new(()));
        Ok(Self { directory: Arc::new(Directory { store, root: root.to_owned(), locks }) })
    }

    /// Runs file operations where they may block.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Directory) -> io::Result<T> + Send + 'static,
    ) -> Result<T, BlobError> {
        let directory = Arc::clone(&self.directory);
        let result = tokio::task::spawn_blocking(move || work(&directory)).await;
        // It ends early only when the runtime shuts down.
        let result = result.unwrap_or_else(|error| Err(io::Error::other(error)));
        result.map_err(|error| BlobError::from_io(&self.directory.store, &error))
    }
}

#[async_trait]
impl UploadStore for FsUploads {
    async fn length(&self, id: UploadId) -> Result<u64, BlobError> {
        self.blocking(move |directory| directory.length(id)).await
    }

    async fn append(&self, id: UploadId, offset: u64, bytes: Bytes) -> Result<u64, AppendError> {
        let length = self.blocking(move |directory| directory.append(id, offset, &bytes)).await?;
        length.map_err(|length| AppendError::Offset { length })
    }

    async fn flush(&self, id: UploadId) -> Result<(), BlobError> {
        self.blocking(move |directory| directory.flush(id)).await
    }

    async fn read(&self, id: UploadId, offset: u64, length: usize) -> Result<Bytes, BlobError> {
        self.blocking(move |directory| directory.read(id, offset, length)).await
    }

    async fn discard(&self, id: UploadId) -> Result<(), BlobError> {
        self.blocking(move |directory| directory.discard(id)).await
    }

    async fn list(&self) -> Result<Vec<UploadId>, BlobError> {
        self.blocking(Directory::list).await
    }
}

impl Directory {
    fn path(&self, id: UploadId) -> PathBuf {
        self.root.join(format!("{id}{SUFFIX}"))
    }

    fn open(&self, id: UploadId) -> io::Result<Option<File>> {
        found(File::open(self.path(id)))
    }

    fn length(&self, id: UploadId) -> io::Result<u64> {
        Ok(found(fs::metadata(self.path(id)))?.map_or(0, |metadata| metadata.len()))
    }

    /// The new length, or the one that it has instead of `offset`.
    fn append(&self, id: UploadId, offset: u64, bytes: &[u8]) -> io::Result<Result<u64, u64>> {
        let _alone = self.lock(id).lock().unwrap_or_else(PoisonError::into_inner);
        let length = self.length(id)?;
        if length != offset {
            return Ok(Err(length));
        }
        if !bytes.is_empty() {
            let mut options = OpenOptions::new();
            options.append(true).create(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            options.open(self.path(id))?.write_all(bytes)?;
        }
        Ok(Ok(length + bytes.len() as u64))
    }

    fn flush(&self, id: UploadId) -> io::Result<()> {
        let Some(file) = self.open(id)? else { return Ok(()) };
        file.sync_all()?;
        sync_directory(&self.root)
    }

    fn read(&self, id: UploadId, offset: u64, length: usize) -> io::Result<Bytes> {
        let Some(mut file) = self.open(id)? else { return Ok(Bytes::new()) };
        let left = file.metadata()?.len().saturating_sub(offset).min(length as u64);
        if left == 0 {
            return Ok(Bytes::new());
        }
        file.seek(SeekFrom::Start(offset))?;
        let mut content = Vec::with_capacity(usize::try_from(left).unwrap_or(length));
        file.take(left).read_to_end(&mut content)?;
        Ok(content.into())
    }

    fn discard(&self, id: UploadId) -> io::Result<()> {
        let _alone = self.lock(id).lock().unwrap_or_else(PoisonError::into_inner);
        found(fs::remove_file(self.path(id)))?;
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<UploadId>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let name = entry?.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(SUFFIX)?.parse::<UploadId>().ok());
            found.extend(id);
        }
        Ok(found)
    }

    fn lock(&self, id: UploadId) -> &Mutex<()> {
        &self.locks[usize::from(id.as_bytes()[15]) % LOCKS]
    }
}

/// `None` for what does not exist.
fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes a directory that only this user can enter, and its parents.
fn create(root: &Path) -> io::Result<()> {
    let parent = root.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent)?;
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(root) {
        Ok(()) => sync_directory(parent),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && root.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes the names in a directory durable. Only unix offers this; elsewhere the file system does it on its own.
fn sync_directory(directory: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn conforms() {
        let directory = tempfile::tempdir().unwrap();
        let uploads = FsUploads::open(&directory.path().join("uploads")).unwrap();
        crate::conformance::uploads::check(Arc::new(uploads)).await;
    }

    #[tokio::test]
    async fn uploads_go_on_after_opening_again() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("deep/uploads");
        let id = UploadId::from_bytes([7; 16]);
        FsUploads::open(&root).unwrap().append(id, 0, "first".into()).await.unwrap();
        fs::write(root.join("README"), "not an upload").unwrap();
        let uploads = FsUploads::open(&root).unwrap();
        assert_eq!(uploads.list().await.unwrap(), [id]);
        assert_eq!(uploads.append(id, 5, " second".into()).await, Ok(12));
        assert_eq!(uploads.read(id, 0, 100).await.unwrap(), "first second");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn only_the_owner_can_read_the_files() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("uploads");
        let uploads = FsUploads::open(&root).unwrap();
        uploads.append(UploadId::from_bytes([7; 16]), 0, "x".into()).await.unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&root), mode(&root.join(format!("{}.upload", "07".repeat(16))))), (0o700, 0o600));
    }

    #[tokio::test]
    async fn unusable_places_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("file");
        fs::write(&root, "a file").unwrap();
        let error = FsUploads::open(&root).unwrap_err();
        assert!(error.to_string().starts_with("the upload directory "), "{error}");
    }
}
