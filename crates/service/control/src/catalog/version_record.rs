//! What is stored of a version.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use mu_env::Timestamp;
use mu_stack::{FunctionName, Stack, StackId};
use serde::{Deserialize, Serialize};

use super::ArtifactHash;
use super::stored::{micros, text_keys};

/// The number of a version: 1, 2, 3 and so on, within its stack. A number is never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct VersionNumber(u64);

/// A text or number is not the number of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the number of a version is 1 or more, like `3` or `v3`")]
pub struct InvalidVersionNumber;

/// A version of a stack as it is listed. Nothing but its state ever changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionRecord {
    /// Its number.
    pub number: VersionNumber,
    /// Whether it can be routed.
    pub state: VersionState,
    /// When it was made.
    #[serde(with = "micros")]
    pub created: Timestamp,
    /// Who made it: the text form of a principal.
    pub by: String,
    /// What they said about it; may be empty.
    pub message: String,
    /// What its author calls it: the `version` of the manifest.
    pub declared: String,
    /// The artifact of each of its functions.
    #[serde(with = "text_keys")]
    pub artifacts: BTreeMap<FunctionName, ArtifactHash>,
}

/// Whether a version can be routed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum VersionState {
    /// Not before it is prepared. When the process ended that should have done so, it stays as it is.
    Unprepared,
    /// It can.
    Ready,
    /// Never.
    Failed {
        /// Why it could not be prepared.
        failure: String,
    },
}

/// A version with all that is needed to run it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredVersion {
    /// The stack it belongs to.
    pub stack_id: StackId,
    /// What is listed of it.
    pub record: VersionRecord,
    /// The stack. The binary of each function is the hash of its artifact.
    pub stack: Stack,
}

impl VersionNumber {
    /// That of a stack's first version.
    pub const FIRST: Self = Self(1);

    /// The number, which is at least 1.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl TryFrom<u64> for VersionNumber {
    type Error = InvalidVersionNumber;

    fn try_from(number: u64) -> Result<Self, InvalidVersionNumber> {
        if number == 0 { Err(InvalidVersionNumber) } else { Ok(Self(number)) }
    }
}

impl From<VersionNumber> for u64 {
    fn from(number: VersionNumber) -> Self {
        number.0
    }
}

/// Reads `3` or `v3`.
impl FromStr for VersionNumber {
    type Err = InvalidVersionNumber;

    fn from_str(text: &str) -> Result<Self, InvalidVersionNumber> {
        let digits = text.strip_prefix('v').unwrap_or(text);
        let is_canonical = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
        let number = is_canonical.then(|| digits.parse::<u64>().ok()).flatten();
        number.ok_or(InvalidVersionNumber)?.try_into()
    }
}

/// Prints `v3`.
impl fmt::Display for VersionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("v{}", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::super::stored::{decode, encode};
    use super::*;

    #[test]
    fn numbers_survive_text() {
        for (text, number) in [("1", 1), ("v1", 1), ("v20", 20), ("18446744073709551615", u64::MAX)] {
            let parsed: VersionNumber = text.parse().unwrap();
            assert_eq!(parsed.get(), number);
            assert_eq!(parsed.to_string().parse(), Ok(parsed));
        }
        for bad in ["", "v", "0", "v0", "01", "-1", "+1", "vv1", "V1", "1.0", "18446744073709551616", "٣"] {
            assert_eq!(bad.parse::<VersionNumber>(), Err(InvalidVersionNumber), "{bad}");
        }
        assert!(serde_json::from_str::<VersionNumber>("0").is_err());
    }

    /// Changing one of these strands the data of every node: add a version instead.
    #[test]
    fn golden() {
        let hash = ArtifactHash::of(b"");
        for (state, written) in [
            (VersionState::Unprepared, r#"{"kind":"unprepared"}"#),
            (VersionState::Ready, r#"{"kind":"ready"}"#),
            (VersionState::Failed { failure: "bad".into() }, r#"{"kind":"failed","failure":"bad"}"#),
        ] {
            let record = VersionRecord {
                number: VersionNumber(3),
                state,
                created: Timestamp::from_micros(1),
                by: "k_a".into(),
                message: "faster".into(),
                declared: "1.10".into(),
                artifacts: BTreeMap::from([("cart".parse().unwrap(), hash)]),
            };
            let expected = format!(
                "\x01{}{written}{}{{\"cart\":\"{hash}\"}}}}",
                r#"{"number":3,"state":"#,
                r#","created":1,"by":"k_a","message":"faster","declared":"1.10","artifacts":"#,
            );
            assert_eq!(encode(&record), expected);
            assert_eq!(decode::<VersionRecord>(expected.as_bytes(), String::new).unwrap(), record);
        }
    }
}
