//! The directory of a store.
//!
//! ```text
//! lock                      held by the process that uses it
//! form                      what is kept, and in which version of this layout
//! images/HEX/               an image: `manifest` and `config` as they came; its time is that of its last use
//! indexes/HEX               an index of manifests, as it came
//! layers/HEX/               a layer: `size`, and `root/` unpacked or `packed` as it came
//! mounts/NUMBER/            root filesystems
//! tmp/NUMBER/               what is being made, or removed
//! ```
//!
//! Things are made in `tmp` and renamed when they are complete and durable. So is what is removed, the other way.

use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use mu_env::Timestamp;
use rustix::fs::CWD;

use super::Form;
use crate::layer::{Taken, remove_tree};
use crate::manifest::Found;
use crate::{Digest, ImageError};

const FOLDERS: [&str; 5] = ["images", "indexes", "layers", "mounts", "tmp"];

#[derive(Debug)]
pub(crate) struct Files {
    dir: PathBuf,
    form: Form,
    next: AtomicU64,
    /// Unlocked when it is closed.
    _lock: File,
}

/// A place for what is being made; removed if it is not kept.
#[derive(Debug)]
pub(crate) struct Temporary(PathBuf);

impl Files {
    /// Makes the directory if need be, and clears away what was left. Blocking.
    pub(super) fn open(dir: &Path, form: Form) -> Result<Self, ImageError> {
        let failed = || ImageError::io(format!("images cannot be kept in `{}`", dir.display()));
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed())?;
        // Files in layers have the owners and permissions of the image, which are not meant for users of this machine.
        fs::set_permissions(dir, Permissions::from_mode(0o700)).map_err(failed())?;
        // Mounts are listed by names without links.
        let dir = dir.canonicalize().map_err(failed())?;
        let lock = File::options().create(true).truncate(false).write(true).open(dir.join("lock")).map_err(failed())?;
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let used = io::Error::other("another process uses it; give each node a directory of its own");
                return Err(failed()(used));
            }
            Err(TryLockError::Error(error)) => return Err(failed()(error)),
            Ok(()) => {}
        }
        let files = Self { dir, form, next: AtomicU64::new(0), _lock: lock };
        files.sweep().map_err(failed())?;
        Ok(files)
    }

    fn sweep(&self) -> io::Result<()> {
        for folder in FOLDERS {
            fs::create_dir_all(self.dir.join(folder))?;
        }
        crate::mount::sweep(&self.dir.join("mounts"))?;
        let form = match self.form {
            Form::Unpacked => "unpacked 1\n",
            Form::Packed => "packed 1\n",
        };
        if fs::read_to_string(self.dir.join("form")).ok().as_deref() != Some(form) {
            for folder in ["images", "indexes", "layers"] {
                self.empty(folder)?;
            }
            fs::write(self.dir.join("form"), form)?;
        }
        self.empty("tmp")
    }

    fn empty(&self, folder: &str) -> io::Result<()> {
        for entry in fs::read_dir(self.dir.join(folder))? {
            remove_tree(CWD, &entry?.path())?;
        }
        Ok(())
    }

    /// The manifest and the configuration of an image, if it is here and whole.
    pub(crate) fn image(&self, digest: &Digest) -> Option<(Vec<u8>, Vec<u8>)> {
        let dir = self.path("images", digest);
        let manifest = fs::read(dir.join("manifest")).ok().filter(|text| Digest::of(text) == *digest)?;
        let Ok(Found::Manifest(found)) = Found::parse(&manifest) else { return None };
        let config = fs::read(dir.join("config")).ok().filter(|text| Digest::of(text) == found.config.digest)?;
        Some((manifest, config))
    }

    pub(super) fn has_image(&self, digest: &Digest) -> bool {
        self.path("images", digest).exists()
    }

    pub(super) fn keep_image(&self, digest: &Digest, manifest: &[u8], config: &[u8]) -> io::Result<()> {
        let temporary = self.temporary()?;
        for (name, content) in [("manifest", manifest), ("config", config)] {
            let path = temporary.0.join(name);
            fs::write(&path, content)?;
            File::open(&path)?.sync_all()?;
        }
        self.keep(&temporary, "images", digest)
    }

    /// An index, if it is here.
    pub(super) fn index(&self, digest: &Digest) -> Option<Vec<u8>> {
        fs::read(self.path("indexes", digest)).ok().filter(|text| Digest::of(text) == *digest)
    }

    pub(super) fn keep_index(&self, digest: &Digest, text: &[u8]) -> io::Result<()> {
        let temporary = self.temporary()?;
        let path = temporary.0.join("index");
        fs::write(&path, text)?;
        fs::rename(path, self.path("indexes", digest))
    }

    /// What a layer takes, if it is here.
    pub(super) fn layer(&self, digest: &Digest) -> Option<Taken> {
        let text = fs::read_to_string(self.path("layers", digest).join("size")).ok()?;
        let (bytes, files) = text.trim().split_once(' ')?;
        Some(Taken { bytes: bytes.parse().ok()?, files: files.parse().ok()? })
    }

    /// Keeps what was made under [`Temporary::layer`].
    pub(super) fn keep_layer(&self, temporary: &Temporary, digest: &Digest, taken: Taken) -> io::Result<()> {
        let path = temporary.0.join("size");
        fs::write(&path, format!("{} {}\n", taken.bytes, taken.files))?;
        File::open(&path)?.sync_all()?;
        self.keep(temporary, "layers", digest)
    }

    /// A layer that is here, in the form of this store.
    pub(crate) fn layer_path(&self, digest: &Digest) -> PathBuf {
        self.in_form(&self.path("layers", digest))
    }

    pub(crate) fn form(&self) -> Form {
        self.form
    }

    /// A layer that is being made, in the form of this store.
    pub(super) fn made_path(&self, temporary: &Temporary) -> PathBuf {
        self.in_form(&temporary.0)
    }

    /// A place to mount something at.
    pub(crate) fn mount_path(&self) -> PathBuf {
        self.dir.join("mounts").join(self.number())
    }

    pub(super) fn temporary(&self) -> io::Result<Temporary> {
        let path = self.dir.join("tmp").join(self.number());
        fs::create_dir(&path)?;
        Ok(Temporary(path))
    }

    /// What there is in a folder.
    pub(super) fn list(&self, folder: &str) -> io::Result<Vec<Digest>> {
        let mut digests = Vec::new();
        for entry in fs::read_dir(self.dir.join(folder))? {
            let digest = format!("sha256:{}", entry?.file_name().display()).parse();
            digests.extend(digest.ok());
        }
        Ok(digests)
    }

    /// When an image was in use for the last time.
    pub(super) fn last_use(&self, image: &Digest) -> Timestamp {
        let modified = fs::metadata(self.path("images", image)).and_then(|metadata| metadata.modified());
        Timestamp::from(modified.unwrap_or(SystemTime::UNIX_EPOCH))
    }

    pub(super) fn note_use(&self, image: &Digest, now: Timestamp) {
        let time = SystemTime::UNIX_EPOCH + Duration::from_micros(now.as_micros());
        // It is a hint for the next collection, no more.
        let _ = File::open(self.path("images", image)).and_then(|dir| dir.set_modified(time));
    }

    /// Takes something out of a folder, at once; it is gone when the answer is dropped, which may take a while.
    pub(super) fn take_out(&self, folder: &str, digest: &Digest) -> io::Result<Temporary> {
        // Nothing is made for it: the disk may be full.
        let path = self.dir.join("tmp").join(self.number());
        fs::rename(self.path(folder, digest), &path)?;
        Ok(Temporary(path))
    }

    fn keep(&self, temporary: &Temporary, folder: &str, digest: &Digest) -> io::Result<()> {
        let path = self.path(folder, digest);
        // What is there was found to be incomplete.
        remove_tree(CWD, &path)?;
        File::open(&temporary.0)?.sync_all()?;
        fs::rename(&temporary.0, path)?;
        File::open(self.dir.join(folder))?.sync_all()
    }

    fn path(&self, folder: &str, digest: &Digest) -> PathBuf {
        self.dir.join(folder).join(digest.hex())
    }

    fn in_form(&self, dir: &Path) -> PathBuf {
        dir.join(match self.form {
            Form::Unpacked => "root",
            Form::Packed => "packed",
        })
    }

    fn number(&self) -> String {
        self.next.fetch_add(1, Ordering::Relaxed).to_string()
    }
}

impl Temporary {
    /// The layer as it comes, from its start.
    pub(super) fn file(&self) -> io::Result<File> {
        File::options().create(true).truncate(false).read(true).write(true).open(self.0.join("packed"))
    }

    pub(super) fn remove_file(&self) -> io::Result<()> {
        fs::remove_file(self.0.join("packed"))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // After it was renamed there is nothing left to do.
        if let Err(error) = remove_tree(CWD, &self.0) {
            tracing::warn!(path = %self.0.display(), error = %io::Error::from(error), "stays until the next start");
        }
    }
}
