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

/// Whether claims are as required: each one named equals the value or, when it is a list or a `scope`, contains it.
///
/// ```
/// # use std::collections::BTreeMap;
/// # use mu_control::access::oidc::claims_match;
/// # use serde_json::{Map, json};
/// let required = BTreeMap::from([("groups".to_owned(), json!("ops")), ("scope".to_owned(), json!("deploy"))]);
/// let claims: Map<_, _> =
///     serde_json::from_value(json!({"groups": ["dev", "ops"], "scope": "openid deploy"})).unwrap();
/// assert!(claims_match(&required, &claims).is_ok());
/// ```
///
/// # Errors
/// [`ClaimsMismatch`], naming the first claim that is missing or different. The token's value is not told.
pub fn claims_match(required: &BTreeMap<String, Value>, claims: &Map<String, Value>) -> Result<(), ClaimsMismatch> {
    let mismatch = required.iter().find(|(name, value)| !claims.get(*name).is_some_and(|has| holds(name, has, value)));
    mismatch.map_or(Ok(()), |(name, _)| Err(ClaimsMismatch { claim: name.clone() }))
}

fn holds(name: &str, has: &Value, required: &Value) -> bool {
    match (has, required) {
        (Value::Array(values), _) if !required.is_array() => values.contains(required),
        (Value::String(words), Value::String(word)) if WORD_CLAIMS.contains(&name) => {
            words == word || words.split(' ').any(|has| has == word)
        }
        _ => has == required,
    }
}

/// Whether the claims of a token by this issuer are for this node, now.
pub(super) fn check(issuer: &Issuer, claims: &Map<String, Value>, now: Timestamp) -> Result<(), OidcError> {
    let name = || issuer.name.clone();
    let is_audience = |value: &Value| value.as_str() == Some(&issuer.audience);
    let is_for_us = match claims.get("aud") {
        Some(Value::Array(all)) => all.iter().any(is_audience),
        Some(one) => is_audience(one),
        None => false,
    };
    if !is_for_us {
        return Err(OidcError::Audience { issuer: name(), audience: issuer.audience.clone() });
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
            ("role", json!("admin"), true),
            ("role", json!("adm"), false),
            ("role", json!("Admin"), false),
            ("groups", json!("ops"), true),
            ("groups", json!(7), true),
            ("groups", json!("op"), false),
            ("groups", json!(["dev", "ops", 7]), true),
            ("groups", json!(["dev"]), false),
            ("scope", json!("deploy"), true),
            ("scope", json!("openid deploy"), true),
            ("scope", json!("dep"), false),
            ("scope", json!(""), false),
            ("scp", json!("deploy"), true),
            // A name is not a list of words.
            ("name", json!("Admin"), false),
            ("email_verified", json!(true), true),
            ("email_verified", json!("true"), false),
            ("level", json!(3), true),
            ("level", json!("3"), false),
            ("missing", json!(null), false),
            ("nothing", json!(null), true),
        ] {
            let matched = claims_match(&BTreeMap::from([(name.to_owned(), required.clone())]), claims);
            assert_eq!(matched.is_ok(), expected, "{name} {required}");
        }
        let both = BTreeMap::from([("role".to_owned(), json!("admin")), ("zone".to_owned(), json!("eu"))]);
        assert_eq!(claims_match(&both, claims), Err(ClaimsMismatch { claim: "zone".into() }));
        assert_eq!(claims_match(&BTreeMap::new(), claims), Ok(()));
    }
}
