//! Which addresses are asked for images whose names come from people who must not reach all that this machine does.
//!
//! The resolved address of every connection is judged, after a redirection as well, so that a name that points inward
//! gains nothing.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

pub(crate) type Permits = Arc<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// Where the conversation with a registry may lead.
#[derive(Clone)]
pub(crate) struct Reach {
    permits: Permits,
    /// Hosts that are asked wherever they are.
    exempt: Vec<String>,
}

/// A host that has no address that is permitted.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is at an address that is not public")]
pub(crate) struct OutOfReach(pub(crate) String);

impl Reach {
    pub(crate) fn new(permits: Permits, exempt: Vec<String>) -> Self {
        Self { permits, exempt }
    }

    /// Judges an address that is written out, which nobody resolves.
    pub(super) fn check(&self, url: &Url) -> Result<(), OutOfReach> {
        let host = url.host_str().unwrap_or_default();
        match address(host) {
            Some(address) if !self.is_permitted(host, address) => Err(OutOfReach(host.to_owned())),
            _ => Ok(()),
        }
    }

    /// The same with the proxies of this process, which look further names up themselves.
    pub(super) fn with_proxies(mut self) -> Self {
        let named = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
            .into_iter()
            .filter_map(|name| std::env::var(name).ok());
        let hosts =
            named.filter_map(|proxy| Url::parse(&proxy).or_else(|_| Url::parse(&format!("http://{proxy}"))).ok());
        self.exempt.extend(hosts.filter_map(|proxy| proxy.host_str().map(str::to_owned)));
        self
    }

    fn is_permitted(&self, host: &str, address: IpAddr) -> bool {
        (self.permits)(address) || self.exempt.iter().any(|exempt| exempt.eq_ignore_ascii_case(host))
    }
}

/// Resolves names to those of their addresses that are permitted.
impl Resolve for Reach {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.clone();
        Box::pin(async move {
            let host = name.as_str();
            let found = tokio::net::lookup_host((host, 0)).await?;
            let permitted: Vec<SocketAddr> = found.filter(|found| reach.is_permitted(host, found.ip())).collect();
            if permitted.is_empty() {
                return Err(OutOfReach(host.to_owned()).into());
            }
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}

impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reach").field("exempt", &self.exempt).finish_non_exhaustive()
    }
}

fn address(host: &str) -> Option<IpAddr> {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).parse().ok()
}
