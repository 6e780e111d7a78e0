//! Root filesystems as containers have them: those of images, completed with mount points.
//!
//! Images are read-only, and runtimes mount on directories and files that have to be there: `/proc`, `/etc/hosts`. Where an
//! image lacks one, a read-only overlay adds them. Containers of one image share it.

use std::collections::HashMap;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::{fs, io};

use mu_image::{Image, RootFs};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use tokio::sync::Mutex;

use super::directory::{Directory, has_mount_points};
use crate::{RunnerError, io_error};

/// A root filesystem, as long as a container has it.
#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
    /// Whether it is a mount of ours, on a directory of its own.
    is_overlay: bool,
    /// What must not go before it.
    _image: Option<(Image, RootFs)>,
}

/// The root filesystems that containers have now, by the digests of their images.
#[derive(Debug, Default)]
pub(super) struct Roots {
    roots: Mutex<HashMap<String, Weak<Root>>>,
    count: AtomicU64,
}

impl Roots {
    pub(super) async fn of(&self, image: &Image, directory: &Directory) -> Result<Arc<Root>, RunnerError> {
        let digest = image.digest().to_string();
        let mut roots = self.roots.lock().await;
        if let Some(root) = roots.get(&digest).and_then(Weak::upgrade) {
            return Ok(root);
        }
        let rootfs = image.rootfs().await?;
        let root = if has_mount_points(rootfs.path()) {
            Root { path: rootfs.path().to_owned(), is_overlay: false, _image: Some((image.clone(), rootfs)) }
        } else {
            // Never a name for the second time: the mount of before may be about to go.
            let path = directory.roots().join(self.count.fetch_add(1, Ordering::Relaxed).to_string());
            overlay(&path, &[&directory.skeleton(), rootfs.path()])
                .map_err(io_error(|| format!("adding mount points to the image {digest}")))?;
            Root { path, is_overlay: true, _image: Some((image.clone(), rootfs)) }
        };
        let root = Arc::new(root);
        roots.retain(|_, root| root.strong_count() > 0);
        roots.insert(digest, Arc::downgrade(&root));
        Ok(root)
    }
}

impl Root {
    /// A directory that has everything.
    pub(super) fn directory(path: PathBuf) -> Self {
        Self { path, is_overlay: false, _image: None }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        if self.is_overlay
            && let Err(error) = unmount(&self.path, UnmountFlags::DETACH)
                .map_err(io::Error::from)
                .and_then(|()| fs::remove_dir(&self.path))
        {
            tracing::warn!(%error, path = %self.path.display(), "a root filesystem stays mounted");
        }
    }
}

/// Mounts directories over each other, the first on top, read-only.
fn overlay(path: &Path, layers: &[&Path]) -> io::Result<()> {
    fs::create_dir_all(path)?;
    let mut options = b"lowerdir=".to_vec();
    for (at, layer) in layers.iter().enumerate() {
        options.extend((at > 0).then_some(b':'));
        for byte in layer.as_os_str().as_bytes() {
            options.extend(b":,\\".contains(byte).then_some(b'\\'));
            options.push(*byte);
        }
    }
    let mounted = CString::new(options)
        .map_err(|_| io::ErrorKind::InvalidFilename.into())
        .and_then(|options| Ok(mount("mu", path, "overlay", MountFlags::RDONLY, options.as_c_str())?));
    mounted.inspect_err(|_: &io::Error| drop(fs::remove_dir(path)))
}
