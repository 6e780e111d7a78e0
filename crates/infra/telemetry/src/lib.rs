//! Logs, and where they go.
//!
//! Two streams are kept apart. What *functions* say is a [`LogRecord`], delivered to a [`LogSink`]: it belongs to the
//! client who wrote the function. What the *node* says about itself goes through `tracing` and belongs to the operator.

mod invocation_log;
mod node_log;
mod record;

pub use invocation_log::InvocationLog;
pub use node_log::init_node_log;
pub use record::{InvalidLevel, Level, LogRecord, LogSink, LogSource, StackId};
