//! The listener for who operates the node: metrics, and whether it is alive and ready.
//!
//! - `GET /metrics`: all [`Metrics`], as OpenMetrics text.
//! - `GET /healthz`: 200 for as long as the process answers. Restart it when it doesn't.
//! - `GET /readyz`: 200 when every [`Probe`] passes, else 503 with what failed. Send it no requests then.
//!
//! It is plain HTTP/1.1 with one request per connection, bounded in number and time, so that nothing on it can take the
//! node from its clients.

mod answer;
mod listener;
mod probe;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use mu_env::Shutdown;
use mu_telemetry::{Metrics, Readings};
use tokio::net::TcpListener;

use crate::settings::Secret;
use answer::Answers;
pub use probe::Probe;

/// What the listener tells of.
pub struct OperationsParts {
    /// The metrics of the node.
    pub metrics: Metrics,
    /// Looks at what is not counted as it happens, whenever metrics are read. May block.
    pub readings: Arc<dyn Fn() -> Readings + Send + Sync>,
    /// What must pass before the node counts as ready.
    pub probes: Vec<Probe>,
    /// What readers of metrics must present, if anything.
    pub token: Option<Secret>,
    /// The signal that the node stops: it is not ready from then on.
    pub shutdown: Shutdown,
}

/// The listener, bound to its address.
pub struct Operations {
    listener: TcpListener,
    address: SocketAddr,
    answers: Arc<Answers>,
}

/// The listener cannot have its address.
#[derive(Debug, thiserror::Error)]
#[error(
    "metrics cannot be served on {address}: {source}; stop what uses the address or choose another `metrics.address`"
)]
pub struct OperationsBindError {
    address: SocketAddr,
    source: io::Error,
}

impl Operations {
    /// Binds `address`; port 0 stands for any free port. Clients are answered once [`Operations::serve`] runs. Must be
    /// called within a tokio runtime.
    ///
    /// # Errors
    /// When the address is in use, or is not one of this machine.
    pub fn bind(address: SocketAddr, parts: OperationsParts) -> Result<Self, OperationsBindError> {
        let bound = listener::bind(address).and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) = bound.map_err(|source| OperationsBindError { address, source })?;
        Ok(Self { listener, address, answers: Arc::new(Answers::new(parts)) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `end` resolves, and cuts what is under way then. For a node that drains, `end` comes after
    /// draining, so that `/readyz` can say meanwhile that the node stops, and the last metrics can be read.
    pub async fn serve(self, end: impl Future<Output = ()> + Send) {
        listener::serve(self.listener, self.answers, end).await;
    }
}
