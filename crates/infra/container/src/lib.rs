//! Containers: the port [`Runner`], and what starts them.
//!
//! A [`Runner`] turns a [`ContainerSpec`] into a running [`Container`]: isolated, within limits that are enforced or
//! refused, with a directory for its socket. What is said over that socket is no business of this crate.

use std::path::Path;
use std::{fs, io};

use sha2::{Digest, Sha256};

mod cgroup;
pub mod conformance;
mod docker;
mod limits;
mod memory;
mod mounts;
mod net;
mod oci;
mod runner;
mod seccomp;
mod socket_dir;

/// Where a container finds the directory of its socket.
pub const SOCKET_DIR: &str = "/tmp/iofs";

pub use docker::{DockerParams, DockerRunner};
pub use memory::{MemoryProcess, MemoryRunner, Program};
pub use oci::{OciParams, OciRunner};
pub use runner::{
    Container, ContainerId, ContainerLimits, ContainerOutput, ContainerSpec, Dial, Exit, LogPipe, Network, Runner,
    RunnerError,
};

/// Whether containers that runners had in `dir` may still be there, of a node that was killed.
#[must_use]
pub fn has_leftovers(dir: &Path) -> bool {
    oci::has_leftovers(dir) || docker::has_leftovers(dir)
}

/// What tells the containers of a node from those of another on the same machine: their directory.
fn node_of(dir: &Path) -> String {
    let digest = Sha256::digest(dir.as_os_str().as_encoded_bytes());
    digest[..6].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The entries of a directory; none if it is not there.
fn read_dir(dir: &Path) -> io::Result<Vec<fs::DirEntry>> {
    match fs::read_dir(dir) {
        Ok(entries) => entries.collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn io_error(action: impl FnOnce() -> String) -> impl FnOnce(io::Error) -> RunnerError {
    move |source| RunnerError::Io { action: action(), source }
}
