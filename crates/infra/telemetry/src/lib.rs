//! Logs and metrics, and where they go.
//!
//! Two streams of logs are kept apart. What *functions* say is a [`LogRecord`], delivered to a [`LogSink`]: it belongs
//! to the client who wrote the function. What the *node* says about itself goes through `tracing` and belongs to the
//! operator.
//!
//! What happens often is counted rather than said: [`Metrics`] has every metric of a node.

mod invocation_log;
mod metrics;
mod node_log;
mod record;

pub use invocation_log::InvocationLog;
pub use metrics::{
    ContainerReadings, DurationHistogram, FunctionMetrics, FunctionParams, InFlight, Limit, METRICS_CONTENT_TYPE,
    Metrics, MetricsParams, Outcome, Readings, StackTraffic, metrics_reference,
};
pub use node_log::{LogFilter, LogFormat, NodeLog, ParseLogFilterError, init_node_log};
pub use record::{InvalidLevel, Level, LogRecord, LogSink, LogSource, StackId};
