//! Why a node cannot start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use mu_control::access::NotOnLoopback;
use mu_control::catalog::CatalogError;
use mu_control::domains::DomainError;
use mu_control::logs::LogError;
use mu_control::quota::QuotaError;
use mu_control::usage::UsageError;
use mu_db::{JournalError, KvError};
use mu_gateway::{BindError, CertificateError};
use mu_storage::{BlobError, RootKeyError};

use crate::operations::OperationsBindError;

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
    /// A certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The management API cannot listen.
    #[error("listening on {address} for the management API: {source}")]
    Api {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// Metrics and health cannot be served.
    #[error(transparent)]
    Operations(#[from] OperationsBindError),
    /// Nobody in particular may do more than is safe where the management API listens.
    #[error(transparent)]
    Anonymous(#[from] NotOnLoopback),
    /// An issuer of tokens cannot be used.
    #[error("the issuer {0}")]
    Issuer(String),
    /// The file with the token for the first operator cannot be used.
    #[error("the file {path} with the token for the first operator: {source}")]
    Bootstrap {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Logs cannot be opened.
    #[error("opening the logs: {0}")]
    Logs(#[from] LogError),
    /// The journal of usage cannot be opened.
    #[error("opening the journal of usage: {0}")]
    Journal(#[from] JournalError),
    /// Usage cannot be added up.
    #[error("adding up usage: {0}")]
    Usage(#[from] UsageError),
    /// Quotas cannot be read.
    #[error("reading what clients and stacks may use: {0}")]
    Quotas(#[from] QuotaError),
    /// The catalog cannot be read.
    #[error("reading what is deployed: {0}")]
    Catalog(#[from] CatalogError),
    /// The verified hosts cannot be read.
    #[error("reading the hosts of stacks: {0}")]
    Domains(#[from] DomainError),
    /// Who may do what cannot be read.
    #[error("reading who may do what: {0}")]
    Control(String),
}
