//! Names of rooms and of people.

use std::fmt;

use serde::Deserialize;

/// The longest name, in bytes.
const NAME_BYTES_MAX: usize = 50;

/// A name that can be a part of a key and of a line: short, and without slashes and control characters.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Name(String);

// === impl Name ===

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.is_empty() || text.len() > NAME_BYTES_MAX {
            return Err(format!("a name has 1 to {NAME_BYTES_MAX} bytes, and this one has {}", text.len()));
        }
        match text.chars().find(|character| *character == '/' || character.is_control()) {
            Some(character) => Err(format!("a name cannot hold the character {character:?}")),
            None => Ok(Self(text)),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
