//! How audit records are named.

use std::fmt;
use std::str::FromStr;

use mu_db::keys::access::AuditKey;
use mu_env::{Env, Timestamp};

/// Names an audit record: the time in microseconds, then 64 random bits. As text 32 lower-case hexadecimal digits, which
/// sort by time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuditId {
    at_micros: u64,
    salt: [u8; 8],
}

/// The text is not the id of an audit record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the id of an audit record is 32 lower-case hexadecimal digits")]
pub struct ParseAuditIdError;

impl AuditId {
    pub(super) fn generate(env: &Env) -> Self {
        Self { at_micros: env.now().as_micros(), salt: env.random().next_u64().to_be_bytes() }
    }

    pub(super) fn from_key((at_micros, salt): AuditKey) -> Self {
        Self { at_micros, salt }
    }

    pub(super) fn to_key(self) -> AuditKey {
        (self.at_micros, self.salt)
    }

    /// When the record was made.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        Timestamp::from_micros(self.at_micros)
    }
}

impl FromStr for AuditId {
    type Err = ParseAuditIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_digits = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let number = |digits: &str| u64::from_str_radix(digits, 16).map_err(|_| ParseAuditIdError);
        match text.split_at_checked(16) {
            Some((at, salt)) if is_digits => Ok(Self { at_micros: number(at)?, salt: number(salt)?.to_be_bytes() }),
            _ => Err(ParseAuditIdError),
        }
    }
}

impl fmt::Display for AuditId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.at_micros, u64::from_be_bytes(self.salt))
    }
}

impl fmt::Debug for AuditId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
