//! The recording side: what an invocation's end costs is a handful of atomic additions.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mu_pricing::Usage;

use super::Shared;
use super::limit::Limit;
use super::outcome::Outcome;
use super::series::{Found, Names, Series};

/// The names that a function's metrics are labelled with.
#[derive(Clone, Debug)]
pub struct FunctionParams<'a> {
    /// The stack's id.
    pub stack_id: &'a str,
    /// The stack's name.
    pub stack: &'a Arc<str>,
    /// The function's name.
    pub function: &'a Arc<str>,
}

/// The metrics of one deployed function. Keep it with the deployment: when the last handle is dropped, the function's
/// lines end.
pub struct FunctionMetrics {
    shared: Arc<Shared>,
    names: Names,
    /// Found when something is recorded for the first time, so that a function that is never called has none.
    series: OnceLock<Arc<Series>>,
}

impl FunctionMetrics {
    pub(super) fn new(shared: Arc<Shared>, params: &FunctionParams<'_>) -> Self {
        let names = Names {
            stack_id: params.stack_id.into(),
            stack: Arc::clone(params.stack),
            function: Arc::clone(params.function),
        };
        // Counts go on over a change of version, although the old one's handle may be gone before the new one is used.
        let series = shared.series.existing(&names).map(OnceLock::from).unwrap_or_default();
        Self { shared, names, series }
    }

    /// Counts an invocation that ended: after `duration` in all, of which it waited for `waited`.
    pub fn ended(&self, outcome: Outcome, waited: Duration, duration: Duration) {
        let series = self.series();
        series.outcomes[outcome as usize].fetch_add(1, Ordering::Relaxed);
        series.wait.record(waited);
        series.duration.record(duration);
    }

    /// Counts what an invocation used: its instructions and its operations on tables and boxes. A gateway's requests
    /// and traffic are not taken from here.
    pub fn used(&self, usage: &Usage) {
        let series = self.series();
        for (counter, count) in [
            (&series.instructions, usage.instructions),
            (&series.database_reads, usage.db_reads),
            (&series.database_writes, usage.db_writes),
            (&series.storage_reads, usage.storage_reads),
            (&series.storage_writes, usage.storage_writes),
            (&series.storage_read_bytes, usage.storage_read_bytes),
            (&series.storage_written_bytes, usage.storage_written_bytes),
        ] {
            add(counter, count);
        }
    }

    fn series(&self) -> &Arc<Series> {
        self.series.get_or_init(|| match self.shared.series.obtain(&self.names) {
            Found::Own(series) => series,
            Found::Others(series) => {
                self.shared.limit_hit(Limit::MetricsFunctions);
                series
            }
        })
    }
}

/// Most invocations touch few of the things that are counted, and an addition is dearer than a comparison.
fn add(counter: &AtomicU64, count: u64) {
    if count > 0 {
        counter.fetch_add(count, Ordering::Relaxed);
    }
}

impl fmt::Debug for FunctionMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FunctionMetrics").field("names", &self.names).finish_non_exhaustive()
    }
}
