//! Who may call a function, or a route of a gateway.

use std::collections::BTreeMap;

use crate::limits::{AUTH_TEXT_BYTES_MAX, CLAIMS_MAX};
use crate::name::IssuerName;

/// What a request must bring along. Who checks it is the node's business.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// Nothing: everyone may call.
    #[default]
    None,
    /// A token of someone who may invoke the stack: the node's own, or one of an issuer that it trusts.
    Token,
    /// A JSON Web Token of someone else.
    Jwt(JwtAuth),
}

/// What a JSON Web Token must be and say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtAuth {
    /// Who issues it, by the name that the node's operator gave them.
    pub issuer: IssuerName,
    /// Whom it must be for, if not whom the operator says.
    pub audience: Option<String>,
    /// Claims that it must have, with these values; where a claim is a list, one of its items.
    pub claims: BTreeMap<String, String>,
}

impl Auth {
    /// Whether everyone may call.
    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// What is wrong with it, from wherever it comes.
    pub(crate) fn mistakes(&self) -> Vec<String> {
        let Self::Jwt(JwtAuth { audience, claims, .. }) = self else { return Vec::new() };
        let mut mistakes = Vec::new();
        let is_fit = |text: &str| (1..=AUTH_TEXT_BYTES_MAX).contains(&text.len()) && !text.contains(char::is_control);
        if audience.as_ref().is_some_and(|audience| !is_fit(audience)) {
            mistakes.push(format!("`audience` has 1 to {AUTH_TEXT_BYTES_MAX} bytes without control characters"));
        }
        if claims.len() > CLAIMS_MAX {
            mistakes.push(format!("`claims` are {}, more than the most, {CLAIMS_MAX}", claims.len()));
        }
        if claims.iter().any(|(name, value)| !is_fit(name) || !is_fit(value)) {
            let what = "the name and the value of a claim have";
            mistakes.push(format!("{what} 1 to {AUTH_TEXT_BYTES_MAX} bytes without control characters"));
        }
        mistakes
    }
}
