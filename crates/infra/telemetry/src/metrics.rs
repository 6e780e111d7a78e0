//! Every metric of a node: its name stands in one table, recording is a few atomic additions, and reading makes the
//! OpenMetrics text of all of them.
//!
//! Counts of functions are kept per function. Whoever deploys a function asks once for its [`FunctionMetrics`] and
//! records through it; nothing is looked up by name on the way of a request. A function has lines in the text from its
//! first invocation until it is deployed no more, so that ten thousand idle ones cost nothing to read. What other parts of
//! the node know anyway is not counted a second time: whoever reads the metrics brings it along, as [`Readings`].

mod collector;
mod function;
mod histogram;
mod limit;
mod outcome;
mod process;
mod readings;
mod reference;
mod series;
mod table;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

use collector::View;
pub use function::{FunctionMetrics, FunctionParams};
pub use histogram::DurationHistogram;
pub use limit::Limit;
pub use outcome::Outcome;
pub use readings::{ContainerReadings, InFlight, Readings, StackTraffic};
pub use reference::metrics_reference;
use series::SeriesTable;

/// The media type of [`Metrics::encode`].
pub const METRICS_CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The metrics of a node: a handle, cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Shared>);

/// What [`Metrics`] are made with.
#[derive(Clone, Copy, Debug)]
pub struct MetricsParams {
    /// The version of the program, shown as `mu_build_info`.
    pub version: &'static str,
    /// The most functions with lines of their own; what more there are is counted together, as `(others)`. Each costs
    /// about 60 lines, 8 KB, of the text. Also the most stacks whose traffic is told.
    pub functions_max: usize,
}

/// What all handles record into.
#[derive(Debug)]
struct Shared {
    version: &'static str,
    series: SeriesTable,
    limit_hits: [AtomicU64; Limit::ALL.len()],
    /// Requests to the management API, by what they were answered.
    api: [DurationHistogram; Outcome::ANSWERS.len()],
}

impl Metrics {
    /// Metrics that are all zero.
    #[must_use]
    pub fn new(params: MetricsParams) -> Self {
        Self(Arc::new(Shared {
            version: params.version,
            series: SeriesTable::new(params.functions_max),
            limit_hits: [const { AtomicU64::new(0) }; Limit::ALL.len()],
            api: Default::default(),
        }))
    }

    /// The handle of a deployed function. Handles of the same function, as of two versions of a stack, count together.
    #[must_use]
    pub fn function(&self, params: &FunctionParams<'_>) -> FunctionMetrics {
        FunctionMetrics::new(Arc::clone(&self.0), params)
    }

    /// Counts that something was refused, cut or ended because of a limit.
    pub fn limit_hit(&self, limit: Limit) {
        self.0.limit_hit(limit);
    }

    /// Counts a request to the management API that was answered with this HTTP status, after so long.
    pub fn api_request(&self, status: u16, duration: Duration) {
        self.0.api[Outcome::of_status(status) as usize].record(duration);
    }

    /// All metrics as text, of the type [`METRICS_CONTENT_TYPE`]. Takes a moment where thousands of functions are in
    /// use, and reads files below `/proc` on Linux: not for a thread that serves requests.
    #[must_use]
    pub fn encode(&self, readings: Readings) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(View::new(Arc::clone(&self.0), readings)));
        let mut text = String::new();
        text::encode(&mut text, &registry).expect("writing to a string does not fail");
        text
    }
}

impl Shared {
    fn limit_hit(&self, limit: Limit) {
        self.limit_hits[limit as usize].fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
