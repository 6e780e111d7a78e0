//! What happens to every request before and after its handler: who asks, what the body is, whether it was asked before,
//! and the record of it.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt as _;
use mu_stack::StackId;
use mu_telemetry::Limit;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::error::{ApiError, Kind};
use super::{Control, fn_api};
use crate::access::signature::ExpectedBody;
use crate::access::{Action, Authenticated, How, RequestHead};
use crate::audit::{AuditOutcome, AuditRecord};
use crate::catalog::limits::{IDEMPOTENT_REQUEST_LEASE, PIECE_BYTES_MAX};
use crate::catalog::{Begun, Ticket};

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Longest id of a request that is taken over from a client, in bytes.
const REQUEST_ID_BYTES_MAX: usize = 128;
/// How long a client may pause while it sends a body.
const BODY_PAUSE_MAX: Duration = Duration::from_secs(30);

/// How much of a body that is too large is read and thrown away, in bytes.
const UNREAD_BYTES_MAX: usize = 64 << 20;

/// From where a request came; put into the request by whoever accepts connections.
#[derive(Clone, Copy, Debug)]
pub struct PeerAddress(pub IpAddr);

/// Who asks, and in which request.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) who: Arc<Authenticated>,
    pub(crate) head: Arc<Head>,
    notes: Arc<Mutex<Notes>>,
}

/// The head of a request, kept for what looks at it again.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) method: Method,
    pub(crate) uri: http::Uri,
    pub(crate) headers: HeaderMap,
}

/// What is being done, for the audit record.
#[derive(Clone, Debug, Default)]
struct Notes {
    action: Option<Action>,
    stack: Option<StackId>,
    target: Option<String>,
}

impl Head {
    pub(crate) fn borrow(&self) -> RequestHead<'_> {
        RequestHead { method: &self.method, uri: &self.uri, headers: &self.headers }
    }
}

impl Caller {
    /// The text form of the principal for whom the request acts.
    pub(crate) fn principal(&self) -> String {
        self.who.subject.principal.to_string()
    }

    /// Notes what is about to be done, for the audit record.
    pub(crate) fn does(&self, action: Action, stack: Option<StackId>) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        (notes.action, notes.stack) = (Some(action), stack);
    }

    /// Notes to what it is done: a version, a host, the name of a secret. Never a secret's value.
    pub(crate) fn to(&self, target: impl Into<String>) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).target = Some(target.into());
    }

    fn notes(&self) -> Notes {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| ApiError::internal(&"a handler is not behind the front"))
    }
}

/// Runs a request through everything, and sees to it that each answer has the request's id.
pub(crate) async fn front(State(control): State<Arc<Control>>, request: Request, next: Next) -> Response {
    let request_id = request_id(&control, request.headers());
    let mut response = match admit(&control, request, next, &request_id).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    };
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    response
}

async fn admit(
    control: &Arc<Control>,
    request: Request,
    next: Next,
    request_id: &Arc<str>,
) -> Result<Response, ApiError> {
    let (mut parts, body) = request.into_parts();
    let from = parts.extensions.get::<PeerAddress>().map(|peer| peer.0);
    let who = control.access.authenticate(&RequestHead::from(&parts)).await;
    super::rates::check(&control.quotas, who.as_ref().ok(), from)?;
    let who = who?;
    let content = read_content(control, &parts, body).await?;
    if let Some(expected) = who.body {
        check_body(expected, &content)?;
    }
    let head = Head { method: parts.method.clone(), uri: parts.uri.clone(), headers: parts.headers.clone() };
    let caller = Caller { who: Arc::new(who), head: Arc::new(head), notes: Arc::default() };
    parts.extensions.insert(caller.clone());
    if matches!(parts.method, Method::GET | Method::HEAD) {
        return Ok(next.run(Request::from_parts(parts, Body::from(content))).await);
    }
    let ticket = match begin(control, &caller, &parts, &content).await? {
        Start::Run(ticket) => ticket,
        Start::Answered(response) => return Ok(response),
    };
    let record = is_recorded(&parts).then(|| {
        let what = format!("{} {}", parts.method, parts.uri.path());
        AuditRecord::begun(&control.env, &caller.who, &what)
            .by_request(from.map(|ip| ip.to_string()).unwrap_or_default(), request_id.to_string())
    });
    let request = Request::from_parts(parts, Body::from(content));
    let write = Write { control: Arc::clone(control), caller, ticket, record };
    let (sender, receiver) = oneshot::channel();
    // A task of the node's: what was begun is done to its end, also when the client goes away.
    control.env.tasks().spawn(async move {
        let _ = sender.send(write.run(request, next).await);
    });
    receiver.await.map_err(|_| ApiError::internal(&"the handler of a request panicked"))?
}

/// A request that may change something.
struct Write {
    control: Arc<Control>,
    caller: Caller,
    ticket: Option<Ticket>,
    record: Option<AuditRecord>,
}

impl Write {
    /// Does it, with a record before and after.
    async fn run(mut self, request: Request, next: Next) -> Result<Response, ApiError> {
        let audit = &self.control.audit;
        if let Some(record) = &self.record
            && let Err(error) = audit.append(record).await
        {
            if let Some(ticket) = self.ticket {
                self.control.idempotency.abandon(ticket).await?;
            }
            return Err(error.into());
        }
        let response = match &mut self.ticket {
            Some(ticket) => while_renewed(&self.control, ticket, next.run(request)).await,
            None => next.run(request).await,
        };
        if let Some(record) = self.record {
            audit.append(&ended(record, &self.caller, outcome(&response))).await?;
        }
        match self.ticket {
            Some(ticket) => finish(&self.control, ticket, response).await,
            None => Ok(response),
        }
    }
}

/// Waits for an answer, and meanwhile keeps others from doing the same.
async fn while_renewed(control: &Control, ticket: &mut Ticket, answer: impl Future<Output = Response>) -> Response {
    let mut answer = pin!(answer);
    loop {
        match timeout(IDEMPOTENT_REQUEST_LEASE / 3, &mut answer).await {
            Ok(response) => return response,
            Err(_) => {
                if let Err(error) = control.idempotency.renew(ticket).await {
                    tracing::warn!(%error, "the key of a long request was not renewed");
                }
            }
        }
    }
}

/// The client's own id of the request, when it is fit to be logged, or a new one.
fn request_id(control: &Control, headers: &HeaderMap) -> Arc<str> {
    let own = headers.get(X_REQUEST_ID).and_then(|value| value.to_str().ok());
    let is_fit =
        |id: &&str| (1..=REQUEST_ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    own.filter(is_fit).map_or_else(|| control.env.new_invocation_id().to_string().into(), Into::into)
}

/// The whole body, within the limit for what it is.
async fn read_content(control: &Control, parts: &Parts, body: Body) -> Result<Bytes, ApiError> {
    // Operators do not set how large a piece may be.
    let (bytes_max, limit) = if is_piece(parts) {
        (PIECE_BYTES_MAX, None)
    } else if is_call(parts) {
        (control.settings.call_bytes_max, Some(Limit::FunctionsRequestBytes))
    } else {
        (control.settings.request_bytes_max, Some(Limit::ApiRequestBytes))
    };
    read_body(body, bytes_max).await.map_err(|error| {
        if !error.is_too_large() {
            return error;
        }
        if let Some(limit) = limit {
            control.metrics.limit_hit(limit);
        }
        if fn_api::is_call(parts) { fn_api::too_large() } else { error }
    })
}

/// The whole body, within its limit and as long as the client goes on sending.
async fn read_body(mut body: Body, bytes_max: usize) -> Result<Bytes, ApiError> {
    let too_large = || {
        ApiError::new(Kind::TooLarge, format!("the request's body is larger than {bytes_max} bytes"))
            .detail("limit_bytes", bytes_max)
    };
    let mut whole = BytesMut::new();
    let mut unread = 0;
    loop {
        let frame = timeout(BODY_PAUSE_MAX, body.frame());
        let frame = frame
            .await
            .map_err(|_| ApiError::invalid("the request's body did not arrive").status(StatusCode::REQUEST_TIMEOUT))?;
        match frame {
            None if unread > 0 => return Err(too_large()),
            None => return Ok(whole.freeze()),
            Some(Err(error)) => return Err(ApiError::invalid(format!("the request's body broke off: {error}"))),
            Some(Ok(frame)) => {
                let Ok(data) = frame.into_data() else { continue };
                if unread == 0 && whole.len() + data.len() <= bytes_max {
                    whole.extend_from_slice(&data);
                    continue;
                }
                // A client that is still sending would not read the answer; one that sends for ever gets none.
                unread += data.len();
                if unread > UNREAD_BYTES_MAX {
                    return Err(too_large());
                }
            }
        }
    }
}

/// Whether a request carries a piece of an upload, which may be larger than other bodies.
fn is_piece(parts: &Parts) -> bool {
    is_for(parts, &Method::PATCH, "/v1/stacks/{stack}/uploads/{id}")
}

/// Whether a request's body is for a function.
fn is_call(parts: &Parts) -> bool {
    is_for(parts, &Method::POST, "/v1/stacks/{stack}/invoke/{handler}") || fn_api::is_call(parts)
}

/// Whether a request that is no GET leaves an audit record: not when it is only a question, nor when it carries on what
/// has a record from when it began.
fn is_recorded(parts: &Parts) -> bool {
    !is_piece(parts) && !is_for(parts, &Method::POST, "/v1/stacks/{stack}/artifacts/missing")
}

fn is_for(parts: &Parts, method: &Method, path: &str) -> bool {
    parts.method == *method && parts.extensions.get::<MatchedPath>().is_some_and(|matched| matched.as_str() == path)
}

fn check_body(expected: ExpectedBody, content: &[u8]) -> Result<(), ApiError> {
    let wrong = |why: String| ApiError::new(Kind::Unauthenticated, why).code("wrong_body");
    let mut check = expected.check();
    check.feed(content).and_then(|()| check.finish()).map_err(|error| wrong(error.to_string()))
}

/// Whether a request has to be done.
enum Start {
    Run(Option<Ticket>),
    Answered(Response),
}

async fn begin(control: &Control, caller: &Caller, parts: &Parts, content: &[u8]) -> Result<Start, ApiError> {
    let Some(key) = parts.headers.get(IDEMPOTENCY_KEY) else { return Ok(Start::Run(None)) };
    let key = key.to_str().map_err(|_| ApiError::invalid("`idempotency-key` is 1 to 255 visible ASCII characters"))?;
    let mut asked = format!("{} {}\n", parts.method, parts.uri).into_bytes();
    asked.extend_from_slice(content);
    match control.idempotency.begin(&caller.principal(), key, &asked).await? {
        Begun::Run(ticket) => Ok(Start::Run(Some(ticket))),
        Begun::Replay(stored) => Ok(Start::Answered(replayed(&stored)?)),
    }
}

/// An answer as it is kept for its idempotency key.
#[derive(Serialize, Deserialize)]
struct Kept {
    status: u16,
    content_type: Option<String>,
    body: String,
}

/// In the extensions of an answer that holds a secret: nobody is shown it again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShownOnce;

/// Keeps the answer for whoever asks again; one that may differ next time is not kept.
async fn finish(control: &Control, ticket: Ticket, response: Response) -> Result<Response, ApiError> {
    if response.extensions().get::<ShownOnce>().is_some() {
        let message = "this was done, and its answer, which holds a secret, is given only once: \
                       undo it and ask anew, with another idempotency key";
        let instead = ApiError::conflict(message).code("shown_once").into_response();
        finish_with(control, ticket, instead).await?;
        return Ok(response);
    }
    finish_with(control, ticket, response).await
}

async fn finish_with(control: &Control, ticket: Ticket, response: Response) -> Result<Response, ApiError> {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(|e| ApiError::internal(&e))?.to_bytes();
    let text = std::str::from_utf8(&body).ok().filter(|_| !parts.status.is_server_error());
    let is_final = parts.status != StatusCode::TOO_MANY_REQUESTS;
    match text.filter(|_| is_final) {
        Some(text) => {
            let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
            let kept = Kept {
                status: parts.status.as_u16(),
                content_type: content_type.map(str::to_owned),
                body: text.to_owned(),
            };
            let kept = serde_json::to_vec(&kept).map_err(|e| ApiError::internal(&e))?;
            if let Err(error) = control.idempotency.finish(ticket, &kept).await {
                tracing::warn!(%error, "an answer was not kept for its idempotency key");
            }
        }
        None => control.idempotency.abandon(ticket).await?,
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn replayed(stored: &[u8]) -> Result<Response, ApiError> {
    let kept: Kept = serde_json::from_slice(stored).map_err(|e| ApiError::internal(&e))?;
    let status = StatusCode::from_u16(kept.status).map_err(|e| ApiError::internal(&e))?;
    let mut response = (status, kept.body).into_response();
    response.headers_mut().remove(header::CONTENT_TYPE);
    if let Some(value) = kept.content_type.and_then(|text| HeaderValue::from_str(&text).ok()) {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    response.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

/// The record of a write whose outcome is known.
fn ended(begun: AuditRecord, caller: &Caller, outcome: AuditOutcome) -> AuditRecord {
    let notes = caller.notes();
    let mut record = begun.with(outcome);
    if let Some(action) = notes.action {
        record = record.doing(action);
    }
    if let Some(stack) = notes.stack {
        record = record.on(stack);
    }
    if let Some(target) = notes.target {
        record = record.to(target);
    }
    record
}

/// What an answer says of how it went.
fn outcome(response: &Response) -> AuditOutcome {
    let code = response.extensions().get::<Code>().map(|code| code.0.clone());
    let code = code.unwrap_or_else(|| response.status().as_u16().to_string());
    match response.status() {
        status if status.is_success() => AuditOutcome::Done,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => AuditOutcome::Refused(code),
        _ => AuditOutcome::Failed(code),
    }
}

/// The code of an answer that is an error; in the response's extensions.
#[derive(Clone, Debug)]
pub(crate) struct Code(pub(crate) String);

/// How a caller is known, in a word.
pub(crate) fn how(who: &Authenticated) -> &'static str {
    match who.how {
        How::Signature => "signature",
        How::Token(_) => "token",
        How::Oidc => "oidc",
        How::Bootstrap => "bootstrap",
        How::Anonymous => "anonymous",
    }
}
