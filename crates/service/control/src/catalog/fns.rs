//! What is made through Project Fn's API and belongs to a stack: fns, which are to run images of containers, and
//! triggers, which lead requests to them.
//!
//! They are kept beside the versions of the stack and not in them: each is changed by itself. Every change expects the
//! stack as it was read, so that none meets a deletion.

mod erase;
mod functions;
mod id;
mod names;
mod record;
mod triggers;

use mu_db::KvError;

use super::limits::{FNS_MAX, TRIGGERS_MAX};
use super::{CatalogError, RecordError};

pub use self::functions::{FnPatch, NewFn};
pub use self::id::{FnRef, InvalidId, ObjectId};
pub use self::names::{InvalidSource, InvalidTriggerName, TriggerName, TriggerSource};
pub use self::record::{FnRecord, InvalidShape, Shape, TriggerRecord};
pub use self::triggers::{NewTrigger, TriggerEntry, TriggerPatch};

/// A fn or trigger was not made, changed or found. Unless the database failed, nothing has changed. What clients of Fn
/// know the words of is said in those.
#[derive(Debug, thiserror::Error)]
pub enum FnError {
    /// It is the stack's fault, or the database's.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// There is no such fn.
    #[error("Fn not found")]
    UnknownFn,
    /// There is no such trigger.
    #[error("Trigger not found")]
    UnknownTrigger,
    /// The app has a fn of that name.
    #[error("Fn with specified name already exists")]
    FnExists,
    /// The fn has a trigger of that name.
    #[error("Trigger already exists")]
    TriggerExists,
    /// The app has a trigger with that source.
    #[error("Trigger with the same type and source exists on this app")]
    SourceTaken,
    /// The app has as many as it may.
    #[error("an app can have at most {FNS_MAX} fns: delete one first")]
    TooManyFns,
    /// The app has as many as it may.
    #[error("an app can have at most {TRIGGERS_MAX} triggers: delete one first")]
    TooManyTriggers,
}

impl From<RecordError> for FnError {
    fn from(error: RecordError) -> Self {
        Self::Catalog(error.into())
    }
}

impl From<KvError> for FnError {
    fn from(error: KvError) -> Self {
        Self::Catalog(error.into())
    }
}

#[cfg(test)]
mod tests;
