//! What triggers are called and where they get their requests from.

use std::fmt;
use std::str::FromStr;

use mu_stack::limits::NAME_BYTES_MAX;

use crate::catalog::limits::TRIGGER_SOURCE_BYTES_MAX;

/// The name of a trigger: letters and digits of any script, `_` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TriggerName(String);

/// The path of a trigger, within its app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriggerSource(String);

/// A text is not the name of a trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTriggerName {
    /// It is empty.
    #[error("Missing name on Trigger")]
    Missing,
    /// It has more than 255 bytes.
    #[error("Trigger name must be {NAME_BYTES_MAX} characters or less")]
    TooLong,
    /// It has other characters.
    #[error("Invalid name for Trigger")]
    Character,
}

/// A text is not the source of a trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSource {
    /// It is empty.
    #[error("Missing Trigger Source")]
    Missing,
    /// It does not begin with a slash.
    #[error("Missing Trigger Source Prefix '/'")]
    NoSlash,
    /// It has too many bytes.
    #[error("Trigger Source must be {TRIGGER_SOURCE_BYTES_MAX} characters or less")]
    TooLong,
}

impl TriggerName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TriggerSource {
    /// The path as text, which begins with `/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TriggerName {
    type Err = InvalidTriggerName;

    fn from_str(text: &str) -> Result<Self, InvalidTriggerName> {
        let is_fine = |character: char| character.is_alphanumeric() || matches!(character, '_' | '-');
        match text {
            "" => Err(InvalidTriggerName::Missing),
            text if text.len() > NAME_BYTES_MAX => Err(InvalidTriggerName::TooLong),
            text if text.chars().all(is_fine) => Ok(Self(text.to_owned())),
            _ => Err(InvalidTriggerName::Character),
        }
    }
}

impl FromStr for TriggerSource {
    type Err = InvalidSource;

    fn from_str(text: &str) -> Result<Self, InvalidSource> {
        match text {
            "" => Err(InvalidSource::Missing),
            text if !text.starts_with('/') => Err(InvalidSource::NoSlash),
            text if text.len() > TRIGGER_SOURCE_BYTES_MAX => Err(InvalidSource::TooLong),
            _ => Ok(Self(text.to_owned())),
        }
    }
}

impl fmt::Display for TriggerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for TriggerSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_triggers_are_called() {
        for (text, expected) in [
            ("a-B_9", Ok(())),
            ("größe", Ok(())),
            ("", Err(InvalidTriggerName::Missing)),
            ("a b", Err(InvalidTriggerName::Character)),
            ("a/b", Err(InvalidTriggerName::Character)),
            (&"x".repeat(256), Err(InvalidTriggerName::TooLong)),
        ] {
            assert_eq!(text.parse::<TriggerName>().map(drop), expected, "{text}");
        }
    }

    #[test]
    fn where_triggers_listen() {
        for (text, expected) in [
            ("/", Ok(())),
            ("/a/b c", Ok(())),
            ("", Err(InvalidSource::Missing)),
            ("a", Err(InvalidSource::NoSlash)),
            (&format!("/{}", "x".repeat(1024)), Err(InvalidSource::TooLong)),
        ] {
            assert_eq!(text.parse::<TriggerSource>().map(drop), expected, "{text}");
        }
    }
}
