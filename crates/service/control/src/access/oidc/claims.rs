//! What a token must say.

use std::collections::BTreeMap;

use mu_env::Timestamp;
use serde_json::{Map, Value};

use super::{Issuer, LEEWAY, OidcError};

/// Claims that hold several words in one text, separated by spaces (RFC 8693, section 4.2).
const WORD_CLAIMS: [&str; 2] = ["scope", "scp"];

/// A claim that is not as required.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token's claim `{claim}` is not, and does not contain, what is required here")]
pub struct ClaimsMismatch {
    /// The first such claim, in the order of names.
    pub claim: String,
}

/// Whether claims are as required: each one named is this text, number or boolean or, when it is a list or a `scope`,
/// contains it.
///
/// ```
/// # use std::collections::BTreeMap;
/// # use mu_control::access::oidc::claims_match;
/// # use serde_json::{Map, json};
/// let required = BTreeMap::from([("groups".to_owned(), "ops".to_owned()), ("level".to_owned(), "3".to_owned())]);
/// let claims: Map<_, _> = serde_json::from_value(json!({"groups": ["dev", "ops"], "level": 3})).unwrap();
/// assert!(claims_match(&required, &claims).is_ok());
/// ```
///
/// # Errors
/// [`ClaimsMismatch`], naming the first claim that is missing or different. The token's value is not told.
pub fn claims_match(required: &BTreeMap<String, String>, claims: &Map<String, Value>) -> Result<(), ClaimsMismatch> {
    let mismatch = required.iter().find(|(name, text)| !claims.get(*name).is_some_and(|has| holds(name, has, text)));
    mismatch.map_or(Ok(()), |(name, _)| Err(ClaimsMismatch { claim: name.clone() }))
}

fn holds(name: &str, has: &Value, required: &str) -> bool {
    match has {
        Value::Array(values) => values.iter().any(|value| is(value, required)),
        Value::String(words) if WORD_CLAIMS.contains(&name) => {
            words == required || words.split(' ').any(|has| has == required)
        }
        _ => is(has, required),
    }
}

fn is(has: &Value, required: &str) -> bool {
    match has {
        Value::String(text) => text == required,
        Value::Number(number) => number.to_string() == required,
        Value::Bool(is_true) => is_true.to_string() == required,
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

/// Whether the claims of a token by this issuer are for this node, now.
pub(super) fn check(
    issuer: &Issuer,
    audience: &str,
    claims: &Map<String, Value>,
    now: Timestamp,
) -> Result<(), OidcError> {
    let name = || issuer.name.clone();
    let is_audience = |value: &Value| value.as_str() == Some(audience);
    let is_for_us = match claims.get("aud") {
        Some(Value::Array(all)) => all.iter().any(is_audience),
        Some(one) => is_audience(one),
        None => false,
    };
    if !is_for_us {
        return Err(OidcError::Audience { issuer: name(), audience: audience.to_owned() });
    }
    let expires = seconds(claims, "exp", "its claim `exp` is not a number of seconds")?;
    let expires = expires.ok_or(OidcError::Malformed { problem: "it has no claim `exp`" })?;
    let begins = seconds(claims, "nbf", "its claim `nbf` is not a number of seconds")?;
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are exact for millions of years")]
    let (now, leeway) = ((now.as_millis() / 1_000) as f64, LEEWAY.as_secs() as f64);
    if expires + leeway <= now {
        return Err(OidcError::Expired { issuer: name() });
    }
    if begins.is_some_and(|begins| begins > now + leeway) {
        return Err(OidcError::NotYet { issuer: name() });
    }
    Ok(())
}

/// A time, which may have a fraction (RFC 7519, section 2).
fn seconds(claims: &Map<String, Value>, name: &str, problem: &'static str) -> Result<Option<f64>, OidcError> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_f64().map(Some).ok_or(OidcError::Malformed { problem }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn claims_equal_or_contain() {
        let claims = json!({
            "role": "admin",
            "groups": ["dev", "ops", 7],
            "scope": "openid deploy",
            "scp": "deploy",
            "name": "Ada Admin",
            "email_verified": true,
            "level": 3,
            "nothing": null,
        });
        let claims = claims.as_object().unwrap();
        for (name, required, expected) in [
            ("role", "admin", true),
            ("role", "adm", false),
            ("role", "Admin", false),
            ("groups", "ops", true),
            ("groups", "7", true),
            ("groups", "op", false),
            ("scope", "deploy", true),
            ("scope", "openid deploy", true),
            ("scope", "dep", false),
            ("scope", "", false),
            ("scp", "deploy", true),
            // A name is not a list of words.
            ("name", "Admin", false),
            ("email_verified", "true", true),
            ("email_verified", "false", false),
            ("level", "3", true),
            ("level", "3.0", false),
            ("missing", "null", false),
            ("nothing", "null", false),
            ("nothing", "", false),
        ] {
            let matched = claims_match(&BTreeMap::from([(name.to_owned(), required.to_owned())]), claims);
            assert_eq!(matched.is_ok(), expected, "{name} {required}");
        }
        let required = |pairs: [(&str, &str); 2]| pairs.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
        let both: BTreeMap<_, _> = required([("role", "admin"), ("zone", "eu")]);
        assert_eq!(claims_match(&both, claims), Err(ClaimsMismatch { claim: "zone".into() }));
        assert_eq!(claims_match(&BTreeMap::new(), claims), Ok(()));
    }
}
