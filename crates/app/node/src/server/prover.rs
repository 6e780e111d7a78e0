//! Looks for the proofs of claimed hosts: at the addresses that the host has, and in DNS.
//!
//! Names are looked up here and not by the system, so that both proofs come from the server that the operator says, and
//! nothing is remembered of an earlier look.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use mu_control::domains::{ANSWER_BYTES_MAX, HostName, ProveError, Prover};
use mu_runtime::HttpClient;
use tokio::sync::Semaphore;

/// Proofs that are looked for at once; the next ones wait.
const LOOKS_MAX: usize = 16;
/// Addresses of a host that are asked, one after the other.
const ADDRESSES_MAX: usize = 3;
/// How long each may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(4);
/// How long a lookup may take in all, and how long one server may take before it is asked again.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
const SERVER_TIMEOUT: Duration = Duration::from_secs(2);
/// The port of plain HTTP.
const HTTP_PORT: u16 = 80;

/// The [`Prover`] of a node.
#[derive(Debug)]
pub(super) struct NetProver {
    /// Keeps to the addresses that functions may reach, too.
    http: HttpClient,
    http_port: u16,
    /// The DNS server; those of the system when there is none.
    resolver: Option<SocketAddr>,
    room: Semaphore,
}

impl NetProver {
    pub(super) fn new(http: HttpClient, resolver: Option<SocketAddr>) -> Self {
        Self { http, http_port: HTTP_PORT, resolver, room: Semaphore::new(LOOKS_MAX) }
    }

    /// Made for each look: it has no memory that could be out of date, neither of records nor of the system's servers.
    fn resolver(&self) -> Result<TokioResolver, NetError> {
        let mut builder = match self.resolver {
            None => TokioResolver::builder_tokio()?,
            Some(address) => {
                let mut server = NameServerConfig::udp_and_tcp(address.ip());
                server.connections.iter_mut().for_each(|connection| connection.port = address.port());
                let config = ResolverConfig::from_name_servers(vec![server]);
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        let options = builder.options_mut();
        options.timeout = SERVER_TIMEOUT;
        // What this machine calls a host proves nothing.
        options.use_hosts_file = ResolveHosts::Never;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        builder.build()
    }

    async fn addresses(&self, host: &HostName) -> Result<Vec<IpAddr>, ProveError> {
        let look = async { self.resolver()?.lookup_ip(whole(host.as_str())).await };
        let found = looked_up(look, "the host has no address").await?;
        Ok(found.iter().take(ADDRESSES_MAX).collect())
    }
}

#[async_trait]
impl Prover for NetProver {
    async fn http(&self, host: &HostName, path: &str) -> Result<String, ProveError> {
        let _place = self.room.acquire().await.map_err(|e| no_answer(e.to_string()))?;
        let mut failed = no_answer("the host has no address");
        for address in self.addresses(host).await? {
            let address = SocketAddr::new(address, self.http_port);
            let fetched = self.http.fetch_at(address, host.as_str(), path, ANSWER_BYTES_MAX);
            failed = match tokio::time::timeout(ANSWER_TIMEOUT, fetched).await {
                Ok(Ok(body)) => return String::from_utf8(body.into()).map_err(|_| ProveError::OtherAnswer),
                Ok(Err(error)) => no_answer(error.to_string()),
                Err(_) => no_answer(format!("{address} did not answer within {} s", ANSWER_TIMEOUT.as_secs())),
            };
        }
        Err(failed)
    }

    async fn dns_txt(&self, name: &str) -> Result<Vec<String>, ProveError> {
        let _place = self.room.acquire().await.map_err(|e| no_answer(e.to_string()))?;
        let look = async {
            match self.resolver()?.txt_lookup(whole(name)).await {
                Err(error) if error.is_no_records_found() => Ok(None),
                found => found.map(Some),
            }
        };
        let Some(found) = looked_up(look, "there is no such record").await? else { return Ok(Vec::new()) };
        let (mut records, mut bytes) = (Vec::new(), 0);
        for record in found.answers() {
            let RData::TXT(text) = &record.data else { continue };
            let whole = text.txt_data.concat();
            bytes += whole.len();
            if bytes > ANSWER_BYTES_MAX {
                return Err(no_answer(format!("the name has more than {ANSWER_BYTES_MAX} bytes of TXT records")));
            }
            records.push(String::from_utf8_lossy(&whole).into_owned());
        }
        Ok(records)
    }
}

/// Waits for a lookup. `none` says what it means when there is nothing of the kind.
async fn looked_up<T>(look: impl Future<Output = Result<T, NetError>>, none: &str) -> Result<T, ProveError> {
    match tokio::time::timeout(LOOKUP_TIMEOUT, look).await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) if error.is_no_records_found() => Err(no_answer(none)),
        Ok(Err(error)) => Err(no_answer(format!("looking it up: {error}"))),
        Err(_) => Err(no_answer(format!("no DNS server answered within {} s", LOOKUP_TIMEOUT.as_secs()))),
    }
}

/// A name that is not looked for below the domains of this machine.
fn whole(name: &str) -> String {
    format!("{name}.")
}

fn no_answer(reason: impl Into<String>) -> ProveError {
    ProveError::NoAnswer { reason: reason.into() }
}

#[cfg(test)]
mod tests;
