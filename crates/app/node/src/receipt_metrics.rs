//! What the end of an invocation adds to the metrics.

use mu_invoke::{Receipt, Verdict, code};
use mu_telemetry::{FunctionMetrics, Limit, Metrics, Outcome};

/// Counts an invocation that ended: how, how long it took, what it used, and the limit that ended it, if one did.
pub fn record_receipt(metrics: &Metrics, function: &FunctionMetrics, receipt: &Receipt) {
    function.ended(outcome(receipt.verdict), receipt.waited, receipt.duration);
    function.used(&receipt.usage);
    if let Verdict::Failed(code) | Verdict::Rejected(code) | Verdict::Refused(code) = receipt.verdict
        && let Some(limit) = limit(code)
    {
        metrics.limit_hit(limit);
    }
}

fn outcome(verdict: Verdict) -> Outcome {
    match verdict {
        Verdict::Answered(status) => Outcome::of_status(status.as_u16()),
        Verdict::Failed(code::TIMED_OUT | code::OUT_OF_INSTRUCTIONS) => Outcome::TimedOut,
        Verdict::Failed(code::REQUEST_TOO_LARGE | code::NO_ROOM) | Verdict::Rejected(_) | Verdict::Refused(_) => {
            Outcome::Rejected
        }
        // The caller ended within its own body.
        Verdict::Failed(code::REQUEST_BROKEN) | Verdict::Abandoned => Outcome::Abandoned,
        Verdict::Failed(code::LOAD_FAILED | code::INTERNAL) => Outcome::Internal,
        Verdict::Failed(_) => Outcome::Failed,
    }
}

fn limit(code: &str) -> Option<Limit> {
    Some(match code {
        code::QUEUE_FULL => Limit::FunctionsQueue,
        code::QUEUE_TIMED_OUT => Limit::FunctionMaxConcurrency,
        code::NO_ROOM => Limit::WasmInstances,
        code::TIMED_OUT => Limit::FunctionTimeout,
        code::OUT_OF_INSTRUCTIONS => Limit::FunctionMaxInstructions,
        code::REQUEST_TOO_LARGE => Limit::FunctionsRequestBytes,
        code::OUTPUT_TOO_LARGE => Limit::FunctionsResponseBytes,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn verdicts_are_counted_by_who_has_to_act() {
        for (verdict, expected, hit) in [
            (Verdict::Answered(StatusCode::NO_CONTENT), Outcome::Ok, None),
            (Verdict::Answered(StatusCode::NOT_FOUND), Outcome::ClientError, None),
            (Verdict::Answered(StatusCode::BAD_GATEWAY), Outcome::ServerError, None),
            (Verdict::Failed(code::FUNCTION_TRAPPED), Outcome::Failed, None),
            (Verdict::Failed(code::OUTPUT_TOO_LARGE), Outcome::Failed, Some("functions.response_bytes_max")),
            (Verdict::Failed(code::TIMED_OUT), Outcome::TimedOut, Some("function.timeout")),
            (Verdict::Failed(code::OUT_OF_INSTRUCTIONS), Outcome::TimedOut, Some("function.max_instructions")),
            (Verdict::Failed(code::REQUEST_TOO_LARGE), Outcome::Rejected, Some("functions.request_bytes_max")),
            (Verdict::Failed(code::NO_ROOM), Outcome::Rejected, Some("wasm.instances")),
            (Verdict::Failed(code::REQUEST_BROKEN), Outcome::Abandoned, None),
            (Verdict::Failed(code::INTERNAL), Outcome::Internal, None),
            (Verdict::Rejected(code::QUEUE_FULL), Outcome::Rejected, Some("functions.queue_max")),
            (Verdict::Rejected(code::QUEUE_TIMED_OUT), Outcome::Rejected, Some("function.max_concurrency")),
            (Verdict::Abandoned, Outcome::Abandoned, None),
        ] {
            assert_eq!(outcome(verdict), expected, "{verdict:?}");
            if let Verdict::Failed(code) | Verdict::Rejected(code) = verdict {
                assert_eq!(limit(code).map(Limit::as_str), hit, "{verdict:?}");
            }
        }
    }
}
