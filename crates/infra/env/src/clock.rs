//! Wall-clock time that can be simulated.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Where the time comes from.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Simulated { origin: Instant, start: Timestamp },
}

impl Clock {
    pub(crate) fn system() -> Self {
        Self(Source::System)
    }

    pub(crate) fn simulated(start: Timestamp) -> Self {
        Self(Source::Simulated { origin: Instant::now(), start })
    }

    /// The current wall-clock time. It may step when an operator sets the clock: measure durations with
    /// [`Clock::instant`].
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => Timestamp::from(SystemTime::now()),
            Source::Simulated { origin, start } => start.plus(origin.elapsed()),
        }
    }

    /// A monotonic reading, for durations and deadlines; simulated together with tokio's time.
    #[must_use]
    pub fn instant(&self) -> Instant {
        Instant::now()
    }
}

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// A time from microseconds since the Unix epoch.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Milliseconds since the Unix epoch, rounded down.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000
    }

    /// This time, later by `duration` (saturating).
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }
}

/// RFC 3339 in UTC with milliseconds: `2026-11-21T17:35:38.123Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.as_millis();
        let (days, ms_of_day) = (millis / 86_400_000, millis % 86_400_000);
        let (year, month, day) = civil_from_days(days);
        let (h, m, s, ms) = (ms_of_day / 3_600_000, ms_of_day / 60_000 % 60, ms_of_day / 1_000 % 60, ms_of_day % 1_000);
        write!(f, "{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}.{ms:03}Z")
    }
}

/// A text is no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseTimestampError;

impl fmt::Display for ParseTimestampError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time is written as 2026-11-21T17:35:38.123Z, in UTC, or as a day")
    }
}

impl std::error::Error for ParseTimestampError {}

/// Reads RFC 3339 in UTC, with or without a fraction of the second, or a day, which stands for its first moment.
impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    fn from_str(text: &str) -> Result<Self, ParseTimestampError> {
        const SECOND: u64 = 1_000_000;
        let (date, time) = text.split_once('T').unwrap_or((text, "00:00:00Z"));
        let numbers = |text: &str, separator: char, lengths: [usize; 3]| -> Option<[u64; 3]> {
            let mut parts = text.split(separator);
            let mut next = |length| {
                let part: &str = parts.next()?;
                let is_number = part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
                if is_number { part.parse().ok() } else { None }
            };
            let found = [next(lengths[0])?, next(lengths[1])?, next(lengths[2])?];
            parts.next().is_none().then_some(found)
        };
        let parse = || {
            let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
            let days = days_from_civil(year, month, day)?;
            let time = time.strip_suffix('Z')?;
            let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
            let [hours, minutes, seconds] = numbers(time, ':', [2, 2, 2])?;
            let is_fraction = (1..=9).contains(&fraction.len()) && fraction.bytes().all(|byte| byte.is_ascii_digit());
            if hours > 23 || minutes > 59 || seconds > 59 || !is_fraction {
                return None;
            }
            let micros: u64 = format!("{fraction:0<6}")[..6].parse().ok()?;
            Some(Self::from_micros((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * SECOND + micros))
        };
        parse().ok_or(ParseTimestampError)
    }
}

/// A date from 1970 on to days since the epoch; the inverse of [`civil_from_days`].
fn days_from_civil(year: u64, month: u64, day: u64) -> Option<u64> {
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (shifted_year / 400, shifted_year % 400);
    let shifted_month = (month + 9) % 12;
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = (era * 146_097 + day_of_era).checked_sub(719_468)?;
    // A day that its month does not have comes back as another one.
    (civil_from_days(days) == (year, month, day)).then_some(days)
}

/// Days since the epoch to a date of the proleptic Gregorian calendar, by counting in 400-year eras that begin on
/// 1 March, so that the leap day is the last of its year.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_rfc_3339() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_210_096_789, "2024-02-29T12:34:56.789Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
        ] {
            assert_eq!(Timestamp::from_micros(millis * 1_000).to_string(), text);
        }
    }

    #[test]
    fn reads_what_it_prints() {
        for (text, printed) in [
            ("2024-02-29T12:34:56.789Z", Some("2024-02-29T12:34:56.789Z")),
            ("2024-02-29T12:34:56Z", Some("2024-02-29T12:34:56.000Z")),
            ("2024-02-29T12:34:56.789123456Z", Some("2024-02-29T12:34:56.789Z")),
            ("1970-01-01", Some("1970-01-01T00:00:00.000Z")),
            ("2100-12-31", Some("2100-12-31T00:00:00.000Z")),
            ("2023-02-29", None),
            ("2024-13-01", None),
            ("2024-1-01", None),
            ("1969-12-31", None),
            ("2024-02-29T24:00:00Z", None),
            ("2024-02-29T12:34:56+01:00", None),
            ("2024-02-29T12:34Z", None),
            ("2024-02-29T12:34:56.Z", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(text.parse::<Timestamp>().ok().map(|time| time.to_string()).as_deref(), printed, "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn simulated_time_follows_tokio() {
        let clock = Clock::simulated(Timestamp::from_micros(5));
        assert_eq!(clock.now().as_micros(), 5);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(clock.now().as_micros(), 2_000_005);
    }
}
