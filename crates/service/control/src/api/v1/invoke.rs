//! Calls of handlers, without a route.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::found;
use crate::access::Action;
use crate::api::Control;
use crate::api::error::{ApiError, shown};
use crate::api::front::Caller;
use crate::api::input::At;
use crate::region::{CallForm, RegionCall};

pub(super) fn router() -> OpenApiRouter<Arc<Control>> {
    OpenApiRouter::new().routes(routes!(invoke))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct HandlerPath {
    /// The stack's id or name.
    #[param(min_length = 1, max_length = 255, pattern = "^[A-Za-z0-9_-]+$")]
    stack: String,
    /// The handler: `function.handler`.
    #[param(min_length = 3, max_length = 511)]
    handler: String,
}

/// Parameters of the query that are not the function's.
const PATH_PARAM: &str = "mu-path-param";
const METHOD: &str = "mu-method";

/// Call a handler
///
/// The function is given the body, the headers and the query as they are; `mu-path-param=NAME=VALUE` in the query stands
/// for a parameter of a path, `mu-method=GET` for another method than POST, and neither is passed on. The answer is the function's, with its status.
#[utoipa::path(
    post, path = "/v1/stacks/{stack}/invoke/{handler}", tag = "invoke", params(HandlerPath),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = "2XX", description = "What the function answers", content_type = "*/*"),
        (status = "3XX", description = "What the function answers", content_type = "*/*"),
    ),
)]
async fn invoke(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<HandlerPath>,
    content: Bytes,
) -> Result<Response, ApiError> {
    let stack = found(&control, &caller, &path.stack, Action::InvokeFunction).await?;
    caller.to(path.handler.as_str());
    let Query { target, method, path_params } = Query::split(caller.head.uri.query().unwrap_or_default())?;
    let mut request = http::Request::builder().method(method).uri(target);
    for (name, value) in &caller.head.headers {
        if !is_of_the_api(name.as_str()) {
            request = request.header(name, value);
        }
    }
    let request = request.body(content).map_err(|e| ApiError::invalid(format!("the request: {e}")))?;
    let (id, form) = (control.env.new_invocation_id(), CallForm::Http);
    let call = RegionCall { id, handler: path.handler, path_params, form, begun: None, request };
    let response = control.region.invoke(&stack.id, call).await?;
    Ok(response.map(Body::new))
}

/// What the query of a request says.
#[derive(Debug, PartialEq, Eq)]
struct Query {
    /// The target as the function sees it.
    target: String,
    method: Method,
    path_params: Vec<(String, String)>,
}

impl Query {
    fn split(query: &str) -> Result<Self, ApiError> {
        let (mut method, mut path_params, mut left) = (Method::POST, Vec::new(), Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let decoded = url::form_urlencoded::parse(pair.as_bytes()).next();
            match decoded.as_ref().map(|(name, value)| (&**name, &**value)) {
                Some((METHOD, value)) => {
                    let known = Method::from_bytes(value.as_bytes()).ok().filter(|method| METHODS.contains(method));
                    method = known.ok_or_else(|| {
                        ApiError::invalid(format!("`{METHOD}={}` is not a method that functions know", shown(value)))
                    })?;
                }
                Some((PATH_PARAM, value)) => {
                    let (name, value) = value.split_once('=').ok_or_else(|| {
                        ApiError::invalid(format!("`{PATH_PARAM}={}` is to be NAME=VALUE", shown(value)))
                    })?;
                    path_params.push((name.to_owned(), value.to_owned()));
                }
                _ => left.push(pair),
            }
        }
        let query = left.join("&");
        let target = if query.is_empty() { "/".to_owned() } else { format!("/?{query}") };
        Ok(Self { target, method, path_params })
    }
}

/// The methods that routes can have.
pub(in crate::api) const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// Headers that are meant for the API and not for the function: above all its credentials. What no function is told, by
/// whatever way a request comes, the region takes out.
pub(in crate::api) fn is_of_the_api(name: &str) -> bool {
    matches!(
        name,
        "authorization"
            | "signature"
            | "signature-input"
            | "content-digest"
            | "idempotency-key"
            | "content-length"
            | "expect"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_apis_is_taken_out_of_the_query() {
        let split = |query| Query::split(query).map_err(|_| ());
        let of = |target: &str, method, params: &[(&str, &str)]| {
            let path_params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            Ok(Query { target: target.to_owned(), method, path_params })
        };
        for (query, expected) in [
            ("", of("/", Method::POST, &[])),
            ("a=1&mu-path-param=name%3DAda%20L&b=2", of("/?a=1&b=2", Method::POST, &[("name", "Ada L")])),
            ("mu-method=GET&mu-path-param=id%3Da+b&q=1%262", of("/?q=1%262", Method::GET, &[("id", "a b")])),
            ("mu-path-param=x", Err(())),
            ("mu-method=CONNECT", Err(())),
            ("mu-method=", Err(())),
        ] {
            assert_eq!(split(query), expected, "{query}");
        }
    }
}
