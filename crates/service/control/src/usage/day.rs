//! Days, by which usage is counted.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use mu_env::Timestamp;

const DAY_MICROS: u64 = 86_400_000_000;

/// A day in UTC, written `2026-11-21`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(u32);

/// The text is not a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a day is written YYYY-MM-DD, and is not before 1970-01-01")]
pub struct ParseDayError;

impl Day {
    /// The day of a time.
    #[must_use]
    pub fn of(time: Timestamp) -> Self {
        Self(u32::try_from(time.as_micros() / DAY_MICROS).unwrap_or(u32::MAX))
    }

    /// The day with this number: days since 1970-01-01.
    #[must_use]
    pub const fn from_number(number: u32) -> Self {
        Self(number)
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The day that was `days` before, at the earliest the first.
    #[must_use]
    pub const fn minus(self, days: u32) -> Self {
        Self(self.0.saturating_sub(days))
    }

    /// How long after `time` the day of that time ends.
    #[must_use]
    pub fn time_left(time: Timestamp) -> Duration {
        Duration::from_micros(DAY_MICROS - time.as_micros() % DAY_MICROS)
    }

    /// The days from `first` to this one; 0 when this one is before.
    #[must_use]
    pub(super) const fn days_since(self, first: Self) -> u32 {
        self.0.saturating_add(1).saturating_sub(first.0)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = Timestamp::from_micros(u64::from(self.0) * DAY_MICROS).to_string();
        f.pad(time.split('T').next().unwrap_or(&time))
    }
}

impl FromStr for Day {
    type Err = ParseDayError;

    fn from_str(text: &str) -> Result<Self, ParseDayError> {
        let day = number_of(text).map(Self).ok_or(ParseDayError)?;
        // What is no day of the calendar (`02-30`) is another one when it is written again.
        if day.to_string() == text { Ok(day) } else { Err(ParseDayError) }
    }
}

/// Days since the epoch, counted in 400-year eras that begin on 1 March, so that the leap day is the last of its year.
fn number_of(text: &str) -> Option<u32> {
    let mut parts = text.split('-').map(|part| part.parse::<u32>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || day > 31 {
        return None;
    }
    let year = if month > 2 { year } else { year - 1 };
    let (era, year_of_era) = (year / 400, year % 400);
    let shifted_month = (month + 9) % 12;
    let day_of_year = (153 * shifted_month + 2) / 5 + day.checked_sub(1)?;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_written_and_read() {
        for (number, text) in [
            (0, "1970-01-01"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (20_778, "2026-11-21"),
            (47_540, "2100-02-28"),
            (47_541, "2100-03-01"),
        ] {
            assert_eq!(Day::from_number(number).to_string(), text);
            assert_eq!(text.parse(), Ok(Day::from_number(number)));
        }
        for number in 0..100_000 {
            let day = Day::from_number(number);
            assert_eq!(day.to_string().parse(), Ok(day));
        }
        for bad in ["", "1969-12-31", "2026-02-30", "2026-13-01", "2026-00-01", "2026-01-00", "2026-1-1", "10000-01-01"]
        {
            assert_eq!(bad.parse::<Day>(), Err(ParseDayError), "{bad}");
        }
    }

    #[test]
    fn a_day_ends_at_midnight() {
        let last = Timestamp::from_micros(5 * DAY_MICROS - 1);
        assert_eq!((Day::of(last).number(), Day::time_left(last)), (4, Duration::from_micros(1)));
        let first = Timestamp::from_micros(5 * DAY_MICROS);
        assert_eq!((Day::of(first).number(), Day::time_left(first)), (5, Duration::from_secs(86_400)));
    }
}
