//! The file under a redb store, and what its errors mean.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use redb::StorageBackend;
use redb::backends::FileBackend;

use crate::kv::KvError;

/// Where the bytes of a database are. A test gives it a device that fills up.
pub(super) trait Files: Send + 'static {
    /// What redb reads and writes.
    type Device: StorageBackend;

    /// Makes sure that the file exists, in a directory that exists.
    fn create(&self) -> io::Result<()>;

    /// Opens the file. It must exist: when it was removed under a running node, an empty one in its place would hide
    /// the loss.
    fn open(&self) -> Result<Self::Device, redb::Error>;

    /// The current size in bytes; 0 when it does not exist.
    fn bytes(&self) -> u64;

    /// Whether there is room to write again, after the device was full.
    fn has_room(&self) -> bool;

    /// What to call this database in messages.
    fn name(&self) -> String;
}

/// Room that must be there before writing is tried again on a disk that was full.
const PROBE_BYTES: usize = 4 << 20;

pub(super) struct DatabaseFile {
    path: PathBuf,
}

impl DatabaseFile {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    fn directory(&self) -> &Path {
        self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    /// Really writes, because what a file system says is free is not what it will give.
    fn probe(&self, probe: &Path) -> io::Result<()> {
        let mut file = File::create(probe)?;
        let block = [0x5a; 64 * 1024];
        for _ in 0..PROBE_BYTES / block.len() {
            file.write_all(&block)?;
        }
        file.sync_all()
    }
}

impl Files for DatabaseFile {
    type Device = FileBackend;

    fn create(&self) -> io::Result<()> {
        let directory = self.directory();
        fs::create_dir_all(directory)?;
        if !self.path.exists() {
            OpenOptions::new().write(true).create(true).truncate(false).open(&self.path)?;
            sync_directory(directory)?;
        }
        Ok(())
    }

    fn open(&self) -> Result<FileBackend, redb::Error> {
        let file = OpenOptions::new().read(true).write(true).open(&self.path)?;
        Ok(FileBackend::new(file)?)
    }

    fn bytes(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |metadata| metadata.len())
    }

    fn has_room(&self) -> bool {
        let probe = self.path.with_extension("probe");
        let result = self.probe(&probe);
        let _ = fs::remove_file(&probe);
        result.is_ok()
    }

    fn name(&self) -> String {
        format!("the database {}", self.path.display())
    }
}

/// Makes the names in a directory durable. Only unix offers this; elsewhere the file system does it on its own.
fn sync_directory(directory: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

/// What redb said, as what it means for the caller.
pub(super) fn explain(store: &str, error: impl Into<redb::Error>) -> KvError {
    use io::ErrorKind as Kind;
    let store = store.to_owned();
    let error = error.into();
    let reason = error.to_string();
    match error {
        redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => KvError::InUse { store },
        redb::Error::Io(io) => match io.kind() {
            Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge => {
                KvError::Full { store, reason: io.to_string() }
            }
            Kind::InvalidData | Kind::UnexpectedEof => KvError::Corrupt { store, reason: io.to_string() },
            _ => KvError::Unavailable { store, reason: io.to_string() },
        },
        redb::Error::PreviousIo | redb::Error::DatabaseClosed => KvError::Unavailable { store, reason },
        _ => KvError::Corrupt { store, reason },
    }
}
