//! Who calls a route that asks for it: found out by the tokens that the management API takes as well.

use std::time::Duration;

use async_trait::async_trait;
use http::request::Parts;
use mu_control::access::oidc::claims_match;
use mu_control::access::{Access, AccessError, AccessErrorKind, Action, RequestHead};
use mu_gateway::{AuthRefusal, Authenticator, Identity};
use mu_stack::{Auth, JwtAuth, StackId};
use serde_json::Map;

/// When trying again may help, if it cannot be found out now who calls.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The [`Authenticator`] of a server.
pub(super) struct AccessAuthenticator(pub(super) Access);

#[async_trait]
impl Authenticator for AccessAuthenticator {
    async fn authenticate(
        &self,
        requirement: &Auth,
        stack: &StackId,
        request: &Parts,
    ) -> Result<Identity, AuthRefusal> {
        let head = RequestHead::from(request);
        match requirement {
            Auth::None => Ok(Identity { subject: "anonymous".to_owned(), claims: Map::new() }),
            Auth::Token => self.invoker_of(stack, &head).await.map_err(|error| refusal(&error)),
            Auth::Jwt(jwt) => self.user_as(jwt, &head).await,
        }
    }
}

impl AccessAuthenticator {
    /// Somebody who may invoke functions of the stack.
    async fn invoker_of(&self, stack: &StackId, head: &RequestHead<'_>) -> Result<Identity, AccessError> {
        let who = self.0.authenticate_bearer(head).await?;
        self.0.authorize(&who, Action::InvokeFunction, Some(*stack)).await?;
        Ok(Identity { subject: who.subject.principal.to_string(), claims: who.claims })
    }

    /// A user of an issuer, with the claims that the route asks for.
    async fn user_as(&self, required: &JwtAuth, head: &RequestHead<'_>) -> Result<Identity, AuthRefusal> {
        let user = self.0.user_of(head, required.audience.as_deref()).await.map_err(|error| refusal(&error))?;
        if user.issuer.as_str() != required.issuer.as_str() {
            let message = format!("a token of the issuer `{}` is asked for, not of `{}`", required.issuer, user.issuer);
            return Err(AuthRefusal::Denied { message });
        }
        claims_match(&required.claims, &user.claims)
            .map_err(|mismatch| AuthRefusal::Denied { message: mismatch.to_string() })?;
        Ok(Identity { subject: user.principal().to_string(), claims: user.claims })
    }
}

fn refusal(error: &AccessError) -> AuthRefusal {
    let message = error.to_string();
    match error.kind() {
        AccessErrorKind::Unauthenticated | AccessErrorKind::Invalid => AuthRefusal::Unauthenticated { message },
        // The caller of a function is not told of the database's troubles.
        AccessErrorKind::Unavailable | AccessErrorKind::Internal | AccessErrorKind::Exhausted => {
            tracing::warn!(%error, "finding out who calls");
            let message = "who calls cannot be found out at the moment; try again".to_owned();
            AuthRefusal::Unavailable { message, retry_after: RETRY_AFTER }
        }
        AccessErrorKind::NotFound | AccessErrorKind::Denied | AccessErrorKind::Conflict => AuthRefusal::Denied {
            message: "you may not call functions of this stack: ask for the role invoker".to_owned(),
        },
    }
}
