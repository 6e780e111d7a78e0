//! Names of secrets.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use crate::limits::NAME_BYTES_MAX;

/// Name of a secret, which is that of an environment variable: capital letters, digits and `_`, no digit first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretName(Box<str>);

/// The text is no name of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name of a secret is 1 to {NAME_BYTES_MAX} of A-Z 0-9 _, and begins with no digit")]
pub struct SecretNameError;

impl SecretName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SecretName {
    type Err = SecretNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_fit = (1..=NAME_BYTES_MAX).contains(&text.len())
            && !text.starts_with(|first: char| first.is_ascii_digit())
            && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        if is_fit { Ok(Self(text.into())) } else { Err(SecretNameError) }
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Borrow<str> for SecretName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_variables() {
        for (text, is_fit) in [
            ("KEY", true),
            ("_", true),
            ("A1_B", true),
            (&"A".repeat(255), true),
            (&"A".repeat(256), false),
            ("", false),
            ("1A", false),
            ("key", false),
            ("A-B", false),
            ("A=B", false),
            ("Ä", false),
        ] {
            assert_eq!(text.parse::<SecretName>().is_ok(), is_fit, "{text}");
        }
    }
}
