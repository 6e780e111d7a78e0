//! Points in time, as callers write them.

use mu_env::Timestamp;
use mu_stack::HumanDuration;

use super::error::{ApiError, shown};

/// Reads RFC 3339 in UTC (`2026-11-21T17:35:38.123Z`), a day (`2026-11-21`), or how long ago (`15m`).
pub(crate) fn parse_time(text: &str, now: Timestamp) -> Result<Timestamp, ApiError> {
    if let Ok(ago) = text.parse::<HumanDuration>() {
        let ago = ago.millis().saturating_mul(1_000);
        return Ok(Timestamp::from_micros(now.as_micros().saturating_sub(ago)));
    }
    text.parse().map_err(|_| {
        let what = "is no time: write RFC 3339 in UTC, as 2026-11-21T17:35:38Z, a day, or how long ago, as 15m";
        ApiError::invalid(format!("`{}` {what}", shown(text)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_absolute_or_relative() {
        let now = Timestamp::from_micros(1_795_283_738_123_000);
        for (text, expected) in [
            ("2026-11-21T17:55:38.123Z", Some("2026-11-21T17:55:38.123Z")),
            ("2026-11-21T17:55:38Z", Some("2026-11-21T17:55:38.000Z")),
            ("2026-11-21", Some("2026-11-21T00:00:00.000Z")),
            ("1h", Some("2026-11-21T16:55:38.123Z")),
            ("yesterday", None),
            ("2026-13-01", None),
        ] {
            assert_eq!(parse_time(text, now).ok().map(|time| time.to_string()).as_deref(), expected, "{text}");
        }
    }
}
