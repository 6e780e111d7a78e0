//! What is stored of fns and triggers.

use std::str::FromStr;

use mu_env::Timestamp;
use mu_stack::{Env as Variables, FunctionName, ImageRef, StackId};
use serde::{Deserialize, Serialize};

use super::{FnRef, ObjectId, TriggerName, TriggerSource};
use crate::catalog::Annotations;
use crate::catalog::stored::{micros, text, variables};

/// A fn: an image that is to run when it is called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FnRecord {
    /// Its id, which never changes.
    #[serde(with = "text")]
    pub id: ObjectId,
    /// The stack it belongs to, which is what Fn calls an app.
    #[serde(with = "text")]
    pub stack: StackId,
    /// Its name: no other fn of the stack has it. It never changes.
    #[serde(with = "text")]
    pub name: FunctionName,
    /// What it runs.
    #[serde(with = "text")]
    pub image: ImageRef,
    /// Most memory of one container, in MiB.
    pub memory_mib: u64,
    /// Most time of one call, in seconds.
    pub timeout_s: u32,
    /// How long a container without calls is kept, in seconds.
    pub idle_timeout_s: u32,
    /// Environment variables, over those of the stack.
    #[serde(with = "variables")]
    pub config: Variables,
    /// What others noted about it.
    pub annotations: Annotations,
    /// On which processors the image runs, if that is known.
    pub shape: Option<Shape>,
    /// When it was made.
    #[serde(with = "micros")]
    pub created: Timestamp,
    /// When it was changed last.
    #[serde(with = "micros")]
    pub updated: Timestamp,
}

/// A trigger: requests to a path of an app are calls of a fn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TriggerRecord {
    /// Its id, which never changes.
    #[serde(with = "text")]
    pub id: ObjectId,
    /// The stack it belongs to.
    #[serde(with = "text")]
    pub stack: StackId,
    /// What it calls, which never changes.
    #[serde(with = "text")]
    pub calls: FnRef,
    /// Its name: no other trigger of the same fn has it.
    #[serde(with = "text")]
    pub name: TriggerName,
    /// The path: no other trigger of the stack has it.
    #[serde(with = "text")]
    pub source: TriggerSource,
    /// What others noted about it.
    pub annotations: Annotations,
    /// When it was made.
    #[serde(with = "micros")]
    pub created: Timestamp,
    /// When it was changed last.
    #[serde(with = "micros")]
    pub updated: Timestamp,
}

/// On which processors images run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shape {
    /// x86-64.
    #[serde(rename = "GENERIC_X86")]
    X86,
    /// 64-bit Arm.
    #[serde(rename = "GENERIC_ARM")]
    Arm,
    /// Either: the image is there for both.
    #[serde(rename = "GENERIC_X86_ARM")]
    X86Arm,
}

/// A text is not a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a shape is GENERIC_X86, GENERIC_ARM or GENERIC_X86_ARM")]
pub struct InvalidShape;

impl Shape {
    /// As Fn writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::X86 => "GENERIC_X86",
            Self::Arm => "GENERIC_ARM",
            Self::X86Arm => "GENERIC_X86_ARM",
        }
    }
}

impl FromStr for Shape {
    type Err = InvalidShape;

    fn from_str(text: &str) -> Result<Self, InvalidShape> {
        [Self::X86, Self::Arm, Self::X86Arm].into_iter().find(|shape| shape.as_str() == text).ok_or(InvalidShape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::stored::{decode, encode};

    const STACK: StackId = StackId::new([0; 32]);

    /// Changing one of these strands the data of every node: add a version instead.
    #[test]
    fn golden() {
        let mut config = Variables::new();
        config.set("A", "1").unwrap();
        let record = FnRecord {
            id: "00000000000000000000000001".parse().unwrap(),
            stack: STACK,
            name: "cart".parse().unwrap(),
            image: "me/cart:1".parse().unwrap(),
            memory_mib: 128,
            timeout_s: 30,
            idle_timeout_s: 31,
            config,
            annotations: Annotations::from([("a/b".into(), 1.into())]),
            shape: Some(Shape::X86Arm),
            created: Timestamp::from_micros(1),
            updated: Timestamp::from_micros(2),
        };
        let expected = concat!(
            "\x01",
            r#"{"id":"00000000000000000000000001","stack":"s_11111111111111111111111111111111","name":"cart","#,
            r#""image":"me/cart:1","memory_mib":128,"timeout_s":30,"idle_timeout_s":31,"config":{"A":"1"},"#,
            r#""annotations":{"a/b":1},"shape":"GENERIC_X86_ARM","created":1,"updated":2}"#,
        );
        assert_eq!(encode(&record), expected);
        assert_eq!(decode::<FnRecord>(expected.as_bytes(), String::new).unwrap(), record);
    }

    #[test]
    fn golden_triggers() {
        let record = |calls| TriggerRecord {
            id: "00000000000000000000000002".parse().unwrap(),
            stack: STACK,
            calls,
            name: "t".parse().unwrap(),
            source: "/t".parse().unwrap(),
            annotations: Annotations::new(),
            created: Timestamp::from_micros(1),
            updated: Timestamp::from_micros(2),
        };
        for (calls, text) in [
            (FnRef::Made("00000000000000000000000001".parse().unwrap()), "00000000000000000000000001"),
            (FnRef::Deployed(STACK, "cart".parse().unwrap()), "s_11111111111111111111111111111111.cart"),
        ] {
            let record = record(calls);
            let expected = format!(
                "\x01{}{text}{}",
                r#"{"id":"00000000000000000000000002","stack":"s_11111111111111111111111111111111","calls":""#,
                r#"","name":"t","source":"/t","annotations":{},"created":1,"updated":2}"#,
            );
            assert_eq!(encode(&record), expected);
            assert_eq!(decode::<TriggerRecord>(expected.as_bytes(), String::new).unwrap(), record);
        }
    }
}
