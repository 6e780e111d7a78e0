//! What stacks have used, in counters that survive the process.
//!
//! Whoever finishes something that counts calls [`UsageLedger::record`]: it appends a small record to a journal, which
//! costs a `write` and survives a killed process. The [`UsageFolder`], a task of the node, adds the journal up into
//! counters in the database about once a second. New counters and the journal's position are one commit, so that a
//! crash at any point neither loses nor doubles anything; what was not added up yet is at the next start.
//!
//! The folder syncs the journal before it commits. When the *machine* stops, records since the last sync, those of
//! about a second, may be lost; counters are never ahead of what is durable.
//!
//! Counters are kept per function and per stack: in all, and by day (UTC) for [`DAYS_KEPT`] days. They are about a
//! second behind what happens.

mod codec;
mod counts;
mod day;
mod entry;
mod error;
mod fold;
mod ledger;
mod query;
#[cfg(test)]
mod tests;
mod today;

pub use self::counts::Counts;
pub use self::day::{Day, ParseDayError};
pub use self::entry::UsageEntry;
pub use self::error::UsageError;
pub use self::fold::{Folded, UsageFolder};
pub use self::ledger::{LedgerStats, UsageLedger};
pub use self::query::StackUsage;

/// How many days counters of single days are kept. Counters in all are kept forever.
pub const DAYS_KEPT: u32 = 400;
