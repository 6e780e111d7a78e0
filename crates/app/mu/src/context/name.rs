//! What a context is called.

use std::fmt;
use std::str::FromStr;

/// Longest name, in bytes.
const BYTES_MAX: usize = 64;

/// The name of a context, which is also the name of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ContextName(String);

/// The text is no such name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name of a context is 1 to {BYTES_MAX} of A-Z a-z 0-9 _ - . and begins with a letter or digit")]
pub(crate) struct ParseContextNameError;

impl ContextName {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ContextName {
    type Err = ParseContextNameError;

    fn from_str(text: &str) -> Result<Self, ParseContextNameError> {
        let is_within = (1..=BYTES_MAX).contains(&text.len());
        let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        let is_made_of = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
        if is_within && begins && is_made_of { Ok(Self(text.to_owned())) } else { Err(ParseContextNameError) }
    }
}

impl fmt::Display for ContextName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_fit_for_a_file() {
        for good in ["local", "mu.example.com", "1", "a_b-c"] {
            assert_eq!(good.parse::<ContextName>().unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", "a/b", "-a", "a b", "\u{e4}", &"a".repeat(65)] {
            assert!(bad.parse::<ContextName>().is_err(), "{bad}");
        }
    }
}
