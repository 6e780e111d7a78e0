//! Failures of calls in Fn's words, which its clients know.

use std::time::Duration;

use crate::api::error::{ApiError, Kind};
use crate::region::RegionError;

/// How long Fn asks to wait when there was no room.
const BUSY_RETRY_AFTER: Duration = Duration::from_secs(15);

const TOO_LARGE: &str = "Request content too large";

/// What Fn calls a failure that we have a code for. What is not here is told in our words.
const WORDS: [(&str, &str); 18] = [
    ("function_failed", "function failed"),
    ("function_trapped", "function failed"),
    ("out_of_instructions", "function failed"),
    ("function_gave_no_result", "error receiving function response"),
    ("function_broke_protocol", "invalid function response"),
    ("function_response_invalid", "invalid function response"),
    ("function_output_too_large", "function response body too large"),
    ("function_head_too_large", "function response header too large"),
    (
        "function_not_started",
        "Container failed to initialize, please ensure you are using the latest fdk and check the logs",
    ),
    (
        "function_start_timed_out",
        "Container initialization timed out, please ensure you are using the latest fdk and check the logs",
    ),
    ("timed_out", "Timed out"),
    ("request_too_large", TOO_LARGE),
    ("queue_full", "Timed out - server too busy"),
    ("queue_timed_out", "Timed out - server too busy"),
    ("no_room", "Timed out - server too busy"),
    ("image_timed_out", "Image pull timed out"),
    ("memory_unavailable", "Requested CPU/Memory cannot be allocated"),
    ("too_many_calls", "Too many requests submitted"),
];

/// The error as Fn's clients know it.
pub(super) fn in_fns_words(error: RegionError) -> ApiError {
    let RegionError::Call { status, code, message, retry_after } = error else { return error.into() };
    let words = WORDS.iter().find(|(known, _)| *known == code).map(|(_, words)| (*words).to_owned());
    // What a function uses up is its own failure to Fn, and no matter of time.
    let status = if code == "out_of_instructions" { 502 } else { status };
    let is_busy = words.as_deref() == Some("Timed out - server too busy");
    let retry_after = if is_busy { Some(BUSY_RETRY_AFTER) } else { retry_after };
    RegionError::Call { status, code, message: words.unwrap_or(message), retry_after }.into()
}

/// The body of a request is too large for any function.
pub(in crate::api) fn too_large() -> ApiError {
    ApiError::new(Kind::TooLarge, TOO_LARGE)
}
