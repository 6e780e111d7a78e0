//! Why a question has no answer, or not the one that was hoped for.

use std::io;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Address, Answer};
use crate::failure::{Cause, Failure, chain};
use crate::terminal::printable;

/// Longest text of an answer that is no JSON that is shown, in characters.
const EXCERPT_CHARS_MAX: usize = 200;

/// Why a question has no answer, or not the one that was hoped for.
#[derive(Debug)]
pub(crate) enum CallError {
    /// The question cannot be put.
    Impossible { reason: String },
    /// The node was not reached.
    Unreachable { address: String, reason: String, is_listening: Listening },
    /// The connection broke, or the answer took too long.
    Lost { address: String, reason: String },
    /// The node said no.
    Refused(Box<Refusal>),
    /// The answer is not one of the management API.
    NotUnderstood { address: String, status: u16, reason: String },
}

/// Whether something takes connections at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listening {
    No,
    Unknown,
    /// Something does, and nobody that is trusted says that it is the node.
    Untrusted,
}

/// An answer that says no.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) details: Map<String, Value>,
    request_id: Option<String>,
    hint: Option<String>,
}

/// The body of a refusal.
#[derive(Deserialize)]
struct ErrorBody {
    code: String,
    message: String,
    #[serde(default)]
    details: Map<String, Value>,
}

impl CallError {
    pub(super) fn from_transport(address: &Address, error: &ureq::Error) -> Self {
        let address = address.to_string();
        let unreachable =
            |reason: String, is_listening| Self::Unreachable { address: address.clone(), reason, is_listening };
        match error {
            ureq::Error::Io(e) if e.kind() == io::ErrorKind::ConnectionRefused => {
                unreachable("nothing listens there".to_owned(), Listening::No)
            }
            ureq::Error::ConnectionFailed => unreachable("nothing listens there".to_owned(), Listening::No),
            ureq::Error::HostNotFound => unreachable("its name is not known".to_owned(), Listening::Unknown),
            ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
                unreachable("connecting took too long".to_owned(), Listening::Unknown)
            }
            ureq::Error::Rustls(e) => unreachable(chain(e), trusted(e)),
            // What goes wrong while TLS is agreed on.
            ureq::Error::Io(e) if inner_tls(e).is_some() => {
                unreachable(chain(e), inner_tls(e).map_or(Listening::Unknown, trusted))
            }
            ureq::Error::Tls(reason) => unreachable((*reason).to_owned(), Listening::Unknown),
            ureq::Error::Timeout(_) => Self::Lost { address, reason: "the answer took too long".to_owned() },
            other => Self::Lost { address, reason: chain(other) },
        }
    }

    /// Whether the node cannot have got the question.
    pub(super) fn is_before_sending(&self) -> bool {
        matches!(self, Self::Impossible { .. } | Self::Unreachable { .. })
    }

    /// The refusal, when the node said no.
    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        if let Self::Refused(refusal) = self { Some(refusal) } else { None }
    }

    /// Whether the node said that something is not there.
    pub(crate) fn is_not_found(&self) -> bool {
        self.refusal().is_some_and(|refusal| refusal.status == 404)
    }
}

impl Refusal {
    /// What an answer says that is no success.
    pub(super) fn read(address: &Address, answer: &Answer) -> Self {
        let request_id = answer.headers.get("x-request-id").and_then(|id| id.to_str().ok()).map(printable);
        let status = answer.status.as_u16();
        match serde_json::from_slice::<ErrorBody>(&answer.body) {
            Ok(body) => Self {
                status,
                code: printable(&body.code),
                message: printable(&body.message),
                details: body.details,
                request_id,
                hint: None,
            },
            Err(_) => {
                let text = String::from_utf8_lossy(&answer.body);
                let excerpt: String = printable(text.trim()).chars().take(EXCERPT_CHARS_MAX).collect();
                let said = if excerpt.is_empty() { String::new() } else { format!(": {excerpt}") };
                Self {
                    status,
                    code: String::new(),
                    message: format!(
                        "{address} answered {}, not as the management API of a node does{said}",
                        answer.status
                    ),
                    details: Map::new(),
                    request_id: None,
                    hint: Some(
                        "is the URL the one of the management API, and not of functions? `mu context show`".to_owned(),
                    ),
                }
            }
        }
    }

    pub(crate) fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Which exit code it makes.
    pub(crate) fn cause(&self) -> Cause {
        match StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR) {
            StatusCode::UNAUTHORIZED => Cause::Unauthenticated,
            StatusCode::NOT_FOUND => Cause::NotFound,
            StatusCode::CONFLICT => Cause::Conflict,
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Cause::Unavailable,
            status if status.is_client_error() => Cause::Refused,
            _ => Cause::Failed,
        }
    }

    fn hint(&self) -> Option<&str> {
        self.hint.as_deref().or(match (self.status, self.code.as_str()) {
            (401, _) => Some("`mu whoami` shows who you are here; `mu login URL` signs in"),
            (403, _) => {
                Some("`mu whoami` shows who you are; an operator of the node, or an admin of the stack, gives roles")
            }
            (_, "unknown_stack") => Some("`mu deploy` makes a stack; `--stack` names another one"),
            (_, "unknown_version") => Some("`mu stack versions` shows which there are"),
            (_, "unknown_domain") => Some("`mu domain list` shows which there are"),
            (_, "host_taken") => {
                Some("whoever has it gives it up with `mu domain remove`; so can an operator of the node")
            }
            (_, "name_taken") => Some("take another name with `--stack`, or ask its owner for a role: `mu grant set`"),
            (_, "routing_changed") => Some("somebody else changed the routing: `mu stack route` shows it"),
            (_, "not_proven") => {
                Some("`mu domain list` shows what proves it; changes of DNS take some time to be seen")
            }
            (429 | 503, _) => Some("try again later"),
            _ => None,
        })
    }
}

fn inner_tls(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn trusted(error: &rustls::Error) -> Listening {
    match error {
        rustls::Error::InvalidCertificate(_) => Listening::Untrusted,
        _ => Listening::Unknown,
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Impossible { reason } => Self::new(Cause::Failed, reason),
            CallError::Unreachable { address, reason, is_listening } => {
                let failure =
                    Self::new(Cause::Unavailable, format!("the node at {address} cannot be reached: {reason}"));
                match is_listening {
                    Listening::No => {
                        failure.hint("`mu serve` starts a node; `mu context list` shows the ones you know")
                    }
                    Listening::Unknown => failure.hint("`mu context show` shows the URL; `mu login URL` takes another"),
                    Listening::Untrusted => failure.hint(
                        "`mu login URL --ca-file FILE` trusts an authority of your own; the URL needs a name that is in \
                         the certificate",
                    ),
                }
            }
            CallError::Lost { address, reason } => {
                Self::new(Cause::Unavailable, format!("talking to the node at {address}: {reason}"))
                    .hint("look whether it was done before you try again")
            }
            CallError::NotUnderstood { address, status, reason } => {
                Self::new(Cause::Failed, format!("{address} answered {status}, and not as this mu expects: {reason}"))
                    .hint("is it a node of mu, and of this version? `mu --version`")
            }
            CallError::Refused(refusal) => {
                let request = refusal.request_id.as_ref().map(|id| format!(", request {id}")).unwrap_or_default();
                let code =
                    if refusal.code.is_empty() { String::new() } else { format!(" (code {}{request})", refusal.code) };
                let failure = Self::new(refusal.cause(), format!("{}{code}", refusal.message));
                match refusal.hint() {
                    Some(hint) => failure.hint(hint),
                    None => failure,
                }
            }
        }
    }
}
