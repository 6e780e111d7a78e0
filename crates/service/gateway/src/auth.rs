//! Who calls: asked of the node where a function or a route wants to know.

use std::fmt::Write as _;
use std::time::Duration;

use async_trait::async_trait;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Request, Uri};
use mu_invoke::Kind;
use mu_stack::{Auth, StackId};
use serde_json::{Map, Value};

use crate::error::ApiError;
use crate::service::{Received, Service};

/// Who calls, as functions see it.
static SUBJECT: HeaderName = HeaderName::from_static("mu-auth-subject");
/// What their token says of them, as a JSON object in ASCII.
static CLAIMS: HeaderName = HeaderName::from_static("mu-auth-claims");

/// Largest `mu-auth-subject` and `mu-auth-claims` that a function is given, in bytes.
const SUBJECT_BYTES_MAX: usize = 1024;
const CLAIMS_BYTES_MAX: usize = 8 * 1024;

/// Finds out who calls.
#[async_trait]
pub trait Authenticator: Send + Sync {
    /// Who sent a request, if that is someone whom `requirement` lets in to this stack. It is never [`Auth::None`]. A
    /// requirement of a claim is met by a claim of this text, number or boolean, and by a list that has it.
    ///
    /// `request` has the URL and the headers as the client sent them.
    ///
    /// # Errors
    /// When nobody can be told from the request, or it is someone who may not, or it cannot be found out now.
    async fn authenticate(&self, requirement: &Auth, stack: &StackId, request: &Parts)
    -> Result<Identity, AuthRefusal>;
}

/// Someone who may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who it is: `k_…`, `oidc:ISSUER:SUBJECT`, or whatever the node calls them; at most 1 KiB.
    pub subject: String,
    /// What their token says of them; at most 8 KiB as JSON.
    pub claims: Map<String, Value>,
}

/// Why a request is not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthRefusal {
    /// It does not say who sends it, or not in a way that can be believed.
    #[error("{message}")]
    Unauthenticated {
        /// What the caller is told.
        message: String,
    },
    /// It is someone who may not.
    #[error("{message}")]
    Denied {
        /// What the caller is told.
        message: String,
    },
    /// It cannot be found out now.
    #[error("{message}")]
    Unavailable {
        /// What the caller is told.
        message: String,
        /// When trying again may help.
        retry_after: Duration,
    },
}

/// The [`Authenticator`] of a node that has none: what asks for authentication lets nobody in.
#[derive(Clone, Copy, Debug, Default)]
pub struct NobodyEnters;

#[async_trait]
impl Authenticator for NobodyEnters {
    async fn authenticate(&self, _: &Auth, _: &StackId, _: &Parts) -> Result<Identity, AuthRefusal> {
        Err(AuthRefusal::Denied { message: "this node has no way to find out who calls".to_owned() })
    }
}

/// The headers by which a function knows its caller.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    subject: HeaderValue,
    claims: HeaderValue,
}

impl Caller {
    /// Tells a function. What the client sent in these headers has been taken out before.
    pub(crate) fn mark(&self, headers: &mut HeaderMap) {
        headers.insert(&SUBJECT, self.subject.clone());
        headers.insert(&CLAIMS, self.claims.clone());
    }
}

/// Finds out who sent a request, where that is asked for.
pub(crate) async fn authenticate(
    service: &Service,
    requirement: &Auth,
    stack: StackId,
    uri: &Uri,
    received: &mut Received,
) -> Result<Option<Box<Caller>>, ApiError> {
    if requirement.is_none() {
        return Ok(None);
    }
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.method = received.method.clone();
    parts.uri = uri.clone();
    parts.version = received.version;
    parts.headers = std::mem::take(&mut received.headers);
    let identity = service.authenticator().authenticate(requirement, &stack, &parts).await;
    received.headers = parts.headers;
    let caller = caller(&identity?)?;
    // A token of the node opens more than this stack, and is none of the function's business.
    if *requirement == Auth::Token {
        received.headers.remove(header::AUTHORIZATION);
    }
    Ok(Some(Box::new(caller)))
}

fn caller(identity: &Identity) -> Result<Caller, ApiError> {
    let unfit = |what: &str| ApiError::new(Kind::Denied, format!("{what} cannot be told to the function"));
    let is_visible = identity.subject.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let subject = Some(&identity.subject).filter(|subject| is_visible && subject.len() <= SUBJECT_BYTES_MAX);
    let subject = subject.and_then(|subject| HeaderValue::from_str(subject).ok());
    let claims = ascii(&Value::Object(identity.claims.clone()).to_string());
    let claims = Some(claims).filter(|claims| claims.len() <= CLAIMS_BYTES_MAX);
    let claims = claims.and_then(|claims| HeaderValue::from_str(&claims).ok());
    Ok(Caller {
        subject: subject.ok_or_else(|| unfit("who calls"))?,
        claims: claims.ok_or_else(|| unfit("what is claimed of the caller is more than 8 KiB and"))?,
    })
}

/// JSON with escapes for all that is not ASCII.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() && character != '\x7f' {
            text.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text
}

impl From<AuthRefusal> for ApiError {
    fn from(refusal: AuthRefusal) -> Self {
        match refusal {
            AuthRefusal::Unauthenticated { message } => Self::new(Kind::Unauthenticated, message)
                .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            AuthRefusal::Denied { message } => Self::new(Kind::Denied, message),
            AuthRefusal::Unavailable { message, retry_after } => Self::new(Kind::Unavailable, message)
                .code("authentication_unavailable")
                .header(header::RETRY_AFTER, HeaderValue::from(retry_after.as_secs().max(1))),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_told_of_a_caller_is_bounded_ascii() {
        let identity = |subject: &str, claim: &str| Identity {
            subject: subject.to_owned(),
            claims: json!({ "name": claim }).as_object().cloned().unwrap_or_default(),
        };
        let told = caller(&identity("oidc:a:b c", "Zoë\u{1f600}\n\u{7f}")).unwrap();
        assert_eq!(told.subject, "oidc:a:b c");
        assert_eq!(told.claims, r#"{"name":"Zo\u00eb\ud83d\ude00\n\u007f"}"#);
        let long = "x".repeat(CLAIMS_BYTES_MAX);
        for unfit in [identity("a\nb", ""), identity("é", ""), identity(&long, ""), identity("a", &long)] {
            assert!(caller(&unfit).is_err());
        }
    }
}
