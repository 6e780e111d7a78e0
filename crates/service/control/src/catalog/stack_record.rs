//! What is stored of a stack.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use mu_env::Timestamp;
use mu_stack::{Env as Variables, NameError, StackId, StackName};
use serde::{Deserialize, Serialize};

use super::limits::{ANNOTATION_KEY_BYTES_MAX, ANNOTATION_VALUE_BYTES_MAX, ANNOTATIONS_MAX};
use super::stored::{micros, text, variables};
use super::{CatalogError, DataFate, VersionNumber};

/// What others noted about a stack: keys of printable ASCII, any JSON that is not empty.
pub type Annotations = BTreeMap<String, serde_json::Value>;

/// A stack: what its versions have in common.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StackRecord {
    /// Its id, which never changes and is never given to another stack.
    #[serde(with = "text")]
    pub id: StackId,
    /// Its name: no other stack of the node has it.
    #[serde(with = "text")]
    pub name: StackName,
    /// Who made it: the text form of a principal.
    pub owner: String,
    /// When it was made.
    #[serde(with = "micros")]
    pub created: Timestamp,
    /// When it was changed last; deploying and routing are no changes of this.
    #[serde(with = "micros")]
    pub updated: Timestamp,
    /// Whether it is there.
    pub state: StackState,
    /// The number that its next version gets.
    pub next_version: VersionNumber,
    /// Environment variables that all its functions get, unless they set their own.
    #[serde(with = "variables")]
    pub config: Variables,
    /// What others noted about it.
    pub annotations: Annotations,
    /// A hash of who made it with which idempotency key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) request: Option<String>,
}

/// Whether a stack is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StackState {
    /// It can be deployed to.
    Active,
    /// It is being deleted; a process that ends goes on with that when it starts again.
    Deleting {
        /// What becomes of its tables and boxes.
        data: DataFate,
        /// Since when.
        #[serde(with = "micros")]
        since: Timestamp,
        /// Who deletes it: the text form of a principal.
        by: String,
    },
    /// It is gone but for its tables and boxes. Whoever owns it gets them back by making a stack of this name.
    Kept {
        /// Since when.
        #[serde(with = "micros")]
        since: Timestamp,
        /// Who deleted it: the text form of a principal.
        by: String,
    },
}

/// What people call a stack by. What has the form of an id is one: no stack has such a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StackRef {
    /// Its id.
    Id(StackId),
    /// Its name.
    Name(StackName),
}

impl FromStr for StackRef {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text.parse() {
            Ok(id) => Ok(Self::Id(id)),
            Err(_) => text.parse().map(Self::Name),
        }
    }
}

impl fmt::Display for StackRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => fmt::Display::fmt(id, f),
            Self::Name(name) => fmt::Display::fmt(name, f),
        }
    }
}

impl From<StackId> for StackRef {
    fn from(id: StackId) -> Self {
        Self::Id(id)
    }
}

impl From<StackName> for StackRef {
    fn from(name: StackName) -> Self {
        Self::Name(name)
    }
}

/// Refuses names that would be taken for ids.
pub(super) fn check_name(name: &StackName) -> Result<(), CatalogError> {
    match name.as_str().parse::<StackId>() {
        Ok(_) => Err(CatalogError::NameIsId { name: name.clone() }),
        Err(_) => Ok(()),
    }
}

pub(super) fn check_annotations(annotations: &Annotations) -> Result<(), CatalogError> {
    let is_fine = |(key, value): (&String, &serde_json::Value)| {
        let key_is_fine =
            (1..=ANNOTATION_KEY_BYTES_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
        let is_empty = value.is_null() || value.as_str() == Some("");
        key_is_fine && !is_empty && value.to_string().len() <= ANNOTATION_VALUE_BYTES_MAX
    };
    let mistake = annotations.iter().find(|entry| !is_fine(*entry)).or_else(|| annotations.iter().nth(ANNOTATIONS_MAX));
    match mistake {
        Some((key, _)) => Err(CatalogError::Annotation { key: key.chars().take(64).collect() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::stored::{decode, encode};
    use super::*;

    fn record(state: StackState) -> StackRecord {
        let mut config = Variables::new();
        config.set("A", "1").unwrap();
        StackRecord {
            id: StackId::new([0; 32]),
            name: "shop".parse().unwrap(),
            owner: "k_a".into(),
            created: Timestamp::from_micros(1),
            updated: Timestamp::from_micros(2),
            state,
            next_version: VersionNumber::FIRST,
            config,
            annotations: Annotations::from([("a/b".into(), serde_json::json!({"c": 1}))]),
            request: None,
        }
    }

    /// Changing one of these strands the data of every node: add a version instead.
    #[test]
    fn golden() {
        let since = Timestamp::from_micros(3);
        for (state, written) in [
            (StackState::Active, r#"{"kind":"active"}"#),
            (
                StackState::Deleting { data: DataFate::Keep, since, by: "k_b".into() },
                r#"{"kind":"deleting","data":"keep","since":3,"by":"k_b"}"#,
            ),
            (
                StackState::Deleting { data: DataFate::Remove, since, by: "k_b".into() },
                r#"{"kind":"deleting","data":"remove","since":3,"by":"k_b"}"#,
            ),
            (StackState::Kept { since, by: "k_b".into() }, r#"{"kind":"kept","since":3,"by":"k_b"}"#),
        ] {
            let record = record(state);
            let expected = format!(
                "\x01{}{}{}{written}{}",
                r#"{"id":"s_11111111111111111111111111111111","name":"shop","owner":"k_a","#,
                r#""created":1,"updated":2,"#,
                r#""state":"#,
                r#","next_version":1,"config":{"A":"1"},"annotations":{"a/b":{"c":1}}}"#,
            );
            assert_eq!(encode(&record), expected);
            assert_eq!(decode::<StackRecord>(expected.as_bytes(), String::new).unwrap(), record);
        }
        let requested = StackRecord { request: Some("ab".into()), ..record(StackState::Active) };
        assert!(encode(&requested).ends_with(br#""request":"ab"}"#));
        assert_eq!(decode::<StackRecord>(&encode(&requested), String::new).unwrap(), requested);
    }

    #[test]
    fn ids_are_told_from_names() {
        let id = StackId::new([7; 32]);
        assert_eq!(id.to_string().parse(), Ok(StackRef::Id(id)));
        let name: StackName = "s_shop".parse().unwrap();
        assert_eq!("s_shop".parse(), Ok(StackRef::Name(name.clone())));
        assert!(check_name(&name).is_ok());
        assert!(check_name(&id.to_string().parse().unwrap()).is_err());
        assert!("a b".parse::<StackRef>().is_err());
    }

    #[test]
    fn annotations_are_bounded() {
        let one = |key: &str, value| Annotations::from([(key.to_owned(), value)]);
        let many = |count: usize| (0..count).map(|index| (format!("k{index}"), 1.into())).collect::<Annotations>();
        let text = |bytes: usize| serde_json::Value::from("x".repeat(bytes));
        for (annotations, is_fine) in [
            (Annotations::new(), true),
            (one("a/b.c~", text(510)), true),
            (one(&"k".repeat(128), true.into()), true),
            (many(100), true),
            (one("", 1.into()), false),
            (one("a b", 1.into()), false),
            (one("é", 1.into()), false),
            (one(&"k".repeat(129), 1.into()), false),
            (one("k", text(511)), false),
            (one("k", text(0)), false),
            (one("k", serde_json::Value::Null), false),
            (many(101), false),
        ] {
            assert_eq!(check_annotations(&annotations).is_ok(), is_fine, "{annotations:?}");
        }
    }
}
