//! Cross-origin requests: preflights answered, permissions stated on every response of the gateway.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode};
use mu_invoke::{CorsPolicy, HeaderRule, OriginRule};
use mu_stack::MethodSet;

use crate::response::{ResponseBody, respond};

const ANY: HeaderValue = HeaderValue::from_static("*");
const TRUE: HeaderValue = HeaderValue::from_static("true");

/// The headers that state permissions.
const STATED: [HeaderName; 6] = [
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
    header::ACCESS_CONTROL_ALLOW_METHODS,
    header::ACCESS_CONTROL_ALLOW_HEADERS,
    header::ACCESS_CONTROL_MAX_AGE,
];

/// Whether a request asks for permission rather than for a resource.
pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to a preflight for a path that has the methods `allow`. Without permission it says nothing, and the
/// browser does not send the request.
pub(crate) fn preflight(policy: &CorsPolicy, request: &HeaderMap, allow: MethodSet) -> Response<ResponseBody> {
    let mut headers = HeaderMap::new();
    if permitted_origin(policy, request).is_some() {
        let methods = policy.methods.clone().unwrap_or_else(|| method_list(allow));
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        let asked = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
        let allowed = match &policy.headers {
            HeaderRule::Any => asked.cloned(),
            HeaderRule::Only(list) => list.clone(),
        };
        if let Some(allowed) = allowed {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
        }
        if let Some(seconds) = &policy.max_age_seconds {
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, seconds.clone());
        }
    }
    headers.append(header::VARY, HeaderValue::from_static("access-control-request-method"));
    headers.append(header::VARY, HeaderValue::from_static("access-control-request-headers"));
    respond(StatusCode::NO_CONTENT, headers, ResponseBody::nothing())
}

/// Takes back what a function stated on its response: where the gateway has rules, they alone count.
pub(crate) fn take_back(response: &mut HeaderMap) {
    for name in STATED {
        response.remove(name);
    }
}

/// States on a response what pages of the request's origin may do with it.
pub(crate) fn permit(policy: &CorsPolicy, origin: Option<HeaderValue>, response: &mut HeaderMap) {
    if matches!(policy.origins, OriginRule::Only(_)) {
        // Also without an origin: a cache must not give this response to another one.
        response.append(header::VARY, HeaderValue::from_static("origin"));
    }
    let Some(permitted) = origin.and_then(|origin| permitted(policy, origin)) else { return };
    response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, permitted);
    if policy.allows_credentials {
        response.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
    }
    if let Some(expose) = &policy.expose {
        response.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
    }
}

/// A set of methods as the value of a header.
pub(crate) fn method_list(methods: MethodSet) -> HeaderValue {
    HeaderValue::from_str(&methods.to_string()).expect("names of methods are fit for a header")
}

fn permitted_origin(policy: &CorsPolicy, request: &HeaderMap) -> Option<HeaderValue> {
    permitted(policy, request.get(header::ORIGIN)?.clone())
}

fn permitted(policy: &CorsPolicy, origin: HeaderValue) -> Option<HeaderValue> {
    match &policy.origins {
        OriginRule::Any => Some(ANY),
        OriginRule::Only(origins) => origins.contains(&origin).then_some(origin),
    }
}
