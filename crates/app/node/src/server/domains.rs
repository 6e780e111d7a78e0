//! Hosts of stacks: proven over the net, and served by the gateway.

use std::sync::Arc;

use mu_control::domains::{Domains, HostSink, HostTable};
use mu_db::Kv;
use mu_env::Env;
use mu_gateway::{HostRoute, Hosts};
use mu_runtime::HttpClient;

use super::prover::NetProver;
use crate::settings::Settings;

/// Tells a gateway which hosts are verified.
#[derive(Debug)]
struct GatewayHosts(Arc<mu_gateway::HostTable>);

impl HostSink for GatewayHosts {
    fn replace(&self, hosts: HostTable) {
        let mut known = Hosts::default();
        for (host, target) in hosts {
            match host.as_str().parse() {
                Ok(host) => known.route(host, HostRoute { stack: target.stack, gateway: target.gateway }),
                // The names that can be claimed are fewer than those that a gateway serves.
                Err(error) => tracing::error!(%host, %error, "a verified host cannot be served"),
            }
        }
        self.0.replace(known);
    }
}

/// The hosts of the stacks in a database. The gateway's table has the verified ones after [`Domains::publish`], and with
/// every change.
pub(super) fn domains(
    kv: &Arc<dyn Kv>,
    env: &Env,
    http: HttpClient,
    settings: &Settings,
    table: Arc<mu_gateway::HostTable>,
) -> Domains {
    let prover = Arc::new(NetProver::new(http, settings.resolver));
    Domains::new(Arc::clone(kv), env.clone(), prover, Arc::new(GatewayHosts(table)))
}

#[cfg(test)]
mod tests {
    use mu_control::domains::HostTarget;
    use mu_stack::StackId;

    use super::*;

    #[test]
    fn every_host_that_can_be_claimed_can_be_served() {
        let target = HostTarget { stack: StackId::new([1; 32]), gateway: None };
        for text in ["a.example", "xn--bcher-kva.example", "a-b.c1", &format!("{}.example", "a".repeat(63))] {
            let host: mu_control::domains::HostName = text.parse().unwrap();
            let served: mu_gateway::Host = host.as_str().parse().unwrap();
            assert_eq!(served.as_str(), host.as_str());
            GatewayHosts(Arc::default()).replace(HostTable::from([(host, target.clone())]));
        }
    }
}
