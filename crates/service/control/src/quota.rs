//! What a client and a stack may use.
//!
//! A [`Quota`] is a set of limits. Each client and each stack may have one of its own, kept in the database by
//! operators; what it leaves open comes from the node's configuration ([`QuotaBook`]). [`Quotas`] are what a node asks:
//! before each invocation and each request to the management API the [`Gate`], which keeps rates and counts in memory,
//! per node, and answers how long to wait; before what is written to tables and boxes [`StoredBytes`]. What belongs to a
//! client is what belongs to the stacks it owns ([`Owners`]).
//!
//! What decides is pure: [`gcra`] for rates, [`Measured`] for bytes.

mod book;
mod concurrency;
mod exceeded;
mod gate;
pub mod gcra;
mod measured;
mod owners;
mod quotas;
mod rate;
mod record;
mod sharded;
mod stored_bytes;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use mu_stack::StackId;
use serde::{Deserialize, Serialize};

pub use self::book::{Limited, QuotaBook, QuotaDefaults, QuotaError};
pub use self::concurrency::{Concurrency, Running};
pub use self::exceeded::{Exceeded, Limit};
pub use self::gate::{Admitted, Gate};
pub use self::measured::{Measured, Measuring};
pub use self::owners::Owners;
pub use self::quotas::{QuotaParts, Quotas};
pub use self::rate::RateLimiter;
pub use self::stored_bytes::{ByteLimit, Measure, MeasureError, Over, Stored, StoredBytes};

/// Limits. What is `None` comes from the defaults, and is unlimited when they have none either; the largest number is
/// a way to be unlimited against a default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Invocations per second, with a burst of as many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocations_per_second: Option<u32>,
    /// Invocations at the same time, on each node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrent_invocations: Option<u32>,
    /// Instructions in a day (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions_per_day: Option<u64>,
    /// Bytes kept in tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table_bytes: Option<u64>,
    /// Bytes kept in boxes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub box_bytes: Option<u64>,
    /// Requests of a client to the management API per second, with a burst of as many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_second: Option<u32>,
}

/// Whose limits they are. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A client, by the text of its principal.
    Client(Arc<str>),
    /// A stack.
    Stack(StackId),
}

impl Quota {
    /// These limits, and where they leave something open those of `defaults`.
    #[must_use]
    pub fn or(&self, defaults: &Self) -> Self {
        Self {
            invocations_per_second: self.invocations_per_second.or(defaults.invocations_per_second),
            concurrent_invocations: self.concurrent_invocations.or(defaults.concurrent_invocations),
            instructions_per_day: self.instructions_per_day.or(defaults.instructions_per_day),
            table_bytes: self.table_bytes.or(defaults.table_bytes),
            box_bytes: self.box_bytes.or(defaults.box_bytes),
            requests_per_second: self.requests_per_second.or(defaults.requests_per_second),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(principal) => write!(f, "client {principal}"),
            Self::Stack(stack) => write!(f, "stack {stack}"),
        }
    }
}
