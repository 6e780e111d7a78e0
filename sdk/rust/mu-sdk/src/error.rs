//! The one error of functions.

use std::{error, fmt};

use mu_abi::{Response, Status};

use crate::respond::IntoResponse;

/// The result of most calls of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error that knows how to be answered: with a status, and a JSON object of a `code` and a `message`.
///
/// Those made with a status show their message to the caller. Any other error becomes one by `?`: its caller sees a 500
/// without details, and its text goes to the function's log, where the author finds it.
///
/// ```
/// # use mu_sdk::{Error, Result};
/// fn age(text: &str) -> Result<u8> {
///     let age = text.parse()?; // 500, details in the log
///     if age > 150 {
///         return Err(Error::bad_request(format!("nobody is {age} years old"))); // 400, details in the response
///     }
///     Ok(age)
/// }
/// ```
pub struct Error {
    status: Status,
    message: String,
    cause: Option<Box<dyn error::Error + Send + Sync>>,
}

/// What the caller sees of an error that was not meant for it.
const INTERNAL_MESSAGE: &str = "the function failed; its log says why";

// === impl Error ===

impl Error {
    /// An error that is answered with this status and message.
    pub fn new(status: Status, message: impl fmt::Display) -> Self {
        Self { status, message: message.to_string(), cause: None }
    }

    /// 400: the request is wrong.
    pub fn bad_request(message: impl fmt::Display) -> Self {
        Self::new(Status::BAD_REQUEST, message)
    }

    /// 401: who asks is unknown.
    pub fn unauthorized(message: impl fmt::Display) -> Self {
        Self::new(Status::UNAUTHORIZED, message)
    }

    /// 403: who asks must not.
    pub fn forbidden(message: impl fmt::Display) -> Self {
        Self::new(Status::FORBIDDEN, message)
    }

    /// 404: there is no such thing.
    pub fn not_found(message: impl fmt::Display) -> Self {
        Self::new(Status::NOT_FOUND, message)
    }

    /// 409: it is not as the caller believed.
    pub fn conflict(message: impl fmt::Display) -> Self {
        Self::new(Status::CONFLICT, message)
    }

    /// 500, with the details in the log and not in the response.
    pub fn internal(cause: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        Self { status: Status::INTERNAL_SERVER_ERROR, message: INTERNAL_MESSAGE.to_owned(), cause: Some(cause.into()) }
    }

    /// The status to answer with.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// What to tell the caller.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What lies behind, which is not told to the caller.
    #[must_use]
    pub fn cause(&self) -> Option<&(dyn error::Error + Send + Sync + 'static)> {
        self.cause.as_deref()
    }

    /// The word for the kind of error, which follows from the status.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self.status.code() {
            401 => "unauthenticated",
            402 | 429 => "exhausted",
            403 => "denied",
            404 => "not_found",
            405 => "method_not_allowed",
            409 => "conflict",
            413 => "too_large",
            415 => "unsupported_media_type",
            503 => "unavailable",
            504 => "timeout",
            400..=499 => "invalid",
            _ => "internal",
        }
    }
}

/// Any error of others, kept from the caller. This is why `Error` is not itself a [`std::error::Error`].
impl<E: error::Error + Send + Sync + 'static> From<E> for Error {
    fn from(cause: E) -> Self {
        Self::internal(cause)
    }
}

/// The whole truth, for logs: the cause and its causes, or the message if there is none.
impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(cause) = &self.cause else { return formatter.write_str(&self.message) };
        write!(formatter, "{cause}")?;
        let mut source = cause.source();
        while let Some(cause) = source {
            write!(formatter, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {self}", self.status)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        if self.cause.is_some() {
            log::error!("{self}");
        }
        let body = format!(r#"{{"code":"{}","message":{}}}"#, self.code(), JsonText(&self.message));
        Response::new(self.status).with_header("content-type", "application/json").with_body(body)
    }
}

/// Writes text as JSON does, so that errors need no JSON library.
struct JsonText<'a>(&'a str);

impl fmt::Display for JsonText<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        formatter.write_char('"')?;
        for character in self.0.chars() {
            match character {
                '"' => formatter.write_str("\\\"")?,
                '\\' => formatter.write_str("\\\\")?,
                '\u{0}'..='\u{1f}' => write!(formatter, "\\u{:04x}", u32::from(character))?,
                _ => formatter.write_char(character)?,
            }
        }
        formatter.write_char('"')
    }
}
