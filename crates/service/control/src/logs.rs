//! What functions have logged, kept and searched.
//!
//! A [`LogStore`] is the node's [`LogSink`](mu_telemetry::LogSink): lines wait in a bounded queue in memory, and the
//! [`LogWriter`], a task of the node, writes them in batches, every 100 ms or 1 000 lines, to a database of their own.
//! A killed process loses what waited. When lines come faster than they can be written, whole lines are dropped, those
//! of the loudest stack first, and a notice in the function's log says how many.
//!
//! Lines of a function are a contiguous range of keys in the order of time; those of a whole stack are merged while they
//! are read. A query does a bounded amount of work and says where the next one goes on. Who follows a log gets lines from
//! memory as soon as they are stored, after a history that joins exactly.
//!
//! Lines are deleted when they are too old, and the oldest ones when a stack has too many bytes of them.

mod cleaner;
mod error;
mod filter;
mod follow;
mod line;
mod merge;
mod query;
mod queue;
mod store;
#[cfg(test)]
mod tests;
mod writer;

use std::time::Duration;

use mu_telemetry::{Limit, Metrics};

pub use self::error::LogError;
pub use self::filter::LogFilter;
pub use self::follow::{Follow, Followed, History};
pub use self::line::LogLine;
pub use self::query::{LogCursor, LogOrder, LogPage, LogQuery, ParseLogCursorError};
pub use self::store::{LogStats, LogStore};
pub use self::writer::LogWriter;

/// Most lines in the answer to one query.
pub const LINES_MAX: usize = 1_000;
/// Longest stored line, in bytes; what is longer is cut, and says so.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// How much is kept, and who counts what is not.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// Lines older than this are deleted, soon after. Default 7 days.
    pub age_max: Duration,
    /// Bytes of lines kept of one stack, each with about 100 bytes more than its text; beyond that the oldest are
    /// deleted. Default 256 MiB.
    pub stack_bytes_max: u64,
    /// Bytes of lines that may wait in memory to be written. Default 32 MiB.
    pub queue_bytes_max: usize,
    /// Where limits that were reached are counted. Default none.
    pub metrics: Option<Metrics>,
}

impl LogOptions {
    fn limit_hit(&self, limit: Limit) {
        if let Some(metrics) = &self.metrics {
            metrics.limit_hit(limit);
        }
    }
}

impl Default for LogOptions {
    fn default() -> Self {
        let week = Duration::from_secs(7 * 24 * 60 * 60);
        Self { age_max: week, stack_bytes_max: 256 << 20, queue_bytes_max: 32 << 20, metrics: None }
    }
}
