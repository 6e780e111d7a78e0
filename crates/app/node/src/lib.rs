//! Configuration to adapters to services to a running node: the only crate that knows both ports and what is behind them.

mod config;
mod containers;
mod error;
mod node;
pub mod operations;
mod receipt_metrics;
pub mod server;
pub mod settings;

pub use config::NodeConfig;
pub use containers::container_runtime;
pub use error::StartError;
pub use mu_gateway::GatewayPorts;
pub use node::{CallParams, Node, Sinks};
pub use receipt_metrics::record_receipt;
