//! The way to a container's socket. The directory is the container's: what stands in it may be a trap.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, open, openat2};
use tokio::net::UnixStream;

/// The name whose appearance means that the function is ready.
const NAME: &str = "lsnr.sock";

/// A container's socket, found but not connected to.
#[derive(Debug)]
pub(super) struct Socket(OwnedFd);

impl Socket {
    /// The socket in this directory; `None` when it is not there yet.
    ///
    /// FDKs bind another name and then make a link to it, so that links are followed, but only beneath the directory,
    /// and what they lead to is held before it is looked at: nothing that is exchanged afterwards matters.
    ///
    /// # Errors
    /// When what has its name is something else, or lies elsewhere.
    pub(super) fn find(directory: &Path) -> io::Result<Option<Self>> {
        let directory = open(directory, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
        match openat2(directory.as_fd(), NAME, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), beneath) {
            Ok(found) if FileType::from_raw_mode(fstat(&found)?.st_mode) == FileType::Socket => Ok(Some(Self(found))),
            Ok(_) => Err(io::Error::other(format!("`{NAME}` is no socket"))),
            // A link whose target does not exist yet is as good as none.
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(rustix::io::Errno::XDEV | rustix::io::Errno::LOOP) => {
                Err(io::Error::other(format!("`{NAME}` leads out of its directory")))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Connects to it. A socket that is bound but not listened to yet refuses.
    ///
    /// # Errors
    /// When nobody listens.
    pub(super) async fn connect(&self) -> io::Result<UnixStream> {
        // The only name that an open file has for sure; a socket's own may be too long for its address, or gone.
        UnixStream::connect(format!("/proc/self/fd/{}", self.0.as_raw_fd())).await
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use tokio::net::UnixListener;

    use super::*;

    #[tokio::test]
    async fn a_link_is_followed_within_the_directory() {
        let directory = tempfile::tempdir().unwrap();
        assert!(Socket::find(directory.path()).unwrap().is_none());
        symlink("phonylsnr.sock", directory.path().join(NAME)).unwrap();
        assert!(Socket::find(directory.path()).unwrap().is_none());
        let listener = UnixListener::bind(directory.path().join("phonylsnr.sock")).unwrap();
        let socket = Socket::find(directory.path()).unwrap().unwrap();
        // What is exchanged after it was found does not matter.
        fs::remove_file(directory.path().join(NAME)).unwrap();
        let (_, accepted) = tokio::join!(socket.connect(), listener.accept());
        accepted.unwrap();
    }

    #[tokio::test]
    async fn nothing_leads_out_of_the_directory() {
        let outside = tempfile::tempdir().unwrap();
        let _listener = UnixListener::bind(outside.path().join("real.sock")).unwrap();
        fs::write(outside.path().join("file"), "").unwrap();
        let absolute = outside.path().join("real.sock").to_str().unwrap().to_owned();
        let name = outside.path().file_name().unwrap().to_str().unwrap();
        for target in [absolute, format!("../{name}/real.sock"), "/proc/self/fd/0".to_owned(), NAME.to_owned()] {
            let directory = tempfile::tempdir_in(outside.path().parent().unwrap()).unwrap();
            symlink(&target, directory.path().join(NAME)).unwrap();
            let error = Socket::find(directory.path()).unwrap_err();
            assert_eq!(error.to_string(), "`lsnr.sock` leads out of its directory", "{target}");
        }
    }

    #[test]
    fn only_a_socket_is_one() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(NAME), "").unwrap();
        assert_eq!(Socket::find(directory.path()).unwrap_err().to_string(), "`lsnr.sock` is no socket");
    }
}
