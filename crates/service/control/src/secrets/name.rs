//! Names of secrets.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

const NAME_BYTES_MAX: usize = 255;

/// The name of a secret, which is that of an environment variable: 1 to 255 bytes of `A-Z 0-9 _`, not beginning with a
/// digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretName(Arc<str>);

/// The text is not the name of a secret. It is not repeated: whoever mixes up name and value would find it in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name of a secret has 1 to {NAME_BYTES_MAX} characters of A-Z, 0-9 and _, and does not begin with a digit")]
pub struct ParseSecretNameError;

impl SecretName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SecretName {
    type Err = ParseSecretNameError;

    fn from_str(text: &str) -> Result<Self, ParseSecretNameError> {
        let is_name = text.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_'))
            && text.bytes().next().is_some_and(|first| !first.is_ascii_digit())
            && text.len() <= NAME_BYTES_MAX;
        if is_name { Ok(Self(text.into())) } else { Err(ParseSecretNameError) }
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_variables() {
        let longest = "X".repeat(255);
        for text in ["A", "_", "_1", "DATABASE_URL", "A0", &longest] {
            assert_eq!(text.parse::<SecretName>().map(|name| name.to_string()), Ok(text.to_owned()));
        }
        let long = "X".repeat(256);
        for text in ["", "0A", "a", "A-B", "A B", "A=B", "Ä", "A\0", &long] {
            assert_eq!(text.parse::<SecretName>(), Err(ParseSecretNameError), "{text}");
        }
        assert!(!"hunter2".parse::<SecretName>().unwrap_err().to_string().contains("hunter2"));
    }
}
