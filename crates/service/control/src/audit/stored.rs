//! Audit records as they are stored.

use bytes::Bytes;
use mu_stack::StackId;
use serde::{Deserialize, Serialize};

use super::{AuditId, AuditOutcome, AuditRecord, Credentials};
use crate::access::record::{self, Unreadable};
use crate::access::{AccessError, Principal};

pub(super) const UNREADABLE: AccessError = AccessError::Unreadable { what: "what was done" };

#[derive(Serialize, Deserialize)]
struct StoredRecord {
    who: Principal,
    how: StoredCredentials,
    action: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stack: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    outcome: StoredOutcome,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StoredCredentials {
    Signature,
    Token(String),
    Oidc,
    Bootstrap,
    None,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StoredOutcome {
    Begun,
    Done,
    Refused(String),
    Failed(String),
}

pub(super) fn encode(record: &AuditRecord) -> Bytes {
    record::encode(&StoredRecord {
        who: record.who.clone(),
        how: match record.how {
            Credentials::Signature => StoredCredentials::Signature,
            Credentials::Token(id) => StoredCredentials::Token(id.to_string()),
            Credentials::Oidc => StoredCredentials::Oidc,
            Credentials::Bootstrap => StoredCredentials::Bootstrap,
            Credentials::None => StoredCredentials::None,
        },
        action: record.action.clone(),
        stack: record.stack.map(|stack| stack.to_string()),
        target: record.target.clone(),
        from: record.from.clone(),
        request_id: record.request_id.clone(),
        outcome: match record.outcome.clone() {
            AuditOutcome::Begun => StoredOutcome::Begun,
            AuditOutcome::Done => StoredOutcome::Done,
            AuditOutcome::Refused(code) => StoredOutcome::Refused(code),
            AuditOutcome::Failed(code) => StoredOutcome::Failed(code),
        },
    })
}

pub(super) fn decode(id: AuditId, stored: &[u8]) -> Result<AuditRecord, AccessError> {
    let record: StoredRecord = record::decode(stored).map_err(|Unreadable| UNREADABLE)?;
    Ok(AuditRecord {
        id,
        who: record.who,
        how: match record.how {
            StoredCredentials::Signature => Credentials::Signature,
            StoredCredentials::Token(id) => Credentials::Token(id.parse().map_err(|_| UNREADABLE)?),
            StoredCredentials::Oidc => Credentials::Oidc,
            StoredCredentials::Bootstrap => Credentials::Bootstrap,
            StoredCredentials::None => Credentials::None,
        },
        action: record.action,
        stack: record.stack.map(|stack| stack.parse()).transpose().map_err(|_| UNREADABLE)?,
        target: record.target,
        from: record.from,
        request_id: record.request_id,
        outcome: match record.outcome {
            StoredOutcome::Begun => AuditOutcome::Begun,
            StoredOutcome::Done => AuditOutcome::Done,
            StoredOutcome::Refused(code) => AuditOutcome::Refused(code),
            StoredOutcome::Failed(code) => AuditOutcome::Failed(code),
        },
    })
}

/// The stack of a record, if it can be read and has one.
pub(super) fn stack_of(stored: &[u8]) -> Option<StackId> {
    record::decode::<StoredRecord>(stored).ok()?.stack?.parse().ok()
}

/// What stands in the list of a stack: that there is such a record.
pub(super) fn mark() -> Bytes {
    record::encode_bytes(&[])
}
