//! What can go wrong with a journal, by what the caller can do about it.

use std::io;

use super::RECORD_BYTES_MAX;

/// An operation on a [`Journal`](crate::Journal) failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// It cannot be reached or its device fails. Trying again may help.
    #[error("{journal} cannot be used: {reason}")]
    Unavailable {
        /// Which journal.
        journal: String,
        /// What failed.
        reason: String,
    },
    /// There is no room for the record.
    #[error("{journal} has no space left ({reason}): free some space")]
    Full {
        /// Which journal.
        journal: String,
        /// Why.
        reason: String,
    },
    /// Its files are not those of a journal.
    #[error("{journal} is damaged: {reason}; restore it from a copy, or move it away to start empty")]
    Corrupt {
        /// Which journal.
        journal: String,
        /// What is wrong.
        reason: String,
    },
    /// Another process holds it. Happens only when opening it.
    #[error("another mu is using {journal}; stop it or choose another --data-dir")]
    InUse {
        /// Which journal.
        journal: String,
    },
    /// A record is empty or too long.
    #[error("a record of {bytes} bytes is not within the limits of 1 to {RECORD_BYTES_MAX} bytes")]
    RecordSize {
        /// Its size in bytes.
        bytes: usize,
    },
}

pub(super) fn check_record(record: &[u8]) -> Result<(), JournalError> {
    let is_fitting = (1..=RECORD_BYTES_MAX).contains(&record.len());
    if is_fitting { Ok(()) } else { Err(JournalError::RecordSize { bytes: record.len() }) }
}

/// What the operating system said, as what it means for the caller.
pub(super) fn explain(journal: &str, error: &io::Error) -> JournalError {
    use io::ErrorKind as Kind;
    let (journal, reason) = (journal.to_owned(), error.to_string());
    match error.kind() {
        Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge => JournalError::Full { journal, reason },
        _ => JournalError::Unavailable { journal, reason },
    }
}
