//! What a gateway asks of the node it is part of.

use std::sync::Arc;

use mu_telemetry::{Limit, Metrics};

use crate::auth::{Authenticator, NobodyEnters};
use crate::hosts::HostTable;

/// What a gateway asks of the node it is part of. The default is a node without hosts of stacks' own and without
/// metrics, on which what asks for authentication lets nobody in.
#[derive(Clone)]
pub struct GatewayPorts {
    /// Whose gateway answers on which host.
    pub hosts: Arc<HostTable>,
    /// Finds out who calls.
    pub authenticator: Arc<dyn Authenticator>,
    /// Where limits that were reached are counted.
    pub metrics: Option<Metrics>,
}

impl GatewayPorts {
    pub(crate) fn limit_hit(&self, limit: Limit) {
        if let Some(metrics) = &self.metrics {
            metrics.limit_hit(limit);
        }
    }
}

impl Default for GatewayPorts {
    fn default() -> Self {
        Self { hosts: Arc::default(), authenticator: Arc::new(NobodyEnters), metrics: None }
    }
}
