//! The directory in which a container makes its socket.
//!
//! It is a filesystem of its own, small, so that a function can fill nothing but that. What is in it is the function's.

use std::path::Path;
use std::{fs, io};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

/// 64 KiB, of which a socket and a link take nothing, and 32 files, of which the directory is one.
const OPTIONS: &std::ffi::CStr = c"size=64k,nr_inodes=32,uid=1000,gid=1000,mode=0700";

/// Makes the directory, for user 1000 alone.
pub(crate) fn make(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    mount("mu", dir, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC, OPTIONS)?;
    Ok(())
}

/// Takes what [`make`] mounted away. It is fine if nothing is mounted, or there is no such directory.
pub(crate) fn unmake(dir: &Path) -> io::Result<()> {
    use rustix::io::Errno;
    match unmount(dir, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        Ok(()) | Err(Errno::INVAL | Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
