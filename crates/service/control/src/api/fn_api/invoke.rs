//! `/invoke` and `/t`: calls.
//!
//! A deployed function is called as it always is, with the request as it came. A fn that was made here names an image,
//! which this node cannot run, and the answer says so.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderName, StatusCode};
use mu_stack::{Function, HandlerName, HandlerRef, Route};
use percent_encoding::percent_decode_str;

use super::apps::named;
use super::fns::{Found, called, find};
use super::input::whole;
use crate::access::Action;
use crate::api::Control;
use crate::api::error::{ApiError, Kind};
use crate::api::front::Caller;
use crate::api::input::At;
use crate::api::v1::invoke::{METHODS, is_of_the_api};
use crate::catalog::StoredVersion;
use crate::catalog::fns::{FnError, FnRecord};
use crate::region::RegionCall;

const FN_CALL_ID: HeaderName = HeaderName::from_static("fn-call-id");
const FN_INVOKE_TYPE: HeaderName = HeaderName::from_static("fn-invoke-type");
const INVOCATION_ID: HeaderName = HeaderName::from_static("x-mu-invocation-id");

/// Calls a fn by its id.
pub(super) async fn invoke(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(id): At<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let found = find(&control, &caller, &id, Action::InvokeFunction).await?;
    call(&control, &caller, found, "/", request).await
}

/// Calls the fn that a path of an app leads to.
pub(super) async fn trigger(
    State(control): State<Arc<Control>>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let path = caller.head.uri.path().strip_prefix("/t/").unwrap_or_default().to_owned();
    let (name, source) = path.find('/').map_or((path.as_str(), "/"), |slash| path.split_at(slash));
    let app = named(&control, &caller, &decoded(name)?, Action::InvokeFunction).await?;
    let trigger = control.catalog.trigger_by_source(&app.id, &decoded(source)?).await?;
    let trigger = trigger.ok_or(FnError::UnknownTrigger)?;
    let found = called(&control, &trigger.calls).await?.ok_or(FnError::UnknownFn)?;
    call(&control, &caller, found, source, request).await
}

async fn call(
    control: &Control,
    caller: &Caller,
    found: Found,
    path: &str,
    request: Request,
) -> Result<Response, ApiError> {
    let (version, function) = match &found {
        Found::Made(record) => return Err(no_engine(caller, record)),
        Found::Deployed(version, function) => (version, function),
    };
    caller.to(function.name.as_str());
    if request.headers().get(FN_INVOKE_TYPE).is_some_and(|kind| kind == "detached") {
        return Err(unsupported("Detach call functions are not supported on this server"));
    }
    if !METHODS.contains(request.method()) {
        let method = crate::api::error::shown(request.method().as_str());
        return Err(ApiError::new(Kind::MethodNotAllowed, format!("Method not allowed: {method}")));
    }
    let handler = only_handler(version, function)?;
    let target = match caller.head.uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut to_function = http::Request::builder().method(request.method()).uri(target);
    for (name, value) in request.headers() {
        if !is_of_the_api(name.as_str()) {
            to_function = to_function.header(name, value);
        }
    }
    let content = whole(request).await?;
    let request = to_function.body(content).map_err(|error| ApiError::invalid(format!("the request: {error}")))?;
    let call = RegionCall { handler: handler.to_string(), path_params: Vec::new(), request };
    let mut response = control.region.invoke(&version.stack_id, call).await?;
    if let Some(id) = response.headers().get(INVOCATION_ID).cloned() {
        response.headers_mut().insert(FN_CALL_ID, id);
    }
    Ok(response.map(Body::new))
}

/// A fn of Fn has one entry, and a function of ours may have several: the one that all its routes name is meant.
fn only_handler(version: &StoredVersion, function: &Function) -> Result<HandlerRef, ApiError> {
    let routes = version.stack.gateways().flat_map(|gateway| gateway.routes.routes());
    let handlers = routes.flat_map(Route::handlers).map(|(_, handler)| handler);
    let handlers: BTreeSet<&HandlerRef> = handlers.filter(|handler| handler.function == function.name).collect();
    let (name, mut few) = (&function.name, handlers.iter());
    match (few.next(), few.next()) {
        (Some(only), None) => Ok((*only).clone()),
        (None, _) => Err(unsupported(&format!(
            "no route of the stack names a handler of `{name}`, which a call by Fn's API could be for: use `mu invoke`"
        ))),
        (Some(_), Some(_)) => {
            let handlers: Vec<&HandlerName> = handlers.iter().map(|handler| &handler.handler).collect();
            let handlers: Vec<String> = handlers.iter().map(|handler| format!("`{handler}`")).collect();
            Err(unsupported(&format!(
                "`{name}` has several handlers ({}), and a call by Fn's API names none: use `mu invoke` or its routes",
                handlers.join(", ")
            )))
        }
    }
}

fn no_engine(caller: &Caller, record: &FnRecord) -> ApiError {
    caller.to(record.name.as_str());
    let (name, image) = (&record.name, &record.image);
    unsupported(&format!(
        "this node has no engine for container images: fn `{name}` is kept with its image `{image}`, and cannot run here"
    ))
}

fn unsupported(message: &str) -> ApiError {
    ApiError::new(Kind::Unavailable, message).status(StatusCode::NOT_IMPLEMENTED).code("unsupported")
}

fn decoded(text: &str) -> Result<String, ApiError> {
    let decoded = percent_decode_str(text).decode_utf8();
    Ok(decoded.map_err(|_| ApiError::invalid("the path is not UTF-8"))?.into_owned())
}
