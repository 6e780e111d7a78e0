//! What handlers answer with.

use std::borrow::Cow;

use mu_abi::{Header, Response, Status};

/// What a handler may answer with: something that can become a response.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot become a response",
    label = "not a result of a handler",
    note = "results are `Response`, `Status`, `String`, `Vec<u8>`, `Json<T>`, `Html`, `()`, tuples of these and a \
            `Status` or headers, and `Result`s of these, with `mu_sdk::Error` as the error"
)]
pub trait IntoResponse {
    /// Makes the response.
    fn into_response(self) -> Response;
}

/// A body of HTML.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Html<T>(pub T);

const BINARY: &str = "application/octet-stream";
const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

fn ok(content_type: &str, body: impl Into<Vec<u8>>) -> Response {
    Response::new(Status::OK).with_header("content-type", content_type).with_body(body)
}

// === bodies ===

impl IntoResponse for Response {
    fn into_response(self) -> Response {
        self
    }
}

/// 204 No Content.
impl IntoResponse for () {
    fn into_response(self) -> Response {
        Response::new(Status::NO_CONTENT)
    }
}

/// The status, without a body.
impl IntoResponse for Status {
    fn into_response(self) -> Response {
        Response::new(self)
    }
}

impl IntoResponse for &str {
    fn into_response(self) -> Response {
        ok(TEXT, self)
    }
}

impl IntoResponse for String {
    fn into_response(self) -> Response {
        ok(TEXT, self)
    }
}

impl IntoResponse for Cow<'_, str> {
    fn into_response(self) -> Response {
        ok(TEXT, self.into_owned())
    }
}

impl<T: Into<String>> IntoResponse for Html<T> {
    fn into_response(self) -> Response {
        ok(HTML, self.0.into())
    }
}

impl IntoResponse for &[u8] {
    fn into_response(self) -> Response {
        ok(BINARY, self)
    }
}

impl<const N: usize> IntoResponse for &[u8; N] {
    fn into_response(self) -> Response {
        ok(BINARY, self)
    }
}

impl IntoResponse for Vec<u8> {
    fn into_response(self) -> Response {
        ok(BINARY, self)
    }
}

// === compounds ===

/// The body with another status.
impl<T: IntoResponse> IntoResponse for (T, Status) {
    fn into_response(self) -> Response {
        let (body, status) = self;
        Response { status, ..body.into_response() }
    }
}

/// The body with more headers. A name may be repeated, as `set-cookie` is; a content type replaces the body's own.
impl<T: IntoResponse> IntoResponse for (T, Vec<Header>) {
    fn into_response(self) -> Response {
        let (body, headers) = self;
        let mut response = body.into_response();
        let is_content_type = |header: &Header| header.name.eq_ignore_ascii_case("content-type");
        if headers.iter().any(is_content_type) {
            response.headers.retain(|header| !is_content_type(header));
        }
        response.headers.extend(headers);
        response
    }
}

/// The body with another status and more headers.
impl<T: IntoResponse> IntoResponse for (T, Status, Vec<Header>) {
    fn into_response(self) -> Response {
        let (body, status, headers) = self;
        ((body, headers), status).into_response()
    }
}

/// Either. An error that would be answered with success, as a mere text would, is answered with 500.
impl<T: IntoResponse, E: IntoResponse> IntoResponse for Result<T, E> {
    fn into_response(self) -> Response {
        match self {
            Ok(value) => value.into_response(),
            Err(error) => {
                let mut response = error.into_response();
                if response.status.is_success() {
                    response.status = Status::INTERNAL_SERVER_ERROR;
                }
                response
            }
        }
    }
}
