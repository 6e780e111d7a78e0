//! Containers: the port [`Runner`], and what starts them.
//!
//! A [`Runner`] turns a [`ContainerSpec`] into a running [`Container`]: isolated, within limits that are enforced or
//! refused, with a directory for its socket. What is said over that socket is no business of this crate.

#[cfg(feature = "conformance")]
pub mod conformance;
mod memory;
mod mounts;
mod net;
mod oci;
mod runner;
mod seccomp;
mod socket_dir;

/// Where a container finds the directory of its socket.
pub const SOCKET_DIR: &str = "/tmp/iofs";

pub use memory::{MemoryProcess, MemoryRunner, Program};
pub use oci::{OciParams, OciRunner};
pub use runner::{
    Container, ContainerId, ContainerLimits, ContainerOutput, ContainerSpec, Dial, Exit, LogPipe, Network, Runner,
    RunnerError,
};
