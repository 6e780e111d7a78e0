//! TLS in front of the same connections: certificates by name, and handshakes within limits.

mod certificates;
mod files;
mod store;

use std::sync::Arc;
use std::time::Duration;

use mu_env::Shutdown;
use rustls::ServerConfig;
use rustls::crypto::ring;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub use self::files::{CertificateError, CertificateFiles};
pub use self::store::CertificateStore;
use crate::config::GatewayConfig;

/// What clients may speak after the handshake, the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Turns clients' connections into encrypted ones.
#[derive(Clone)]
pub struct Handshakes {
    acceptor: TlsAcceptor,
    /// Places for handshakes under way.
    places: Arc<Semaphore>,
    timeout: Duration,
}

impl Handshakes {
    /// Handshakes of TLS 1.2 and 1.3 with these certificates, within these limits.
    #[must_use]
    pub fn new(store: Arc<CertificateStore>, config: &GatewayConfig) -> Self {
        let places = config.handshakes_max.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            acceptor: TlsAcceptor::from(Arc::new(server_config(store))),
            places: Arc::new(Semaphore::new(places)),
            timeout: config.handshake_timeout,
        }
    }

    /// The encrypted connection; `None` when the client does not speak TLS, or takes too long, or the node stops.
    pub async fn accept(&self, stream: TcpStream, shutdown: &Shutdown) -> Option<TlsStream<TcpStream>> {
        let handshake = async {
            // Whoever finds no place waits, and its time runs.
            let _place = self.places.acquire().await;
            self.acceptor.accept(stream).await
        };
        tokio::select! {
            accepted = tokio::time::timeout(self.timeout, handshake) => match accepted {
                Ok(Ok(stream)) => return Some(stream),
                // Scanners and mistaken clients do this all day.
                Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => tracing::debug!("a TLS handshake took too long"),
            },
            () = shutdown.requested() => {}
        }
        None
    }
}

fn server_config(store: Arc<CertificateStore>) -> ServerConfig {
    // Named here, so that it does not depend on what the process has installed.
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().expect("the provider knows TLS 1.2 and 1.3");
    let mut config = builder.with_no_client_auth().with_cert_resolver(store);
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    // Clients that come back skip most of the handshake. Without randomness for its keys there are no tickets, and
    // sessions are kept in memory, as is the default.
    if let Ok(ticketer) = ring::Ticketer::new() {
        config.ticketer = ticketer;
    }
    config
}
