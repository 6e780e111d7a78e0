//! `/v2`, `/invoke` and `/t`: Project Fn's API over the same catalog, so that the `fn` command line works with a node.
//!
//! An app is a stack. The functions of its served version are among its fns, to be read and called; fns that are made
//! here name an image. Whoever asks, what they may do, limits and audit are those of `/v1`. Errors look as Fn's do:
//! `{"message": "..."}`, with Fn's words where Fn has some.
//!
//! None of this is in the OpenAPI document, which describes the API that is ours: this one is described by Fn, and what
//! is otherwise by `docs/reference/fn-api.md`.

mod annotations;
mod apps;
mod failures;
mod fns;
mod input;
mod invoke;
mod page;
mod triggers;

pub(super) use failures::too_large;

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use http::request::Parts;
use http::{HeaderName, StatusCode, header};
use http_body_util::BodyExt as _;
use mu_stack::StackId;
use serde_json::{Value, json};

use super::Control;
use super::error::{ApiError, Kind, shown};
use super::front::{self, Caller, Code};
use crate::access::Action;
use crate::catalog::fns::FnError;
use crate::catalog::{CatalogError, StackRecord, StackRef, StackState};

/// Where functions are called.
const CALLS: [&str; 4] = ["/invoke/{id}", "/t/{app}", "/t/{app}/", "/t/{app}/{*source}"];

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Everything that Fn's clients ask for.
pub(super) fn router(control: &Arc<Control>) -> Router<Arc<Control>> {
    let [by_id, by_app, by_root, by_source] = CALLS;
    let guarded = Router::new()
        .route("/v2/apps", get(apps::list).post(apps::create))
        .route("/v2/apps/{id}", get(apps::show).put(apps::change).delete(apps::delete))
        .route("/v2/fns", get(fns::list).post(fns::create))
        .route("/v2/fns/{id}", get(fns::show).put(fns::change).delete(fns::delete))
        .route("/v2/triggers", get(triggers::list).post(triggers::create))
        .route("/v2/triggers/{id}", get(triggers::show).put(triggers::change).delete(triggers::delete))
        .route(by_id, post(invoke::invoke))
        .route(by_app, any(invoke::trigger))
        .route(by_root, any(invoke::trigger))
        .route(by_source, any(invoke::trigger))
        // Within the front as well: it may keep an answer for an idempotency key, and keeps what clients get.
        .layer(map_response(in_the_shape_of_fn))
        .layer(from_fn_with_state(Arc::clone(control), front::front));
    Router::new()
        .route("/version", get(version))
        .route("/v2/fns/{id}/calls", get(no_calls))
        .route("/v2/fns/{id}/calls/{*rest}", get(no_calls))
        .route("/v2/{*rest}", any(no_path))
        .merge(guarded)
        .method_not_allowed_fallback(no_method)
        .layer(map_response(in_the_shape_of_fn))
}

/// Whether a request's body is for a function.
pub(super) fn is_call(parts: &Parts) -> bool {
    parts.extensions.get::<MatchedPath>().is_some_and(|matched| CALLS.contains(&matched.as_str()))
}

/// Writes an error as Fn does. Answers of functions are left as they are.
async fn in_the_shape_of_fn(response: Response) -> Response {
    if response.extensions().get::<Code>().is_none() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let error: Value = serde_json::from_slice(&body).unwrap_or_default();
    let message = error["message"].as_str().unwrap_or("internal server error");
    let body = Json(json!({ "message": message })).into_response();
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, body.into_body())
}

async fn version() -> Json<Value> {
    Json(json!({ "version": env!("CARGO_PKG_VERSION") }))
}

async fn no_calls() -> ApiError {
    let message = "calls are not kept: `mu logs` shows what functions log, and `mu usage` how often they were called";
    ApiError::not_found(message).status(StatusCode::GONE).code("gone")
}

async fn no_path(State(_): State<Arc<Control>>, request: Request) -> ApiError {
    ApiError::not_found(format!("Path not found: {} {}", shown(request.method().as_str()), shown(request.uri().path())))
}

async fn no_method(State(_): State<Arc<Control>>, request: Request) -> ApiError {
    let (method, path) = (request.method().as_str(), request.uri().path());
    let message = format!("Method not allowed: {} {}", shown(method), shown(path));
    ApiError::new(Kind::MethodNotAllowed, message)
}

/// The app with this id, for a caller who may do this to it. For others it is as unknown as one that does not exist.
async fn app(control: &Control, caller: &Caller, id: &str, action: Action) -> Result<StackRecord, ApiError> {
    match id.parse() {
        Ok(id) => app_by_id(control, caller, &id, action).await,
        Err(_) => Err(absent(control, caller, action, no_app()).await),
    }
}

async fn app_by_id(control: &Control, caller: &Caller, id: &StackId, action: Action) -> Result<StackRecord, ApiError> {
    control.allow(caller, action, Some(*id)).await.map_err(|error| unless_denied(error, no_app()))?;
    match control.catalog.stack(&StackRef::Id(*id)).await {
        Ok(record) if record.state == StackState::Active => Ok(record),
        Ok(_) | Err(CatalogError::UnknownStack { .. }) => Err(no_app()),
        Err(error) => Err(error.into()),
    }
}

fn no_app() -> ApiError {
    ApiError::not_found("App not found")
}

/// What is told of something that does not exist: to nobody in particular, that they have to sign in, as it is told of
/// what does exist.
async fn absent(control: &Control, caller: &Caller, action: Action, error: ApiError) -> ApiError {
    match control.allow(caller, action, None).await {
        Err(refusal) if caller.who.subject.is_nobody() => refusal,
        _ => error,
    }
}

/// The refusal, or for somebody who may not know that a thing exists, that it does not.
fn unless_denied(refusal: ApiError, absent: ApiError) -> ApiError {
    if refusal.is_not_found() { absent } else { refusal }
}

/// Where the caller reaches this API, as the start of a URL.
fn base_url(caller: &Caller) -> String {
    // A proxy says how it was reached; with HTTP/2, the client itself does.
    let by_proxy = caller.head.headers.get(X_FORWARDED_PROTO).and_then(|scheme| scheme.to_str().ok());
    let is_https = by_proxy.or(caller.head.uri.scheme_str()) == Some("https");
    let scheme = if is_https { "https" } else { "http" };
    caller.head.borrow().authority().map_or_else(String::new, |authority| format!("{scheme}://{authority}"))
}

impl From<FnError> for ApiError {
    fn from(error: FnError) -> Self {
        let message = error.to_string();
        match error {
            FnError::Catalog(error) => error.into(),
            FnError::UnknownFn | FnError::UnknownTrigger => Self::not_found(message),
            FnError::FnExists | FnError::TriggerExists | FnError::SourceTaken => Self::conflict(message),
            FnError::TooManyFns | FnError::TooManyTriggers => Self::new(Kind::Exhausted, message),
        }
    }
}
