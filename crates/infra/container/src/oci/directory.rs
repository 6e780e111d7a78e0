//! The directory in which a runner keeps what containers consist of. All of it can be thrown away with them.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::{ContainerId, net};

/// What containers find in `/etc` by the node's doing, and not by the image's.
pub(super) const ETC: [(&str, &str); 3] = [
    ("hostname", "function\n"),
    ("hosts", "127.0.0.1 localhost function\n::1 localhost ip6-localhost ip6-loopback\n"),
    ("resolv.conf", net::RESOLV_CONF),
];

/// Directories that have something in them as long as there are containers.
pub(super) const FOLDERS: [&str; 3] = [CONTAINERS, STATE, ROOTS];
const CONTAINERS: &str = "containers";
const STATE: &str = "state";
const ROOTS: &str = "roots";

/// Directories that something is mounted on.
const MOUNT_POINTS: [&str; 5] = ["dev", "etc", "proc", "sys", "tmp"];

/// What `/tmp` has to have before something is mounted on it: runc gives that to the mount, whatever it is told.
const TMP_MODE: u32 = 0o1777;

/// A directory, used by one process at a time.
#[derive(Debug)]
pub(super) struct Directory {
    dir: PathBuf,
    _lock: File,
}

impl Directory {
    /// Makes it ready. Fails with [`io::ErrorKind::ResourceBusy`] while another process uses it.
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let dir = dir.canonicalize()?;
        let lock = File::create(dir.join("lock"))?;
        lock.try_lock().map_err(|_| io::Error::new(io::ErrorKind::ResourceBusy, "another node uses this directory"))?;
        let directory = Self { dir, _lock: lock };
        for name in FOLDERS {
            fs::create_dir_all(directory.dir.join(name))?;
        }
        lay_mount_points(&directory.skeleton())?;
        for (name, text) in ETC {
            fs::write(directory.dir.join(name), text)?;
        }
        Ok(directory)
    }

    pub(super) fn path(&self) -> &Path {
        &self.dir
    }

    /// A directory for each container, by its id: the bundle for the runtime, and the directory of the socket.
    pub(super) fn containers(&self) -> PathBuf {
        self.dir.join(CONTAINERS)
    }

    pub(super) fn bundle(&self, id: &ContainerId) -> PathBuf {
        self.containers().join(id.as_str())
    }

    pub(super) fn socket_dir(&self, id: &ContainerId) -> PathBuf {
        self.bundle(id).join("iofs")
    }

    /// Where the runtime keeps a directory for each container, by its id.
    pub(super) fn state(&self) -> PathBuf {
        self.dir.join(STATE)
    }

    /// Where root filesystems are mounted that were completed with mount points.
    pub(super) fn roots(&self) -> PathBuf {
        self.dir.join(ROOTS)
    }

    /// Nothing but mount points.
    pub(super) fn skeleton(&self) -> PathBuf {
        self.dir.join("skeleton")
    }
}

/// Makes everything that is mounted on.
pub(super) fn lay_mount_points(root: &Path) -> io::Result<()> {
    for dir in MOUNT_POINTS {
        fs::create_dir_all(root.join(dir))?;
    }
    for (name, _) in ETC {
        fs::write(root.join("etc").join(name), "")?;
    }
    fs::set_permissions(root.join("tmp"), Permissions::from_mode(TMP_MODE))
}

/// Whether everything is there that is mounted on. A link there is none: it could lead to where nothing is.
pub(super) fn has_mount_points(root: &Path) -> bool {
    let metadata = |name: &str| fs::symlink_metadata(root.join(name)).ok();
    MOUNT_POINTS.iter().all(|dir| metadata(dir).is_some_and(|metadata| metadata.is_dir()))
        && ETC.iter().all(|(name, _)| metadata(&format!("etc/{name}")).is_some_and(|metadata| metadata.is_file()))
        && metadata("tmp").is_some_and(|metadata| metadata.mode() & 0o7777 == TMP_MODE)
}
