//! What an operator can set.

use std::path::PathBuf;

use mu_gateway::GatewayConfig;
use mu_invoke::InvokeConfig;
use mu_runtime::EgressPolicy;

use crate::settings::ContainersSettings;

/// The configuration of a node.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Tables, boxes and the key that encrypts the boxes. Created when absent; one process at a time uses it.
    pub data_dir: PathBuf,
    /// Compiled modules. Created when absent; it can be deleted at any time, at the price of compiling again.
    pub cache_dir: PathBuf,
    /// Where functions may send HTTP requests.
    pub egress: EgressPolicy,
    /// Functions that are images of containers.
    pub containers: ContainersSettings,
    /// Limits of invocations.
    pub invoke: InvokeConfig,
    /// Limits of the gateway.
    pub gateway: GatewayConfig,
}

impl NodeConfig {
    /// The defaults, with these directories.
    #[must_use]
    pub fn new(data_dir: PathBuf, cache_dir: PathBuf) -> Self {
        Self {
            data_dir,
            cache_dir,
            egress: EgressPolicy::default(),
            containers: ContainersSettings::default(),
            invoke: InvokeConfig::default(),
            gateway: GatewayConfig::default(),
        }
    }
}
