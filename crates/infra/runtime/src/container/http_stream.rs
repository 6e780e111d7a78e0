//! Project Fn's `http-stream` contract: a call is `POST /call`, and HTTP travels in its headers.

use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode, Uri};
use http_body_util::Full;
use mu_env::{InvocationId, Timestamp};

use crate::message::check_head;
use crate::route_headers::name_handler;
use crate::{Failure, Form, Response, full_body};

const FN_CALL_ID: HeaderName = HeaderName::from_static("fn-call-id");
const FN_DEADLINE: HeaderName = HeaderName::from_static("fn-deadline");
const FN_INTENT: HeaderName = HeaderName::from_static("fn-intent");
const FN_HTTP_METHOD: HeaderName = HeaderName::from_static("fn-http-method");
const FN_HTTP_REQUEST_URL: HeaderName = HeaderName::from_static("fn-http-request-url");
const FN_HTTP_STATUS: HeaderName = HeaderName::from_static("fn-http-status");

/// Before the name of a header of the HTTP request or response that a call stands for.
const HTTP_HEADER_PREFIX: &str = "fn-http-h-";

/// What a function can be told only by the node.
const OWN_PREFIX: &str = "fn-";

/// A call's request without its body.
pub(super) struct Head<'a> {
    pub(super) form: Form,
    pub(super) handler: &'a str,
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) path_params: &'a [(String, String)],
    pub(super) raw_query: Option<&'a str>,
    pub(super) headers: HeaderMap,
}

/// The request that a function's container is sent.
///
/// # Errors
/// When the headers do not fit into a message.
pub(super) fn request(
    head: Head<'_>,
    body: Bytes,
    id: InvocationId,
    now: Timestamp,
    time_left: Duration,
) -> Result<http::Request<Full<Bytes>>, Failure> {
    let mut headers = match head.form {
        Form::Plain => plain_headers(head.headers),
        Form::Http => wrapped(head).ok_or_else(|| broken("headers"))?,
    };
    let text = |text: String| HeaderValue::from_str(&text).map_err(|_| broken("headers"));
    headers.insert(FN_CALL_ID, text(id.to_string())?);
    headers.insert(FN_DEADLINE, text(now.plus(time_left).to_string())?);
    headers.insert(header::HOST, HeaderValue::from_static("localhost"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    let mut request = http::Request::new(Full::new(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from_static("/call");
    *request.headers_mut() = headers;
    Ok(request)
}

/// Where a container's answer leads.
#[derive(Debug)]
pub(super) enum Answer {
    /// The function's own.
    Response(Response),
    /// The call failed; the container is as good as before.
    Failed(Failure),
    /// What it said is against the contract; it is not trusted with another call.
    Broken(Failure),
}

/// Understands a container's answer. The status is that of its FDK; that of the function travels in a header.
pub(super) fn answer(form: Form, status: StatusCode, headers: HeaderMap, body: Bytes, timeout: Duration) -> Answer {
    match status {
        StatusCode::OK => {}
        StatusCode::BAD_GATEWAY => return Answer::Failed(Failure::Fatal(text_of(&body))),
        StatusCode::GATEWAY_TIMEOUT => return Answer::Failed(Failure::TimedOut { timeout }),
        other => return Answer::Broken(Failure::InvalidResponse(format!("the status {other} of its FDK"))),
    }
    let header_bytes = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if let Err(failure) = check_head(headers.len(), header_bytes) {
        return Answer::Failed(failure);
    }
    let unwrapped = match form {
        Form::Plain => Ok((StatusCode::OK, without_connection(headers))),
        Form::Http => unwrapped(&headers),
    };
    match unwrapped {
        Ok((status, headers)) => Answer::Response(Response { status, headers, body: full_body(body) }),
        Err(failure) => Answer::Failed(failure),
    }
}

/// The headers of a plain call, less those that only the node may set.
fn plain_headers(headers: HeaderMap) -> HeaderMap {
    let mut headers = without_connection(headers);
    let is_own = |name: &&HeaderName| name.as_str().starts_with(OWN_PREFIX) && **name != FN_INTENT;
    let own: Vec<HeaderName> = headers.keys().filter(is_own).cloned().collect();
    for name in own {
        headers.remove(name);
    }
    headers
}

/// An HTTP request as headers of a call.
fn wrapped(head: Head<'_>) -> Option<HeaderMap> {
    let Head { handler, method, path, path_params, raw_query, mut headers, .. } = head;
    name_handler(&mut headers, handler, path_params)?;
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let query = raw_query.map(|query| format!("?{query}")).unwrap_or_default();
    let url = HeaderValue::from_str(&format!("http://{host}{path}{query}")).ok()?;
    let mut wrapped = HeaderMap::with_capacity(headers.len() + 8);
    for (name, value) in &headers {
        if name == header::CONTENT_TYPE {
            wrapped.try_append(name, value.clone()).ok()?;
        } else if name != header::CONTENT_LENGTH {
            let name = HeaderName::from_bytes(format!("{HTTP_HEADER_PREFIX}{name}").as_bytes()).ok()?;
            wrapped.try_append(name, value.clone()).ok()?;
        }
    }
    wrapped.insert(FN_INTENT, HeaderValue::from_static("httprequest"));
    wrapped.insert(FN_HTTP_METHOD, HeaderValue::from_str(method.as_str()).ok()?);
    wrapped.insert(FN_HTTP_REQUEST_URL, url);
    Some(wrapped)
}

/// The status and the headers of the HTTP response in those of a call's answer. Only what is marked as meant for the
/// client, and the content's type, is for the client.
fn unwrapped(headers: &HeaderMap) -> Result<(StatusCode, HeaderMap), Failure> {
    let status = match headers.get(FN_HTTP_STATUS) {
        None => StatusCode::OK,
        Some(value) => StatusCode::from_bytes(value.as_bytes())
            .ok()
            // 1xx are not final responses.
            .filter(|status| (200..1_000).contains(&status.as_u16()))
            .ok_or_else(|| Failure::InvalidResponse(format!("the invalid status {value:?} in {FN_HTTP_STATUS}")))?,
    };
    let mut response = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let meant = name.as_str().strip_prefix(HTTP_HEADER_PREFIX).filter(|name| !name.is_empty());
        let meant = meant.and_then(|name| HeaderName::from_bytes(name.as_bytes()).ok());
        if let Some(name) = meant.filter(|name| *name != header::CONTENT_LENGTH) {
            // A type among them is the HTTP response's own, and not that of the answer beside it.
            response.append(name, value.clone());
        }
    }
    if let (None, Some(kind)) = (response.get(header::CONTENT_TYPE), headers.get(header::CONTENT_TYPE)) {
        response.insert(header::CONTENT_TYPE, kind.clone());
    }
    Ok((status, without_connection(response)))
}

/// Less what is about the connection between the node and the container.
fn without_connection(mut headers: HeaderMap) -> HeaderMap {
    for name in [
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::HOST,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ] {
        headers.remove(name);
    }
    headers.remove("keep-alive");
    headers
}

/// What a failed function says, for its author.
fn text_of(body: &Bytes) -> String {
    let text = String::from_utf8_lossy(body);
    match text.trim() {
        "" => "it gave no reason".to_owned(),
        text => text.to_owned(),
    }
}

fn broken(what: &str) -> Failure {
    Failure::RequestBroken(format!("the request's {what} cannot be passed to the function"))
}

#[cfg(test)]
mod tests {
    use mu_env::Env;

    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let parsed = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        parsed.collect::<Vec<(HeaderName, HeaderValue)>>().into_iter().fold(
            HeaderMap::new(),
            |mut all, (name, value)| {
                all.append(name, value);
                all
            },
        )
    }

    fn lines(headers: &HeaderMap) -> Vec<String> {
        let mut lines: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort_unstable();
        lines
    }

    fn made(form: Form, pairs: &[(&str, &str)]) -> http::Request<Full<Bytes>> {
        let env = Env::simulated(1, Timestamp::from_micros(0));
        let head = Head {
            form,
            handler: "handle",
            method: &Method::PUT,
            path: "/a/%20b",
            path_params: &[("name".to_owned(), "\u{e9}".to_owned())],
            raw_query: Some("q=1"),
            headers: headers(pairs),
        };
        request(head, "body".into(), env.new_invocation_id(), env.now(), Duration::from_millis(1_500)).unwrap()
    }

    #[test]
    fn a_request_travels_in_headers() {
        let sent = [
            ("host", "shop.example"),
            ("content-type", "text/plain"),
            ("content-length", "4"),
            ("accept", "a"),
            ("accept", "b"),
            ("mu-handler", "forged"),
            ("fn-intent", "forged"),
        ];
        let made = made(Form::Http, &sent);
        assert_eq!((made.method(), made.uri().path()), (&Method::POST, "/call"));
        let lines = lines(made.headers());
        let lines: Vec<&str> = lines.iter().map(String::as_str).filter(|l| !l.starts_with("fn-call-id")).collect();
        assert_eq!(
            lines,
            [
                "content-length: 4",
                "content-type: text/plain",
                "fn-deadline: 1970-01-01T00:00:01.500Z",
                "fn-http-h-accept: a",
                "fn-http-h-accept: b",
                "fn-http-h-fn-intent: forged",
                "fn-http-h-host: shop.example",
                "fn-http-h-mu-handler: handle",
                "fn-http-h-mu-path-name: %C3%A9",
                "fn-http-method: PUT",
                "fn-http-request-url: http://shop.example/a/%20b?q=1",
                "fn-intent: httprequest",
                "host: localhost",
            ]
        );
    }

    #[test]
    fn a_plain_call_keeps_its_headers() {
        let sent = [("accept", "a"), ("fn-call-id", "forged"), ("fn-http-method", "forged"), ("connection", "close")];
        let lines = lines(made(Form::Plain, &sent).headers());
        let names: Vec<&str> = lines.iter().filter_map(|line| line.split(':').next()).collect();
        assert_eq!(names, ["accept", "content-length", "fn-call-id", "fn-deadline", "host"]);
        assert!(!lines.iter().any(|line| line.contains("forged")), "{lines:?}");
    }

    fn answered(form: Form, status: u16, pairs: &[(&str, &str)]) -> Answer {
        let status = StatusCode::from_u16(status).unwrap();
        answer(form, status, headers(pairs), "said".into(), Duration::from_secs(1))
    }

    #[test]
    fn a_response_is_what_is_marked_as_such() {
        let said = [
            ("fn-http-status", "201"),
            ("fn-http-h-set-cookie", "a"),
            ("fn-http-h-set-cookie", "b"),
            ("fn-http-h-connection", "close"),
            ("content-type", "text/plain"),
            ("fn-fdk-version", "1"),
            ("x-other", "1"),
        ];
        let Answer::Response(response) = answered(Form::Http, 200, &said) else { panic!("an answer") };
        assert_eq!(response.status, 201);
        assert_eq!(lines(&response.headers), ["content-type: text/plain", "set-cookie: a", "set-cookie: b"]);
        let Answer::Response(response) = answered(Form::Plain, 200, &said) else { panic!("an answer") };
        assert_eq!(response.status, 200);
        assert!(lines(&response.headers).contains(&"x-other: 1".to_owned()));
    }

    #[test]
    fn what_an_fdk_says_decides() {
        for (status, pairs, is_broken, message) in [
            (502, &[][..], false, "the function failed: said"),
            (504, &[], false, "the function did not answer within 1s (timeout)"),
            (500, &[], true, "the function answered with the status 500 Internal Server Error of its FDK"),
            (
                200,
                &[("fn-http-status", "99")],
                false,
                "the function answered with the invalid status \"99\" in fn-http-status",
            ),
            (
                200,
                &[("fn-http-status", "101")],
                false,
                "the function answered with the invalid status \"101\" in fn-http-status",
            ),
            (
                200,
                &[("fn-http-status", "x")],
                false,
                "the function answered with the invalid status \"x\" in fn-http-status",
            ),
        ] {
            let (found, failure) = match answered(Form::Http, status, pairs) {
                Answer::Failed(failure) => (false, failure),
                Answer::Broken(failure) => (true, failure),
                Answer::Response(_) => panic!("{message}"),
            };
            assert_eq!((found, failure.to_string().as_str()), (is_broken, message));
        }
    }
}
