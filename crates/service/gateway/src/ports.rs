//! What a gateway asks of the node it is part of.

use std::sync::Arc;

use crate::auth::{Authenticator, NobodyEnters};
use crate::hosts::HostTable;

/// What a gateway asks of the node it is part of. The default is a node without hosts of stacks' own, on which what asks
/// for authentication lets nobody in.
#[derive(Clone)]
pub struct GatewayPorts {
    /// Whose gateway answers on which host.
    pub hosts: Arc<HostTable>,
    /// Finds out who calls.
    pub authenticator: Arc<dyn Authenticator>,
}

impl Default for GatewayPorts {
    fn default() -> Self {
        Self { hosts: Arc::default(), authenticator: Arc::new(NobodyEnters) }
    }
}
