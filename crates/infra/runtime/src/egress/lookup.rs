//! The addresses behind names that functions connect to.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::policy::EgressPolicy;

/// Names looked up at once; the next ones wait. A lookup occupies a thread until the system gives up on it.
const LOOKUPS_MAX: usize = 32;

/// Looks up what a policy permits.
#[derive(Clone, Debug)]
pub(super) struct Lookups {
    policy: EgressPolicy,
    room: Arc<Semaphore>,
}

impl Lookups {
    pub(super) fn new(policy: EgressPolicy) -> Self {
        Self { policy, room: Arc::new(Semaphore::new(LOOKUPS_MAX)) }
    }

    /// The addresses of a host, a name or an address as text, that may be reached. What a name leads to decides, not the
    /// name.
    pub(super) async fn permitted(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let found = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => self.look_up(host.to_owned(), port).await?,
        };
        Ok(found.into_iter().filter(|address| self.policy.permits(address.ip())).collect())
    }

    async fn look_up(&self, host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
        let place = Arc::clone(&self.room).acquire_owned().await.map_err(io::Error::other)?;
        let lookup = tokio::task::spawn_blocking(move || {
            // Held until the system answers, also when nobody waits for it any longer.
            let _place = place;
            Ok((host, port).to_socket_addrs()?.collect())
        });
        lookup.await.map_err(io::Error::other)?
    }
}
