//! Connections that containers make to the outside, under the rules of functions' requests.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use mu_container::Dial;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::EgressPolicy;

/// How long one address has to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Connects to what the policy permits.
#[derive(Clone, Copy, Debug)]
pub struct EgressDial(pub EgressPolicy);

#[async_trait]
impl Dial for EgressDial {
    async fn dial(&self, host: &str, port: u16) -> Result<TcpStream, String> {
        let mut refusal = format!("`{host}` has no address that containers may reach (egress.allow)");
        for address in self.permitted(host, port).await {
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
        self.permitted(host, 0).await
    }
}

impl EgressDial {
    /// The addresses of a host that may be reached. What a name leads to decides, not the name.
    async fn permitted(&self, host: &str, port: u16) -> Vec<SocketAddr> {
        let Ok(found) = lookup_host((host, port)).await else { return Vec::new() };
        found.filter(|address| self.0.permits(address.ip())).collect()
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
            let dial = EgressDial(policy);
            assert_eq!(dial.dial(host, port).await.is_ok(), is_reached, "{policy:?} {host}");
            assert_eq!(!dial.resolve(host).await.is_empty(), is_reached, "{policy:?} {host}");
        }
    }

    #[tokio::test]
    async fn who_does_not_answer_is_named() {
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let error = EgressDial(EgressPolicy::OneAddress).dial("127.0.0.1", port).await.unwrap_err();
        assert!(error.starts_with(&format!("connecting to `127.0.0.1` at 127.0.0.1:{port}: ")), "{error}");
        let error = EgressDial(EgressPolicy::PublicOnly).dial("127.0.0.1", port).await.unwrap_err();
        assert_eq!(error, "`127.0.0.1` has no address that containers may reach (egress.allow)");
    }
}
