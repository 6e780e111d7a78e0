//! A request that matched a route: turned into an invocation, and its outcome into a response.

use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode, Uri, Version};
use http_body::Body as _;
use mu_invoke::{Cause, DeployedGateway, Deployment, Kind, Target};
use mu_runtime::{Form, Request};
use mu_stack::{Auth, PathTemplate};
use mu_telemetry::Limit;

use crate::auth::authenticate;
use crate::error::ApiError;
use crate::headers::{clean, join_cookies, remove_connection_headers, survey, survey_request};
use crate::query::parse_query;
use crate::request_body::request_body;
use crate::request_id::{X_MU_INVOCATION_ID, X_REQUEST_ID};
use crate::response::{ResponseBody, Traffic, respond};
use crate::service::{Received, Service, uri_bytes};

/// Where a request leads.
pub(crate) struct Matched<'a> {
    pub(crate) deployment: &'a Arc<Deployment>,
    pub(crate) gateway: &'a DeployedGateway,
    pub(crate) target: &'a Target,
    pub(crate) params: Vec<(&'a str, String)>,
    pub(crate) template: &'a PathTemplate,
    /// What callers must bring along.
    pub(crate) auth: &'a Auth,
    pub(crate) uri: &'a Uri,
    /// The path below the gateway.
    pub(crate) path: &'a str,
}

/// Invokes the handler. From here on the request is counted, also when it turns out to be malformed.
pub(crate) async fn call(service: &Service, matched: Matched<'_>, received: Received) -> Response<ResponseBody> {
    let (deployment, target) = (matched.deployment, matched.target);
    let (id, is_head) = (received.id, received.method == Method::HEAD);
    let mut traffic = Traffic::of_function(deployment.meter(), uri_bytes(matched.uri) as u64);
    let invocation = received.invocation.clone();
    let mut response = match prepare(service, matched, received, &mut traffic) {
        Err(error) => error.into_response(),
        Ok((request, cause)) => match service.invoker().invoke(deployment, target, cause, id, request).await {
            Err(error) => ApiError::from(error).into_response(),
            Ok(response) => finish(response, is_head),
        },
    };
    traffic.add(survey(response.headers()).bytes);
    response.headers_mut().insert(&X_MU_INVOCATION_ID, invocation);
    response.map(|body| body.counting(traffic))
}

/// Invokes the handler of a route that wants to know who calls, if that is someone whom it lets in.
pub(crate) async fn call_as(service: &Service, matched: Matched<'_>, mut received: Received) -> Response<ResponseBody> {
    let bytes = uri_bytes(matched.uri) as u64 + survey(&received.headers).bytes;
    match authenticate(service, matched.auth, matched.deployment.id(), matched.uri, &mut received).await {
        Ok(caller) => {
            received.caller = caller;
            call(service, matched, received).await
        }
        Err(error) => {
            // It reached the route, and is counted like one that turns out to be malformed.
            let mut traffic = Traffic::of_function(matched.deployment.meter(), bytes);
            let response = error.into_response();
            traffic.add(survey(response.headers()).bytes);
            response.map(|body| body.counting(traffic))
        }
    }
}

/// The request as the function sees it.
fn prepare(
    service: &Service,
    matched: Matched<'_>,
    received: Received,
    traffic: &mut Traffic,
) -> Result<(Request, Cause), ApiError> {
    let Matched { deployment, gateway, target, params, template, uri, path, .. } = matched;
    let Received { request_id, method, version, mut headers, caller, body, .. } = received;

    prepare_headers(&mut headers, version, uri, request_id, traffic)?;
    if let Some(caller) = &caller {
        caller.mark(&mut headers);
    }
    let query = uri.query().map(parse_query).transpose()?.unwrap_or_default();
    if let Some(body_bytes_max) = deployment.function(target).request_bytes_max()
        && body.size_hint().lower() > body_bytes_max
    {
        // There is no invocation whose receipt would tell.
        service.limit_hit(Limit::FunctionsRequestBytes);
        return Err(body_too_large(body_bytes_max));
    }
    let cause = Cause::Gateway { gateway: gateway.name().clone(), method: method.clone(), template: template.clone() };
    let request = Request {
        form: Form::Http,
        begun: None,
        method,
        path: path.to_owned(),
        path_params: params.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        query,
        raw_query: uri.query().map(str::to_owned),
        headers,
        body: request_body(body, deployment.meter(), service.config().body_pause_max),
    };
    Ok((request, cause))
}

/// Makes the headers of a request those that a function sees.
pub(crate) fn prepare_headers(
    headers: &mut HeaderMap,
    version: Version,
    uri: &Uri,
    request_id: HeaderValue,
    traffic: &mut Traffic,
) -> Result<(), ApiError> {
    let survey = survey_request(headers).map_err(|error| ApiError::new(Kind::Invalid, error.to_string()))?;
    traffic.add(survey.bytes);
    clean(headers, survey);
    if version == Version::HTTP_2 {
        join_cookies(headers);
        // HTTP/2 has the host in the URL; functions look for it where HTTP/1 has it.
        if let (None, Some(authority)) = (headers.get(header::HOST), uri.authority())
            && let Ok(host) = HeaderValue::from_str(authority.as_str())
        {
            headers.insert(header::HOST, host);
        }
    }
    headers.insert(&X_REQUEST_ID, request_id);
    Ok(())
}

/// Makes the function's response one that can be sent: its framing is the gateway's business.
pub(crate) fn finish(response: mu_runtime::Response, is_head: bool) -> Response<ResponseBody> {
    let mu_runtime::Response { status, mut headers, body } = response;
    if survey(&headers).has_connection_headers {
        remove_connection_headers(&mut headers);
    }
    let is_empty = body.is_end_stream();
    // Only the answer to `HEAD` may tell a length that is not that of its own body.
    if !(is_head && is_empty) {
        headers.remove(header::CONTENT_LENGTH);
    }
    let has_no_body = is_empty || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let body = if has_no_body { ResponseBody::nothing() } else { ResponseBody::stream(body) };
    respond(status, headers, body)
}

fn body_too_large(body_bytes_max: u64) -> ApiError {
    ApiError::new(Kind::TooLarge, format!("the request's body is larger than {body_bytes_max} bytes"))
        .code(mu_invoke::code::REQUEST_TOO_LARGE)
        .detail("limit_bytes", body_bytes_max)
}
