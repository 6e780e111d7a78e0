//! Connections that containers make to the outside, under the rules of functions' requests.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use mu_container::Dial;
use rustix::process::{Resource, getrlimit};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::lookup::Lookups;
use crate::EgressPolicy;

/// How long one address has to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections of all containers at once: as many as take a quarter of the files that the node may open, of which each
/// takes two, but no more than these.
const CONNECTIONS_MAX: u64 = 4_096;
const FILES_PER_CONNECTION: u64 = 2 * 4;

/// Connects to what the policy permits.
#[derive(Debug)]
pub struct EgressDial {
    lookups: Lookups,
    room: Arc<Semaphore>,
    refused: AtomicU64,
}

#[async_trait]
impl Dial for EgressDial {
    async fn dial(&self, host: &str, port: u16) -> Result<TcpStream, String> {
        let mut refusal = format!("`{host}` has no address that containers may reach (egress.allow)");
        for address in self.lookups.permitted(host, port).await.unwrap_or_default() {
            match timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // What a container sends is passed on when it comes.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => refusal = format!("connecting to `{host}` at {address}: {error}"),
                Err(_) => refusal = format!("`{host}` at {address} did not answer within {CONNECT_TIMEOUT:?}"),
            }
        }
        Err(refusal)
    }

    async fn resolve(&self, host: &str) -> Vec<SocketAddr> {
        self.lookups.permitted(host, 0).await.unwrap_or_default()
    }

    fn place(&self) -> Option<OwnedSemaphorePermit> {
        let place = Arc::clone(&self.room).try_acquire_owned().ok();
        if place.is_none() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        place
    }
}

impl EgressDial {
    /// For all containers of a node.
    #[must_use]
    pub fn new(policy: EgressPolicy) -> Self {
        let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let connections = (files / FILES_PER_CONNECTION).clamp(1, CONNECTIONS_MAX);
        let room = Arc::new(Semaphore::new(usize::try_from(connections).unwrap_or(usize::MAX)));
        Self { lookups: Lookups::new(policy), room, refused: AtomicU64::new(0) }
    }

    /// How many connections there was no place for.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn the_policy_decides_by_the_address() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for (policy, host, is_reached) in [
            (EgressPolicy::PublicOnly, "127.0.0.1", false),
            (EgressPolicy::PublicOnly, "localhost", false),
            (EgressPolicy::PublicOnly, "::ffff:127.0.0.1", false),
            (EgressPolicy::OneAddress, "127.0.0.1", true),
            (EgressPolicy::OneAddress, "127.0.0.2", false),
            (EgressPolicy::Anywhere, "localhost", true),
        ] {
            let dial = EgressDial::new(policy);
            assert_eq!(dial.dial(host, port).await.is_ok(), is_reached, "{policy:?} {host}");
            assert_eq!(!dial.resolve(host).await.is_empty(), is_reached, "{policy:?} {host}");
        }
    }

    #[test]
    fn no_more_connections_than_there_are_places() {
        let dial = EgressDial::new(EgressPolicy::PublicOnly);
        let mut places: Vec<_> = std::iter::from_fn(|| dial.place()).collect();
        assert!((1..=4_096).contains(&places.len()), "{}", places.len());
        assert!(dial.place().is_none());
        assert_eq!(dial.refused(), 2);
        places.pop();
        assert!(dial.place().is_some());
    }

    #[tokio::test]
    async fn who_does_not_answer_is_named() {
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let error = EgressDial::new(EgressPolicy::OneAddress).dial("127.0.0.1", port).await.unwrap_err();
        assert!(error.starts_with(&format!("connecting to `127.0.0.1` at 127.0.0.1:{port}: ")), "{error}");
        let error = EgressDial::new(EgressPolicy::PublicOnly).dial("127.0.0.1", port).await.unwrap_err();
        assert_eq!(error, "`127.0.0.1` has no address that containers may reach (egress.allow)");
    }
}
