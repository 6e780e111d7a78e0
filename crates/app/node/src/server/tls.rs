//! TLS of both listeners for clients, with certificates from files.

use std::sync::Arc;
use std::time::Duration;

use mu_env::Shutdown;
use mu_gateway::{CertificateFiles, CertificateStore, Gateway, GatewayConfig, Handshakes};

use crate::error::StartError;
use crate::settings::GatewaySettings;

/// The gateway, with its listener for TLS if the settings have one.
pub(super) fn of_gateway(gateway: Gateway, settings: &GatewaySettings) -> Result<Gateway, StartError> {
    let Some(tls) = &settings.tls else { return Ok(gateway) };
    let certificates = CertificateStore::load(tls.certificates.clone())?;
    Ok(gateway.with_tls(tls.address, Arc::new(certificates))?)
}

/// TLS of the management API.
pub(super) struct ApiTls {
    certificates: Arc<CertificateStore>,
    handshakes: Handshakes,
    period: Duration,
}

impl ApiTls {
    /// With this certificate, within the limits that the gateway has for handshakes.
    pub(super) fn load(files: &CertificateFiles, limits: &GatewayConfig) -> Result<Self, StartError> {
        let certificates = Arc::new(CertificateStore::load(vec![files.clone()])?);
        let handshakes = Handshakes::new(Arc::clone(&certificates), limits);
        Ok(Self { certificates, handshakes, period: limits.certificate_period })
    }

    pub(super) fn handshakes(&self) -> &Handshakes {
        &self.handshakes
    }

    /// Reads the certificate again when its files change, until the node stops.
    pub(super) async fn follow(self, shutdown: Shutdown) {
        tokio::select! {
            () = shutdown.requested() => {}
            () = self.certificates.follow(self.period) => {}
        }
    }
}
