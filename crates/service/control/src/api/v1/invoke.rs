//! Calls of handlers, without a route.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::found;
use crate::access::Action;
use crate::api::Control;
use crate::api::error::ApiError;
use crate::api::front::Caller;
use crate::api::input::At;
use crate::region::RegionCall;

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

/// Call a handler
///
/// The function is given the body, the headers and the query as they are; `mu-path-param=NAME=VALUE` in the query stands
/// for a parameter of a path and is not passed on. The answer is the function's, with its status.
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
    let (target, path_params) = split_query(caller.head.uri.query().unwrap_or_default());
    let mut request = http::Request::builder().method("POST").uri(target);
    for (name, value) in &caller.head.headers {
        if !is_of_the_api(name.as_str()) {
            request = request.header(name, value);
        }
    }
    let request = request.body(content).map_err(|e| ApiError::invalid(format!("the request: {e}")))?;
    let call = RegionCall { handler: path.handler, path_params, request };
    let response = control.region.invoke(&stack.id, call).await?;
    Ok(response.map(Body::new))
}

/// The target as the function sees it, and the parameters of a path.
fn split_query(query: &str) -> (String, Vec<(String, String)>) {
    let mut params = Vec::new();
    let mut left = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let param = pair.strip_prefix(PATH_PARAM).and_then(|rest| rest.strip_prefix('='));
        let decoded = param.and_then(|text| percent_encoding::percent_decode_str(text).decode_utf8().ok());
        match decoded.as_deref().and_then(|text| text.split_once('=')) {
            Some((name, value)) => params.push((name.to_owned(), value.to_owned())),
            None => left.push(pair),
        }
    }
    let query = left.join("&");
    (if query.is_empty() { "/".to_owned() } else { format!("/?{query}") }, params)
}

/// Headers that are meant for the API and not for the function: above all its credentials.
pub(in crate::api) fn is_of_the_api(name: &str) -> bool {
    matches!(
        name,
        "authorization" | "signature" | "signature-input" | "content-digest" | "idempotency-key" | "content-length"
            | "transfer-encoding" | "connection" | "expect"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_a_path_are_taken_out_of_the_query() {
        let (target, params) = split_query("a=1&mu-path-param=name%3DAda%20L&b=2&mu-path-param=x");
        assert_eq!(target, "/?a=1&b=2&mu-path-param=x");
        assert_eq!(params, [("name".to_owned(), "Ada L".to_owned())]);
        assert_eq!(split_query("").0, "/");
    }
}
