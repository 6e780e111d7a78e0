//! The node's own log.

use tracing_subscriber::EnvFilter;

/// Sends the node's `tracing` events to standard error. The filter comes from the variable `MU_LOG` in `tracing`'s
/// directive syntax (`info`, `mu_gateway=debug,warn`); without it, warnings and errors are shown. Does nothing when a
/// subscriber is already installed.
pub fn init_node_log() {
    let filter = EnvFilter::try_from_env("MU_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second call, as in tests that share a process, keeps the first subscriber.
    let _ = subscriber.try_init();
}
