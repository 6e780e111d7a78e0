//! What can go wrong with domains.

use mu_db::KvError;

use super::{Challenge, DOMAINS_MAX, HostName, ProveError};
use crate::catalog::{CatalogError, RecordError};

/// Something was not done with a domain. Unless the database failed, nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum DomainError {
    /// The database failed, or a record in it cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The stack is not there.
    #[error(transparent)]
    Catalog(CatalogError),
    /// Another stack has proven that the host is its owner's.
    #[error("the host `{host}` belongs to another stack, whose owner has proven it: it has to be released there first")]
    Taken {
        /// The host.
        host: HostName,
    },
    /// The stack has not claimed the host.
    #[error("the stack has not claimed the host `{host}`: claim it first")]
    UnknownDomain {
        /// The host.
        host: HostName,
    },
    /// The stack has claimed too many hosts.
    #[error("the stack has claimed {DOMAINS_MAX} hosts already: release one that it does not need")]
    TooMany,
    /// The challenge is not answered.
    #[error(
        "the host `{}` is not proven: let {} answer with `{proof}` (it does not: {http}), or give {} a TXT record with \
         `{proof}` (it has none: {dns}); then try again",
        .challenge.host, .challenge.url(), .challenge.record_name(), proof = .challenge.proof()
    )]
    Unproven {
        /// What is to be answered.
        challenge: Box<Challenge>,
        /// What is wrong with the answer over HTTP.
        http: ProveError,
        /// What is wrong with the TXT record.
        dns: ProveError,
    },
    /// Others changed the same thing again and again.
    #[error("the host `{host}` is being changed by many at once: try again in a moment")]
    Contended {
        /// The host.
        host: HostName,
    },
}

impl From<KvError> for DomainError {
    fn from(error: KvError) -> Self {
        Self::Record(error.into())
    }
}

impl From<CatalogError> for DomainError {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::Record(error) => Self::Record(error),
            error => Self::Catalog(error),
        }
    }
}
