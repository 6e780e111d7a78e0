//! `/invoke` and `/t`: calls.
//!
//! A deployed function is called as it always is, with the request as it came. A fn that was made here names an image,
//! which is fetched when it is called for the first time.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderName, HeaderValue, StatusCode};
use mu_stack::{Function, HandlerName, HandlerRef, Route, Runtime};
use percent_encoding::percent_decode_str;
use tokio::sync::oneshot;

use super::apps::named;
use super::failures::in_fns_words;
use super::fns::{Found, called, find};
use super::input::whole;
use crate::access::Action;
use crate::api::Control;
use crate::api::error::{ApiError, Kind};
use crate::api::front::Caller;
use crate::api::input::At;
use crate::api::v1::invoke::{METHODS, is_of_the_api};
use crate::catalog::fns::{FnError, FnRecord};
use crate::catalog::{StackRecord, StackRef, StoredVersion};
use crate::region::{CallForm, Region, RegionBody, RegionCall, RegionError};

const FN_CALL_ID: HeaderName = HeaderName::from_static("fn-call-id");
const FN_INVOKE_TYPE: HeaderName = HeaderName::from_static("fn-invoke-type");

/// Calls a fn by its id.
pub(super) async fn invoke(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(id): At<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let callee = match find(&control, &caller, &id, Action::InvokeFunction).await? {
        Found::Made(record) => {
            let app = control.catalog.stack(&StackRef::Id(record.stack)).await?;
            Callee::Made(Box::new(app), record)
        }
        Found::Deployed(version, function) => Callee::Deployed(version, function),
    };
    call(&control, &caller, Called { callee, form: CallForm::Plain, path: "/".to_owned() }, request).await
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
    let (callee, path) = match found {
        // As Fn's own servers tell it.
        Found::Made(record) => (Callee::Made(Box::new(app), record), caller.head.uri.path()),
        // As a gateway would.
        Found::Deployed(version, function) => (Callee::Deployed(version, function), source),
    };
    call(&control, &caller, Called { callee, form: CallForm::Http, path: path.to_owned() }, request).await
}

/// What is called, and how.
struct Called {
    callee: Callee,
    form: CallForm,
    path: String,
}

/// What is called.
enum Callee {
    /// A fn that was made here, of an app whose configuration it has as well.
    Made(Box<StackRecord>, FnRecord),
    /// A function of the served version.
    Deployed(Box<StoredVersion>, Box<Function>),
}

async fn call(control: &Arc<Control>, caller: &Caller, called: Called, request: Request) -> Result<Response, ApiError> {
    let Called { callee, form, path } = called;
    let handler = match &callee {
        Callee::Made(_, record) => format!("{}.call", record.name),
        Callee::Deployed(_, function) if function.runtime == Runtime::Container => format!("{}.call", function.name),
        Callee::Deployed(version, function) => only_handler(version, function)?.to_string(),
    };
    caller.to(handler.split_once('.').map_or("", |(name, _)| name));
    if !METHODS.contains(request.method()) {
        let method = crate::api::error::shown(request.method().as_str());
        return Err(ApiError::new(Kind::MethodNotAllowed, format!("Method not allowed: {method}")));
    }
    let is_detached = match request.headers().get(FN_INVOKE_TYPE).map(HeaderValue::as_bytes) {
        None | Some(b"sync") => false,
        Some(b"detached") => true,
        Some(_) => return Err(ApiError::invalid("Fn-Invoke-Type is `sync` or `detached`")),
    };
    let target = match caller.head.uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    let mut to_function = http::Request::builder().method(request.method()).uri(target);
    for (name, value) in request.headers() {
        if !is_of_the_api(name.as_str()) {
            to_function = to_function.header(name, value);
        }
    }
    let content = whole(request).await?;
    let request = to_function.body(content).map_err(|error| ApiError::invalid(format!("the request: {error}")))?;
    let id = control.env.new_invocation_id();
    let call = RegionCall { id, handler, path_params: Vec::new(), form, begun: None, request };
    let mut response = match is_detached {
        true => detach(control, callee, call).await?,
        false => callee.perform(&*control.region, call).await.map_err(in_fns_words)?.map(Body::new),
    };
    if let Ok(id) = id.to_string().parse() {
        response.headers_mut().insert(FN_CALL_ID, id);
    }
    Ok(response)
}

impl Callee {
    async fn perform(&self, region: &dyn Region, call: RegionCall) -> Result<http::Response<RegionBody>, RegionError> {
        match self {
            Self::Made(app, record) => region.invoke_made(app, record, call).await,
            Self::Deployed(version, _) => region.invoke(&version.stack_id, call).await,
        }
    }
}

/// Answers as soon as the function begins to run, which then nobody waits for: what it answers is gone, and what it logs
/// stays. The node waits for it when it stops, but not for ever.
async fn detach(control: &Arc<Control>, callee: Callee, call: RegionCall) -> Result<Response, ApiError> {
    let (begun, has_begun) = oneshot::channel();
    let (ended, has_ended) = oneshot::channel();
    let call = RegionCall { begun: Some(begun), ..call };
    control.env.tasks().spawn({
        let control = Arc::clone(control);
        async move {
            let shutdown = control.env.tasks().shutdown();
            let too_late = async {
                shutdown.requested().await;
                tokio::time::sleep(control.settings.detached_drain).await;
            };
            tokio::select! {
                answer = callee.perform(&*control.region, call) => drop(ended.send(answer.map(drop))),
                () = too_late => {}
            }
        }
    });
    tokio::select! {
        biased;
        Ok(()) = has_begun => {}
        Ok(answer) = has_ended => answer.map_err(in_fns_words)?,
        else => return Err(ApiError::new(Kind::Unavailable, "the node is stopping")),
    }
    let mut accepted = Response::new(Body::empty());
    *accepted.status_mut() = StatusCode::ACCEPTED;
    Ok(accepted)
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

fn unsupported(message: &str) -> ApiError {
    ApiError::new(Kind::Unavailable, message).status(StatusCode::NOT_IMPLEMENTED).code("unsupported")
}

fn decoded(text: &str) -> Result<String, ApiError> {
    let decoded = percent_decode_str(text).decode_utf8();
    Ok(decoded.map_err(|_| ApiError::invalid("the path is not UTF-8"))?.into_owned())
}
