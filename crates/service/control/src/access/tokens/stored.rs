//! Tokens as they are stored.

use bytes::Bytes;
use mu_env::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::scope::ScopeRecord;
use super::super::{AccessError, Principal, TokenScope, record};
use super::{Token, TokenId, WHAT};

#[derive(Serialize, Deserialize)]
struct TokenRecord {
    name: String,
    maker: Principal,
    scope: ScopeRecord,
    created_at_micros: u64,
    expires_at_micros: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_used_at_micros: Option<u64>,
    /// Where the entry by hash is, so that it can be removed.
    sha256: String,
}

pub(super) fn encode(token: &Token, hash: &[u8; 32]) -> Bytes {
    record::encode(&TokenRecord {
        name: token.name.clone(),
        maker: token.maker.clone(),
        scope: token.scope.to_record(),
        created_at_micros: token.created_at.as_micros(),
        expires_at_micros: token.expires_at.as_micros(),
        last_used_at_micros: token.last_used_at.map(Timestamp::as_micros),
        sha256: bs58::encode(hash).into_string(),
    })
}

/// A token, and the hash of its text.
pub(super) fn decode(id: TokenId, stored: &[u8]) -> Result<(Token, [u8; 32]), AccessError> {
    let unreadable = || AccessError::Unreadable { what: WHAT };
    let record: TokenRecord = record::decode(stored).map_err(AccessError::unreadable(WHAT))?;
    let hash = bs58::decode(&record.sha256).into_vec().ok().and_then(|hash| hash.try_into().ok());
    let token = Token {
        id,
        name: record.name,
        maker: record.maker,
        scope: TokenScope::from_record(record.scope).ok_or_else(unreadable)?,
        created_at: Timestamp::from_micros(record.created_at_micros),
        expires_at: Timestamp::from_micros(record.expires_at_micros),
        last_used_at: record.last_used_at_micros.map(Timestamp::from_micros),
    };
    Ok((token, hash.ok_or_else(unreadable)?))
}
