//! Why an invocation has no answer, as its caller sees it.

use std::fmt;
use std::time::Duration;

use mu_env::InvocationId;
use mu_runtime::Failure;

use crate::config::FailureDetail;

/// What kind of failure it was: each kind tells the caller what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request is malformed: fix it.
    Invalid,
    /// The request does not say who sends it: sign in.
    Unauthenticated,
    /// Whoever sends it may not: ask for permission.
    Denied,
    /// Nothing has this name: check it.
    NotFound,
    /// The path exists, with other methods.
    MethodNotAllowed,
    /// The request, or its body, is over a limit: send less.
    TooLarge,
    /// There is too much of it at the moment: wait.
    Exhausted,
    /// The function is at fault: look at its log.
    FunctionFailed,
    /// There is no room at the moment: try again.
    Unavailable,
    /// The function took longer, or executed more, than it may: try again or raise the limit.
    Timeout,
    /// The node is at fault: report it.
    Internal,
}

impl Kind {
    /// The kind's name in snake case, as it stands in errors of APIs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Unauthenticated => "unauthenticated",
            Self::Denied => "denied",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::TooLarge => "too_large",
            Self::Exhausted => "exhausted",
            Self::FunctionFailed => "function_failed",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Internal => "internal",
        }
    }

    /// The HTTP status that says the same.
    #[must_use]
    pub const fn http_status(self) -> http::StatusCode {
        use http::StatusCode as Status;
        match self {
            Self::Invalid => Status::BAD_REQUEST,
            Self::Unauthenticated => Status::UNAUTHORIZED,
            Self::Denied => Status::FORBIDDEN,
            Self::NotFound => Status::NOT_FOUND,
            Self::MethodNotAllowed => Status::METHOD_NOT_ALLOWED,
            Self::TooLarge => Status::PAYLOAD_TOO_LARGE,
            Self::Exhausted => Status::TOO_MANY_REQUESTS,
            Self::FunctionFailed => Status::BAD_GATEWAY,
            Self::Unavailable => Status::SERVICE_UNAVAILABLE,
            Self::Timeout => Status::GATEWAY_TIMEOUT,
            Self::Internal => Status::INTERNAL_SERVER_ERROR,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An invocation that ended without a response of its function.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct InvokeError {
    /// What kind of failure it was.
    pub kind: Kind,
    /// Which failure of that kind, in snake case: one of the constants of [`code`].
    pub code: &'static str,
    /// What happened, fit to be shown to whoever called.
    pub message: String,
    /// The invocation, by which its log is found.
    pub invocation: InvocationId,
    /// When trying again may help.
    pub retry_after: Option<Duration>,
}

/// The codes of failures, in errors and in receipts.
pub mod code {
    /// The function said that it cannot go on, or panicked.
    pub const FUNCTION_FAILED: &str = "function_failed";
    /// The function trapped.
    pub const FUNCTION_TRAPPED: &str = "function_trapped";
    /// The function ended without a result.
    pub const NO_RESULT: &str = "function_gave_no_result";
    /// The function wrote something that is not a message of the protocol.
    pub const PROTOCOL: &str = "function_broke_protocol";
    /// The function's response is not valid HTTP.
    pub const INVALID_RESPONSE: &str = "function_response_invalid";
    /// The function's container ended before it was ready for calls.
    pub const NOT_STARTED: &str = "function_not_started";
    /// The function's container was not ready for calls in time.
    pub const START_TIMED_OUT: &str = "function_start_timed_out";
    /// The function wrote more than it may.
    pub const OUTPUT_TOO_LARGE: &str = "function_output_too_large";
    /// The function's response has more, or larger, headers than it may.
    pub const HEAD_TOO_LARGE: &str = "function_head_too_large";
    /// The instruction budget is used up.
    pub const OUT_OF_INSTRUCTIONS: &str = "out_of_instructions";
    /// The wall-clock time is over.
    pub const TIMED_OUT: &str = "timed_out";
    /// The request's body is over the limit.
    pub const REQUEST_TOO_LARGE: &str = "request_too_large";
    /// The request's body could not be read.
    pub const REQUEST_BROKEN: &str = "request_broken";
    /// Too many calls of the function wait already.
    pub const QUEUE_FULL: &str = "queue_full";
    /// No call of the function ended in time to make room for this one.
    pub const QUEUE_TIMED_OUT: &str = "queue_timed_out";
    /// The node has no room for another instance.
    pub const NO_ROOM: &str = "no_room";
    /// The stack, or its owner, has more invocations in a second than it may have.
    pub const RATE_LIMITED: &str = "rate_limited";
    /// The stack, or its owner, has as many invocations at once as it may have.
    pub const TOO_MANY_CALLS: &str = "too_many_calls";
    /// The stack, or its owner, has used its instructions of the day.
    pub const INSTRUCTIONS_USED_UP: &str = "instructions_used_up";
    /// The stack is dormant and could not be loaded now.
    pub const NOT_LOADED: &str = "not_loaded";
    /// The function's code could not be loaded again.
    pub const LOAD_FAILED: &str = "load_failed";
    /// The node is at fault.
    pub const INTERNAL: &str = "internal";
}

/// How long a caller is asked to wait when there was no room.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

impl InvokeError {
    /// What the caller is told of a failure. The function's own words are for its author's log; the caller hears them
    /// only when `detail` says so.
    pub(crate) fn from_failure(failure: &Failure, invocation: InvocationId, detail: FailureDetail) -> Self {
        let (kind, code) = classify(failure);
        let message = match (kind, detail) {
            (Kind::FunctionFailed, FailureDetail::Hidden) => {
                format!("the function failed; its log has the reason under invocation {invocation}")
            }
            (Kind::Internal, FailureDetail::Hidden) => {
                format!("the node could not run the function; report invocation {invocation}")
            }
            _ => failure_text(failure),
        };
        let retry_after = (kind == Kind::Unavailable).then_some(RETRY_AFTER);
        Self { kind, code, message, invocation, retry_after }
    }
}

/// How much of a failure's text is kept, in bytes. A function may say as much as a message holds when it fails, while
/// logs and responses are limited.
const FAILURE_TEXT_BYTES_MAX: usize = 8 * 1024;

/// What a failure says, cut with a notice when it says too much.
pub(crate) fn failure_text(failure: &Failure) -> String {
    let mut text = failure.to_string();
    let end = text.floor_char_boundary(FAILURE_TEXT_BYTES_MAX);
    let left_out_bytes = text.len() - end;
    if left_out_bytes > 0 {
        text.truncate(end);
        text.push_str(&format!("… ({left_out_bytes} bytes more)"));
    }
    text
}

/// The kind and the code of a failure.
pub(crate) fn classify(failure: &Failure) -> (Kind, &'static str) {
    match failure {
        Failure::Fatal(_) => (Kind::FunctionFailed, code::FUNCTION_FAILED),
        Failure::Trap(_) => (Kind::FunctionFailed, code::FUNCTION_TRAPPED),
        Failure::NoResult(_) => (Kind::FunctionFailed, code::NO_RESULT),
        Failure::Protocol(_) => (Kind::FunctionFailed, code::PROTOCOL),
        Failure::InvalidResponse(_) => (Kind::FunctionFailed, code::INVALID_RESPONSE),
        Failure::OutputTooLarge { what: "response head", .. } => (Kind::FunctionFailed, code::HEAD_TOO_LARGE),
        Failure::OutputTooLarge { .. } => (Kind::FunctionFailed, code::OUTPUT_TOO_LARGE),
        Failure::InstructionsExhausted { .. } => (Kind::Timeout, code::OUT_OF_INSTRUCTIONS),
        Failure::TimedOut { .. } => (Kind::Timeout, code::TIMED_OUT),
        Failure::RequestTooLarge { .. } => (Kind::TooLarge, code::REQUEST_TOO_LARGE),
        Failure::RequestBroken(_) => (Kind::Invalid, code::REQUEST_BROKEN),
        Failure::NotStarted(_) => (Kind::FunctionFailed, code::NOT_STARTED),
        Failure::StartTimedOut { .. } => (Kind::Timeout, code::START_TIMED_OUT),
        Failure::NoRoom => (Kind::Unavailable, code::NO_ROOM),
        Failure::Load(_) => (Kind::Internal, code::LOAD_FAILED),
        Failure::Internal(_) => (Kind::Internal, code::INTERNAL),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use mu_env::{Env, Timestamp};
    use mu_runtime::LoadError;

    use super::*;

    #[test]
    fn every_failure_has_a_kind_a_code_and_a_message_that_tells_no_secrets() {
        let secret = || "secret".to_owned();
        let timeout = Duration::from_secs(30);
        let read = || LoadError::Read(io::Error::other("secret"));
        for (failure, status, code) in [
            (Failure::Fatal(secret()), 502, "function_failed"),
            (Failure::Trap(secret()), 502, "function_trapped"),
            (Failure::NoResult(secret()), 502, "function_gave_no_result"),
            (Failure::Protocol(secret()), 502, "function_broke_protocol"),
            (Failure::InvalidResponse(secret()), 502, "function_response_invalid"),
            (Failure::OutputTooLarge { what: "response", limit_bytes: 1 }, 502, "function_output_too_large"),
            (Failure::OutputTooLarge { what: "response head", limit_bytes: 1 }, 502, "function_head_too_large"),
            (Failure::InstructionsExhausted { limit: 1 }, 504, "out_of_instructions"),
            (Failure::TimedOut { timeout }, 504, "timed_out"),
            (Failure::RequestTooLarge { limit_bytes: 1 }, 413, "request_too_large"),
            (Failure::RequestBroken("it stopped".to_owned()), 400, "request_broken"),
            (Failure::NotStarted(secret()), 502, "function_not_started"),
            (Failure::StartTimedOut { patience: timeout }, 504, "function_start_timed_out"),
            (Failure::NoRoom, 503, "no_room"),
            (Failure::Load(read()), 500, "load_failed"),
            (Failure::Internal(secret()), 500, "internal"),
        ] {
            let id = Env::simulated(1, Timestamp::from_micros(0)).new_invocation_id();
            let hidden = InvokeError::from_failure(&failure, id, FailureDetail::Hidden);
            assert_eq!((hidden.kind.http_status().as_u16(), hidden.code), (status, code));
            assert!(!hidden.message.contains("secret"), "{}", hidden.message);
            assert_eq!(hidden.retry_after.is_some(), hidden.kind == Kind::Unavailable);
            let shown = InvokeError::from_failure(&failure, id, FailureDetail::Shown);
            assert_eq!(shown.message, failure.to_string());
        }
    }

    #[test]
    fn a_long_failure_is_cut_between_characters() {
        let prefix_bytes = "the function failed: ".len();
        let fits = FAILURE_TEXT_BYTES_MAX - prefix_bytes;
        for (said, kept_bytes, notice) in [
            ("a".repeat(fits), FAILURE_TEXT_BYTES_MAX, None),
            ("a".repeat(fits + 1), FAILURE_TEXT_BYTES_MAX, Some("… (1 bytes more)")),
            // The last character would begin within the limit and end behind it.
            ("a".repeat(fits - 1) + "é", FAILURE_TEXT_BYTES_MAX - 1, Some("… (2 bytes more)")),
        ] {
            let failure = Failure::Fatal(said);
            let expected = failure.to_string()[..kept_bytes].to_owned() + notice.unwrap_or_default();
            assert_eq!(failure_text(&failure), expected);
            let id = Env::simulated(1, Timestamp::from_micros(0)).new_invocation_id();
            assert_eq!(InvokeError::from_failure(&failure, id, FailureDetail::Shown).message, expected);
        }
    }
}
