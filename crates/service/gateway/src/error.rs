//! Errors as clients see them: `{"code": "...", "message": "...", "details": {...}}`.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use mu_invoke::{InvokeError, Kind};
use serde_json::{Map, Value, json};

use crate::query::SHOWN_CHARS_MAX;
use crate::response::{ResponseBody, respond};

/// Why a client does not get what it asked for.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    details: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl ApiError {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            status: kind.http_status(),
            code: kind.as_str(),
            message: message.into(),
            details: Map::new(),
            headers: Vec::new(),
        }
    }

    /// With another status than the kind's own.
    pub(crate) fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// With a code that says more than the kind.
    pub(crate) fn code(mut self, code: &'static str) -> Self {
        self.code = code;
        self
    }

    /// With something that the client sent or may need. Text is cut at a hundred characters.
    pub(crate) fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        let value = match value.into() {
            Value::String(text) => Value::String(shown(&text)),
            other => other,
        };
        self.details.insert(name.to_owned(), value);
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn into_response(self) -> Response<ResponseBody> {
        let Self { status, code, message, details, headers } = self;
        let body = json!({ "code": code, "message": message, "details": details });
        let mut headers = HeaderMap::from_iter(headers);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        respond(status, headers, ResponseBody::whole(body.to_string()))
    }
}

impl From<InvokeError> for ApiError {
    fn from(error: InvokeError) -> Self {
        let mut api =
            Self::new(error.kind, error.message).code(error.code).detail("invocation", error.invocation.to_string());
        if let Some(delay) = error.retry_after {
            let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
            api = api.header(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        api
    }
}

/// Text of a client, short enough to be repeated to it.
pub(crate) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
