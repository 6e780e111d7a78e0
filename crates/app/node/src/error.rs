//! Why a node cannot start.

use std::io;
use std::path::PathBuf;

use mu_db::KvError;
use mu_gateway::BindError;
use mu_storage::{BlobError, RootKeyError};

/// Why a node cannot start. The messages name the directory or address, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A directory cannot be made.
    #[error("creating the directory {path}: {source}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The tables cannot be opened.
    #[error("opening the tables: {0}")]
    Tables(#[from] KvError),
    /// The boxes cannot be opened.
    #[error("opening the boxes: {0}")]
    Boxes(#[from] BlobError),
    /// The key that encrypts the boxes cannot be used.
    #[error("{0}")]
    Key(#[from] RootKeyError),
    /// The engine cannot start.
    #[error(transparent)]
    Engine(#[from] mu_runtime::StartError),
    /// The gateway cannot listen.
    #[error(transparent)]
    Gateway(#[from] BindError),
}
