//! How claims are written, proven and entered.

use std::fmt::Write as _;

use bytes::{BufMut, Bytes, BytesMut};
use mu_db::{Batch, Outcome, keys};
use mu_stack::{GatewayName, StackId};

use super::record::{Claim, HostRecord};
use super::{Challenge, DOMAINS_MAX, DomainError, DomainState, Domains, HostName, ProveError};
use crate::catalog::RecordError;
use crate::catalog::stored::{self, Stored, encode};

/// How often a change is tried again when another one came first.
pub(super) const ATTEMPTS_MAX: usize = 64;

/// Whether a stack gets a claim or loses one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    More,
    Less,
}

/// Layout of the row that counts the claims of a stack.
const COUNT_LAYOUT: u8 = 1;

impl Domains {
    pub(super) async fn write_claim(
        &self,
        id: &StackId,
        host: &HostName,
        gateway: Option<GatewayName>,
        by: &str,
    ) -> Result<Claim, DomainError> {
        for _ in 0..ATTEMPTS_MAX {
            let stack = self.catalog.active(id).await?;
            let batch = Batch::new().expect_value(keys::catalog::stack(id.key()), stack.raw());
            let (holder, old) = (self.read_host(host).await?, self.read_claim(id, host).await?);
            if holder.as_ref().is_some_and(|holder| holder.value.stack != *id) {
                return Err(DomainError::Taken { host: host.clone() });
            }
            let key = keys::catalog::host_claim(id.key(), host.as_str());
            let mut batch = batch.expect(key.clone(), old.as_ref().map(Stored::raw));
            let claim = match old {
                Some(old) => Claim { gateway: gateway.clone(), ..old.value },
                None => {
                    let (counted, count) = self.count(batch, id, Count::More).await?;
                    if count > DOMAINS_MAX {
                        return Err(DomainError::TooMany);
                    }
                    batch = counted;
                    let state = DomainState::Pending { token: self.new_token(), since: self.env.now() };
                    Claim { state, gateway: gateway.clone(), by: by.to_owned() }
                }
            };
            batch = batch.put(key, encode(&claim));
            if matches!(claim.state, DomainState::Verified { .. }) {
                let record = HostRecord { stack: *id, gateway: claim.gateway.clone() };
                batch = batch.put(keys::catalog::host(host.as_str()), encode(&record));
            }
            if self.kv.commit(batch).await? == Outcome::Committed {
                return Ok(claim);
            }
        }
        Err(DomainError::Contended { host: host.clone() })
    }

    /// Looks for the proof in both places.
    pub(super) async fn prove(&self, challenge: &Challenge) -> Result<(), DomainError> {
        let proof = challenge.proof();
        let http = match self.prover.http(&challenge.host, &challenge.path()).await {
            Ok(body) if body.trim() == proof => return Ok(()),
            Ok(_) => ProveError::OtherAnswer,
            Err(error) => error,
        };
        let dns = match self.prover.dns_txt(&challenge.record_name()).await {
            Ok(records) if records.iter().any(|record| record.trim() == proof) => return Ok(()),
            Ok(records) if records.is_empty() => ProveError::NoAnswer { reason: "there is no such record".to_owned() },
            Ok(_) => ProveError::OtherAnswer,
            Err(error) => error,
        };
        Err(DomainError::Unproven { challenge: Box::new(challenge.clone()), http, dns })
    }

    /// Notes that the challenge of a claim is answered: of several stacks, the first one to come here has the host.
    pub(super) async fn enter(
        &self,
        id: &StackId,
        host: &HostName,
        challenge: &Challenge,
    ) -> Result<Claim, DomainError> {
        for _ in 0..ATTEMPTS_MAX {
            let stack = self.catalog.active(id).await?;
            let Some(old) = self.read_claim(id, host).await? else {
                return Err(DomainError::UnknownDomain { host: host.clone() });
            };
            match &old.value.state {
                DomainState::Verified { .. } => return Ok(old.value),
                // It was released and claimed anew while its challenge was looked at.
                DomainState::Pending { token, .. } if *token != challenge.token => {
                    return Err(DomainError::Contended { host: host.clone() });
                }
                DomainState::Pending { .. } => {}
            }
            let claim = Claim { state: DomainState::Verified { since: self.env.now() }, ..old.value.clone() };
            let record = HostRecord { stack: *id, gateway: claim.gateway.clone() };
            let (key, place) = (keys::catalog::host_claim(id.key(), host.as_str()), keys::catalog::host(host.as_str()));
            let batch = Batch::new().expect_absent(place.clone()).put(place.clone(), encode(&record));
            let batch = batch.expect_value(keys::catalog::stack(id.key()), stack.raw());
            let batch = batch.expect_value(key.clone(), old.raw()).put(key, encode(&claim));
            match self.kv.commit(batch).await? {
                Outcome::Committed => return Ok(claim),
                Outcome::Conflict(conflict) if conflict.key == place => {
                    let holder: HostRecord = match &conflict.actual {
                        Some(raw) => stored::decode(raw, || format!("the host `{host}`"))?,
                        None => continue,
                    };
                    if holder.stack != *id {
                        return Err(DomainError::Taken { host: host.clone() });
                    }
                }
                Outcome::Conflict(_) => {}
            }
        }
        Err(DomainError::Contended { host: host.clone() })
    }

    /// Counts a claim more or less, and answers how many there are then.
    pub(super) async fn count(
        &self,
        batch: Batch,
        stack: &StackId,
        change: Count,
    ) -> Result<(Batch, usize), DomainError> {
        let key = keys::catalog::host_claims(stack.key());
        let raw = self.kv.get(&key).await?;
        let what = || format!("the number of domains of stack `{stack}`");
        let before = match &raw {
            Some(raw) => decode_count(raw).ok_or_else(|| RecordError::Unreadable { what: what() })?,
            None => 0,
        };
        let after = match change {
            Count::More => before.saturating_add(1),
            Count::Less => before.saturating_sub(1),
        };
        let batch = batch.expect(key.clone(), raw);
        let batch = if after == 0 { batch.delete(key) } else { batch.put(key, encode_count(after)) };
        Ok((batch, after as usize))
    }

    pub(super) async fn read_claim(
        &self,
        stack: &StackId,
        host: &HostName,
    ) -> Result<Option<Stored<Claim>>, DomainError> {
        let key = keys::catalog::host_claim(stack.key(), host.as_str());
        Ok(stored::read(&*self.kv, &key, || format!("the domain `{host}` of stack `{stack}`")).await?)
    }

    async fn read_host(&self, host: &HostName) -> Result<Option<Stored<HostRecord>>, DomainError> {
        let key = keys::catalog::host(host.as_str());
        Ok(stored::read(&*self.kv, &key, || format!("the host `{host}`")).await?)
    }

    fn new_token(&self) -> String {
        let mut bytes = [0; 16];
        self.env.random().fill_secret(&mut bytes);
        bytes.iter().fold(String::with_capacity(32), |mut token, byte| {
            let _ = write!(token, "{byte:02x}");
            token
        })
    }
}

fn encode_count(count: u32) -> Bytes {
    let mut bytes = BytesMut::with_capacity(5);
    bytes.put_u8(COUNT_LAYOUT);
    bytes.put_u32(count);
    bytes.freeze()
}

fn decode_count(raw: &[u8]) -> Option<u32> {
    let count = raw.strip_prefix(&[COUNT_LAYOUT])?;
    Some(u32::from_be_bytes(count.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Changing this strands the data of every node: add a version instead.
    #[test]
    fn golden() {
        assert_eq!(encode_count(258), &[1, 0, 0, 1, 2][..]);
        assert_eq!(decode_count(&[1, 0, 0, 1, 2]), Some(258));
        for damaged in [&[][..], &[1], &[2, 0, 0, 1, 2], &[1, 0, 0, 0, 1, 2]] {
            assert_eq!(decode_count(damaged), None);
        }
    }
}
