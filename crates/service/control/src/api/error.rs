//! Errors as callers of the management API see them: `{"code": "...", "message": "...", "details": {...}}`.

use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::front::Code;

/// Text of a caller that is repeated in a message is cut at so many characters.
const SHOWN_CHARS_MAX: usize = 100;

/// The body of every answer that is an error.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    /// What kind of error it is, for programs: `not_found`.
    code: String,
    /// What went wrong and what to do, for people.
    message: String,
    /// What belongs to the kind of error.
    #[schema(value_type = Object)]
    details: Map<String, Value>,
}

/// What kind of error it is, which says what the caller should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Mend the request.
    Invalid,
    /// Sign in.
    Unauthenticated,
    /// Ask for permission.
    Denied,
    /// Look at the name.
    NotFound,
    /// Use another method.
    MethodNotAllowed,
    /// Read again, then retry.
    Conflict,
    /// Send less.
    TooLarge,
    /// Say what the body is.
    MediaType,
    /// The request is understood, and what it asks for cannot run.
    NotLoadable,
    /// Wait: the quota is used up.
    Exhausted,
    /// Look at the function's log.
    FunctionFailed,
    /// Retry later.
    Unavailable,
    /// Report it.
    Internal,
}

/// Why a caller does not get what it asked for.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    body: ErrorBody,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl ApiError {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        let body = ErrorBody { code: kind.code().to_owned(), message: message.into(), details: Map::new() };
        Self { status: kind.status(), body, headers: Vec::new() }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, message)
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(Kind::Conflict, message)
    }

    /// A fault of the node: the caller is told that there is one, the operator's log what it is.
    pub(crate) fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a management request failed");
        Self::new(Kind::Internal, "the node failed; its log has the reason, under this request's id")
    }

    /// A fault that passes: the database is busy or away.
    pub(crate) fn unavailable(error: &dyn std::fmt::Display) -> Self {
        tracing::warn!(%error, "a management request could not be answered now");
        let message = "the node cannot answer at the moment: try again";
        Self::new(Kind::Unavailable, message).retry_after(std::time::Duration::from_secs(1))
    }

    pub(crate) fn is_not_found(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }

    pub(crate) fn is_too_large(&self) -> bool {
        self.status == StatusCode::PAYLOAD_TOO_LARGE
    }

    /// With a code that says more than the kind.
    pub(crate) fn code(mut self, code: impl Into<String>) -> Self {
        self.body.code = code.into();
        self
    }

    /// With another status than the kind's own.
    pub(crate) fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.body.details.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// With when to try again.
    pub(crate) fn retry_after(self, delay: std::time::Duration) -> Self {
        let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }
}

impl Kind {
    fn code(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Unauthenticated => "unauthenticated",
            Self::Denied => "denied",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Conflict => "conflict",
            Self::TooLarge => "too_large",
            Self::MediaType => "media_type",
            Self::NotLoadable => "not_loadable",
            Self::Exhausted => "exhausted",
            Self::FunctionFailed => "function_failed",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Invalid => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Denied => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NotLoadable => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Exhausted => StatusCode::TOO_MANY_REQUESTS,
            Self::FunctionFailed => StatusCode::BAD_GATEWAY,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let code = Code(self.body.code.clone());
        let mut response = (self.status, axum::Json(self.body)).into_response();
        response.extensions_mut().insert(code);
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.headers_mut().extend(self.headers);
        response
    }
}

/// A path that leads nowhere.
pub(crate) fn no_path(path: &str) -> ApiError {
    let message = format!("the management API has no path `{}`; GET /v1/openapi.json describes it", shown(path));
    ApiError::not_found(message)
}

/// A method that a path does not have.
pub(crate) fn no_method(method: &Method, path: &str) -> ApiError {
    let message = format!("`{}` cannot be asked with {}", shown(path), shown(method.as_str()));
    ApiError::new(Kind::MethodNotAllowed, message)
}

/// Text of a caller, short enough to be repeated to it.
pub(crate) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
