//! What can go wrong with usage.

use mu_db::{JournalError, KvError};

use super::{DAYS_KEPT, Day};

/// Usage could not be added up or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// The database failed.
    #[error("usage counters: {0}")]
    Kv(#[from] KvError),
    /// The journal failed.
    #[error("usage: {0}")]
    Journal(#[from] JournalError),
    /// A stored record cannot be read: it was written by a newer mu, or is damaged.
    #[error("{what} cannot be read: it was written by a newer version of mu, or is damaged")]
    UnreadableRecord {
        /// Which record.
        what: &'static str,
    },
    /// More days were asked for than are kept.
    #[error("{first} to {last} are more than {DAYS_KEPT} days: ask for fewer")]
    TooManyDays {
        /// The first day.
        first: Day,
        /// The last day.
        last: Day,
    },
    /// Others kept changing the same counters.
    #[error("usage counters are changed by others all the time: trying again later")]
    Contended,
}
