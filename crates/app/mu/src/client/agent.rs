//! The HTTP client beneath: one per node.

use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;
use ureq::tls::{TlsConfig, TlsProvider};

use super::{Address, Trust};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// An HTTP client that follows no redirect, since a signature is for one URL, and takes
/// every status for an answer.
pub(super) fn agent(address: &Address, trust: &Trust) -> Agent {
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(trust.roots())
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .user_agent(concat!("mu/", env!("CARGO_PKG_VERSION")))
        .accept("application/json");
    // A proxy reaches another loopback than this machine's.
    let config = if address.is_loopback() { config.proxy(None) } else { config };
    config.build().new_agent()
}
