//! Who calls, on the developer's own machine: everyone is let in.

use std::sync::Once;

use async_trait::async_trait;
use http::request::Parts;
use mu_gateway::{AuthRefusal, Authenticator, Identity};
use mu_stack::{Auth, StackId};

use crate::terminal::{self, BOLD, YELLOW};

/// Who everyone is.
const SUBJECT: &str = "local";

/// Lets everyone in as `local`, who claims whatever the route asks for, and says so the first time.
#[derive(Debug)]
pub(super) struct EveryoneIsLocal(Once);

impl EveryoneIsLocal {
    pub(super) const fn new() -> Self {
        Self(Once::new())
    }
}

#[async_trait]
impl Authenticator for EveryoneIsLocal {
    async fn authenticate(&self, requirement: &Auth, _: &StackId, _: &Parts) -> Result<Identity, AuthRefusal> {
        self.0.call_once(|| {
            let what = "`auth` is not checked by `mu run`: every caller is let in, as `local`";
            terminal::say(format!("{YELLOW}warning{YELLOW:#}{BOLD}:{BOLD:#} {what}"));
        });
        Ok(identity(requirement))
    }
}

fn identity(requirement: &Auth) -> Identity {
    let claims = match requirement {
        Auth::Jwt(jwt) => jwt.claims.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect(),
        Auth::None | Auth::Token => serde_json::Map::new(),
    };
    Identity { subject: SUBJECT.to_owned(), claims }
}

#[cfg(test)]
mod tests {
    use mu_stack::JwtAuth;
    use serde_json::json;

    use super::*;

    #[test]
    fn everyone_claims_what_is_asked_for() {
        let claims = [("role".to_owned(), "admin".to_owned())].into();
        let jwt = Auth::Jwt(JwtAuth { issuer: "i".parse().unwrap(), audience: None, claims });
        for (requirement, claims) in [(Auth::Token, json!({})), (jwt, json!({"role": "admin"}))] {
            let found = identity(&requirement);
            assert_eq!((found.subject.as_str(), serde_json::Value::Object(found.claims)), ("local", claims));
        }
    }
}
