//! Hosts that stacks are reached at, and the proof that a client owns them.
//!
//! A stack first claims a host and gets a challenge. When the challenge is answered where only the host's owner can
//! answer it, the host is verified and leads to the stack. Several stacks may claim the same host; the first one that
//! proves it has it, until it releases it.
//!
//! A challenge is answered in one of two ways:
//!
//! - `http://HOST/.well-known/mu-domain-challenge/TOKEN` answers with the proof as its body; or
//! - the host has a TXT record at `_mu-challenge.HOST` with the proof.
//!
//! The proof has more in it than the path does (the stack's id), so that a server which repeats what it was asked for
//! proves nothing. For the same reason the node must never answer challenges itself: when the host leads to this node
//! already, whoever claims it would be proven right. Its owner uses the TXT record then.
//!
//! Certificates are given by the operator today. Those of an ACME authority would hook in behind the [`HostSink`]: a host
//! that is new there is one to order a certificate for, one that is gone is one to give it up for, and a challenge of
//! ACME is answered for those hosts alone.

mod claim;
mod error;
mod host_name;
mod hosts;
mod prover;
mod record;

use std::sync::Arc;

use mu_db::{Batch, KeyRange, Kv, Order, Outcome, Scan, ScanLimit, Select, keys};
use mu_env::Env;
use mu_stack::{GatewayName, StackId};

pub use self::error::DomainError;
pub use self::host_name::{HostName, InvalidHostName};
use self::hosts::Hosts;
pub use self::hosts::{HostSink, HostTable, HostTarget, MemHosts};
pub use self::prover::{ANSWER_BYTES_MAX, MemProver, ProveError, Prover};
pub use self::record::{Challenge, Domain, DomainState};
use crate::catalog::Catalog;

/// Most hosts that one stack may claim.
pub const DOMAINS_MAX: usize = 100;

/// The hosts of a node. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Domains {
    kv: Arc<dyn Kv>,
    catalog: Catalog,
    env: Env,
    prover: Arc<dyn Prover>,
    hosts: Hosts,
}

impl Domains {
    /// The hosts in this database. `sink` learns of the verified ones with every change, and first of all by
    /// [`Domains::publish`].
    #[must_use]
    pub fn new(kv: Arc<dyn Kv>, env: Env, prover: Arc<dyn Prover>, sink: Arc<dyn HostSink>) -> Self {
        let catalog = Catalog::new(Arc::clone(&kv), env.clone());
        let hosts = Hosts::new(Arc::clone(&kv), sink);
        Self { kv, catalog, env, prover, hosts }
    }

    /// Reads all verified hosts and tells the sink. To be called at the start; where other processes share the database,
    /// also now and then.
    ///
    /// # Errors
    /// [`DomainError::Record`]; the sink learns nothing then.
    pub async fn publish(&self) -> Result<(), DomainError> {
        self.hosts.publish().await
    }

    /// The hosts that a stack has claimed, in order; at most [`DOMAINS_MAX`].
    ///
    /// # Errors
    /// [`DomainError::Record`].
    pub async fn list(&self, stack: &StackId) -> Result<Vec<Domain>, DomainError> {
        let range = KeyRange::prefix(keys::catalog::host_claim(stack.key(), ""));
        let limit = ScanLimit { rows: 2 * DOMAINS_MAX, bytes: usize::MAX };
        let page = self.kv.scan(Scan { range, order: Order::Ascending, limit, select: Select::Rows }).await?;
        page.rows.iter().map(|row| record::read_claim(stack, &row.key, &row.value)).collect()
    }

    /// A host that a stack has claimed.
    ///
    /// # Errors
    /// [`DomainError::UnknownDomain`], [`DomainError::Record`].
    pub async fn domain(&self, stack: &StackId, host: &HostName) -> Result<Domain, DomainError> {
        let claim = self.read_claim(stack, host).await?;
        let claim = claim.ok_or_else(|| DomainError::UnknownDomain { host: host.clone() })?;
        Ok(Domain { host: host.clone(), stack: *stack, claim: claim.value })
    }

    /// Gives a host up: it leads nowhere any more, and others may claim it. One that was not claimed is no error.
    ///
    /// # Errors
    /// [`DomainError::Contended`], [`DomainError::Record`].
    pub async fn release(&self, stack: &StackId, host: &HostName) -> Result<(), DomainError> {
        for _ in 0..claim::ATTEMPTS_MAX {
            let Some(old) = self.read_claim(stack, host).await? else { return Ok(()) };
            let key = keys::catalog::host_claim(stack.key(), host.as_str());
            let batch = Batch::new().expect_value(key.clone(), old.raw()).delete(key);
            let (batch, _) = self.count(batch, stack, claim::Count::Less).await?;
            let batch = match old.value.state {
                DomainState::Verified { .. } => batch.delete(keys::catalog::host(host.as_str())),
                DomainState::Pending { .. } => batch,
            };
            if self.kv.commit(batch).await? == Outcome::Committed {
                return match old.value.state {
                    DomainState::Verified { .. } => self.publish().await,
                    DomainState::Pending { .. } => Ok(()),
                };
            }
        }
        Err(DomainError::Contended { host: host.clone() })
    }

    /// Gives up all hosts of a stack, which is being deleted: no new ones can be claimed meanwhile.
    ///
    /// # Errors
    /// [`DomainError::Contended`], [`DomainError::Record`].
    pub async fn release_all(&self, stack: &StackId) -> Result<(), DomainError> {
        for domain in self.list(stack).await? {
            self.release(stack, &domain.host).await?;
        }
        Ok(())
    }

    /// Claims a host for a stack: `gateway` is the one it leads to, the only one of the stack when there is none. A host
    /// that the stack has claimed before keeps its challenge, or stays verified, and leads to that gateway.
    ///
    /// # Errors
    /// [`DomainError::Taken`], [`DomainError::TooMany`], [`DomainError::Catalog`] when the stack is not there,
    /// [`DomainError::Contended`], [`DomainError::Record`].
    pub async fn claim(
        &self,
        stack: &StackId,
        host: &HostName,
        gateway: Option<GatewayName>,
        by: &str,
    ) -> Result<Domain, DomainError> {
        let claim = self.write_claim(stack, host, gateway, by).await?;
        if matches!(claim.state, DomainState::Verified { .. }) {
            self.publish().await?;
        }
        Ok(Domain { host: host.clone(), stack: *stack, claim })
    }

    /// Looks whether the challenge of a claimed host is answered. If so, the host leads to the stack from now on. A host
    /// that is verified stays so, without another look.
    ///
    /// # Errors
    /// [`DomainError::Unproven`] when it is not, [`DomainError::Taken`] when another stack was first,
    /// [`DomainError::UnknownDomain`], [`DomainError::Catalog`], [`DomainError::Contended`], [`DomainError::Record`].
    pub async fn verify(&self, stack: &StackId, host: &HostName) -> Result<Domain, DomainError> {
        let claimed = self.domain(stack, host).await?;
        let Some(challenge) = claimed.challenge() else { return Ok(claimed) };
        self.prove(&challenge).await?;
        let claim = self.enter(stack, host, &challenge).await?;
        self.publish().await?;
        Ok(Domain { claim, ..claimed })
    }
}

#[cfg(test)]
mod tests;
