//! When a question is asked again: a pure decision.

use std::time::Duration;

use http::StatusCode;

/// How often something is asked at most.
const TRIES_MAX: u32 = 4;
/// How long to wait before the second try; twice as long before each one after it.
const DELAY_FIRST: Duration = Duration::from_millis(100);
/// The same when the node said that it is busy, and not for how long.
const BUSY_DELAY_FIRST: Duration = Duration::from_millis(500);
/// A node that wants to be left alone for longer is not waited for.
const DELAY_MAX: Duration = Duration::from_secs(30);

/// Whether a question may be asked again once the node may have got it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It changes nothing, or the node knows it when it comes again.
    MayBe,
    /// Only when the node answered that it is busy.
    IfRefused,
    /// It would be done twice.
    Never,
}

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The node was not reached.
    NotSent,
    /// The node may have got it, and its answer did not arrive.
    Lost,
    /// There is an answer.
    Answered { status: StatusCode, retry_after: Option<Duration> },
}

/// How long to wait before asking again after so many tries; `None` to stay with what there is.
pub(super) fn delay(tries: u32, repeat: Repeat, outcome: Outcome) -> Option<Duration> {
    if tries >= TRIES_MAX {
        return None;
    }
    let doubled = 1 << (tries - 1);
    let wait = match outcome {
        Outcome::NotSent => DELAY_FIRST * doubled,
        Outcome::Lost if repeat == Repeat::MayBe => DELAY_FIRST * doubled,
        Outcome::Answered { status, retry_after } if repeat != Repeat::Never => match (status, retry_after) {
            // A conflict with a time: the same order is under way.
            (StatusCode::CONFLICT, Some(wait)) => wait,
            (StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS, Some(wait)) => wait,
            (StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS, None) => BUSY_DELAY_FIRST * doubled,
            _ => return None,
        },
        Outcome::Lost | Outcome::Answered { .. } => return None,
    };
    (wait <= DELAY_MAX).then_some(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, retry_after_s: Option<u64>) -> Outcome {
        let retry_after = retry_after_s.map(Duration::from_secs);
        Outcome::Answered { status: StatusCode::from_u16(status).unwrap(), retry_after }
    }

    #[test]
    fn what_is_asked_again_and_when() {
        use Repeat::{IfRefused, MayBe, Never};
        for (tries, repeat, outcome, expected_ms) in [
            (1, MayBe, Outcome::NotSent, Some(100)),
            (3, MayBe, Outcome::NotSent, Some(400)),
            (4, MayBe, Outcome::NotSent, None),
            (1, Never, Outcome::NotSent, Some(100)),
            (2, MayBe, Outcome::Lost, Some(200)),
            (1, Never, Outcome::Lost, None),
            (1, IfRefused, Outcome::Lost, None),
            (1, IfRefused, answered(503, Some(2)), Some(2_000)),
            (1, MayBe, answered(200, None), None),
            (1, MayBe, answered(404, Some(1)), None),
            (1, MayBe, answered(409, None), None),
            (1, MayBe, answered(409, Some(2)), Some(2_000)),
            (1, MayBe, answered(429, Some(3)), Some(3_000)),
            (2, MayBe, answered(503, None), Some(1_000)),
            (1, MayBe, answered(503, Some(31)), None),
            (1, Never, answered(503, Some(1)), None),
            (1, MayBe, answered(500, None), None),
        ] {
            let expected = expected_ms.map(Duration::from_millis);
            assert_eq!(delay(tries, repeat, outcome), expected, "{tries} {repeat:?} {outcome:?}");
        }
    }
}
