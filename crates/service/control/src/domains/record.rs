//! What is stored of a domain, and its challenge.

use bytes::Bytes;
use mu_db::keys;
use mu_env::Timestamp;
use mu_stack::{GatewayName, StackId};
use serde::{Deserialize, Serialize};

use super::{DomainError, HostName};
use crate::catalog::RecordError;
use crate::catalog::stored::{decode, micros, optional_text, text};

/// A host that a stack has claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// The host.
    pub host: HostName,
    /// The stack.
    pub stack: StackId,
    pub(super) claim: Claim,
}

/// Whether a host leads to the stack that has claimed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum DomainState {
    /// Not before its challenge is answered.
    Pending {
        /// What the path of the challenge ends with.
        token: String,
        /// Since when.
        #[serde(with = "micros")]
        since: Timestamp,
    },
    /// It does.
    Verified {
        /// Since when.
        #[serde(with = "micros")]
        since: Timestamp,
    },
}

/// What has to be answered to prove that a host is one's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The host.
    pub host: HostName,
    /// What the path ends with.
    pub token: String,
    /// The stack that has claimed the host.
    pub stack: StackId,
}

/// What is stored of the claim of a stack on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claim {
    pub(super) state: DomainState,
    #[serde(with = "optional_text")]
    pub(super) gateway: Option<GatewayName>,
    pub(super) by: String,
}

/// What is stored of a verified host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HostRecord {
    #[serde(with = "text")]
    pub(super) stack: StackId,
    #[serde(with = "optional_text")]
    pub(super) gateway: Option<GatewayName>,
}

impl Domain {
    /// Whether the host leads to the stack.
    #[must_use]
    pub fn state(&self) -> &DomainState {
        &self.claim.state
    }

    /// The gateway it leads to; the only one of the stack when there is none.
    #[must_use]
    pub fn gateway(&self) -> Option<&GatewayName> {
        self.claim.gateway.as_ref()
    }

    /// Who claimed it: the text form of a principal.
    #[must_use]
    pub fn by(&self) -> &str {
        &self.claim.by
    }

    /// What is to be answered; `None` when the host is verified.
    #[must_use]
    pub fn challenge(&self) -> Option<Challenge> {
        match &self.claim.state {
            DomainState::Pending { token, .. } => {
                Some(Challenge { host: self.host.clone(), token: token.clone(), stack: self.stack })
            }
            DomainState::Verified { .. } => None,
        }
    }
}

impl Challenge {
    /// The path whose body is the proof.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/.well-known/mu-domain-challenge/{}", self.token)
    }

    /// The address whose body is the proof.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}{}", self.host, self.path())
    }

    /// The name whose TXT record is the proof.
    #[must_use]
    pub fn record_name(&self) -> String {
        format!("_mu-challenge.{}", self.host)
    }

    /// The proof.
    #[must_use]
    pub fn proof(&self) -> String {
        format!("{}.{}", self.token, self.stack)
    }
}

pub(super) fn read_claim(stack: &StackId, key: &Bytes, raw: &[u8]) -> Result<Domain, DomainError> {
    let what = || format!("a domain of stack `{stack}`");
    let host = keys::catalog::parse_host_claim(stack.key(), key).and_then(|host| host.parse().ok());
    let host = host.ok_or_else(|| RecordError::Unreadable { what: what() })?;
    Ok(Domain { host, stack: *stack, claim: decode(raw, what)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::stored::encode;

    /// Changing one of these strands the data of every node: add a version instead.
    #[test]
    fn golden() {
        let since = Timestamp::from_micros(5);
        for (state, gateway, expected) in [
            (
                DomainState::Pending { token: "ab".into(), since },
                None,
                &b"\x01{\"state\":{\"kind\":\"pending\",\"token\":\"ab\",\"since\":5},\"gateway\":null,\"by\":\"k_a\"}"
                    [..],
            ),
            (
                DomainState::Verified { since },
                Some("api".parse().unwrap()),
                b"\x01{\"state\":{\"kind\":\"verified\",\"since\":5},\"gateway\":\"api\",\"by\":\"k_a\"}",
            ),
        ] {
            let claim = Claim { state, gateway, by: "k_a".into() };
            assert_eq!(encode(&claim), expected);
            assert_eq!(decode::<Claim>(expected, String::new).unwrap(), claim);
        }
        let host = HostRecord { stack: StackId::new([0; 32]), gateway: Some("api".parse().unwrap()) };
        let expected = format!("\x01{{\"stack\":\"s_{}\",\"gateway\":\"api\"}}", "1".repeat(32));
        assert_eq!(encode(&host), expected);
        assert_eq!(decode::<HostRecord>(expected.as_bytes(), String::new).unwrap(), host);
    }

    #[test]
    fn the_proof_is_not_in_the_path() {
        let stack = StackId::new([0; 32]);
        let challenge = Challenge { host: "a.example".parse().unwrap(), token: "ab".into(), stack };
        assert_eq!(challenge.url(), "http://a.example/.well-known/mu-domain-challenge/ab");
        assert_eq!(challenge.record_name(), "_mu-challenge.a.example");
        assert_eq!(challenge.proof(), format!("ab.{stack}"));
    }
}
