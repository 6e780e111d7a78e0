//! What says who asks.

use std::fmt;

use mu_control::access::SecretKey;
use mu_control::access::signature::Signer;
use mu_env::Env;

/// What says who asks.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a process has one or two")]
pub(crate) enum Credentials {
    /// Nothing: what everybody may know.
    None,
    /// Every request is signed.
    Key(Signer),
    /// Every request carries this.
    Token(BearerToken),
}

/// A token, which is never printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct BearerToken(String);

/// A token is text without spaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a token is one line of visible ASCII, like `mu_` and 43 characters")]
pub(crate) struct ParseBearerTokenError;

impl Credentials {
    pub(crate) fn key(key: SecretKey) -> Self {
        Self::Key(Signer::new(key, Env::system()))
    }
}

impl BearerToken {
    /// The token in a text that may end with a line break.
    pub(crate) fn parse(text: &str) -> Result<Self, ParseBearerTokenError> {
        let text = text.trim();
        let is_one = (1..=8192).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_one { Ok(Self(text.to_owned())) } else { Err(ParseBearerTokenError) }
    }

    /// The token, to be sent or kept.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken(...)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_line_and_is_not_printed() {
        let token = BearerToken::parse("mu_abc\n").unwrap();
        assert_eq!(token.reveal(), "mu_abc");
        assert!(!format!("{:?}", Credentials::Token(token)).contains("abc"));
        for wrong in ["", " \n", "two words", "t\u{f6}ken", &"a".repeat(9000)] {
            assert!(BearerToken::parse(wrong).is_err());
        }
    }
}
