//! Durations as people write them: `500ms`, `30s`, `1m30s`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::size::split_number;

/// A duration in whole milliseconds, written with the units `ms s m h`, largest first: `500ms`, `30s`, `1h30m`.
///
/// A number without a unit is refused: the two common guesses, seconds and milliseconds, are a thousand times apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HumanDuration(u64);

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseDurationError {
    /// It isn't made of whole numbers with units.
    #[error("a duration is a whole number and a unit, like 500ms, 30s or 2m")]
    Number,
    /// A number has no unit.
    #[error("the duration `{number}` has no unit; use ms, s, m or h")]
    NoUnit {
        /// The number.
        number: String,
    },
    /// The unit is not known, or stands after a smaller one.
    #[error("unknown or misplaced unit `{unit}` of a duration; use h, m, s, ms, largest first")]
    Unit {
        /// What stands after the number.
        unit: String,
    },
    /// It is more than 2^64 - 1 milliseconds.
    #[error("the duration is too large to be counted")]
    Overflow,
}

const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl HumanDuration {
    /// The regular expression that schemas give for the text.
    pub const PATTERN: &str = "^([0-9]+ *h)? *([0-9]+ *m)? *([0-9]+ *s)? *([0-9]+ *ms)?$";

    /// That many milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// The whole milliseconds of a duration; what is longer than 2^64 - 1 of them becomes that.
    #[must_use]
    pub fn saturating_from(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    /// How many milliseconds it is.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// The same, for the standard library.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl FromStr for HumanDuration {
    type Err = ParseDurationError;

    fn from_str(text: &str) -> Result<Self, ParseDurationError> {
        let mut rest = text.trim();
        let mut units = UNITS.as_slice();
        let mut millis = 0_u64;
        if rest.is_empty() {
            return Err(ParseDurationError::Number);
        }
        while !rest.is_empty() {
            let (digits, after) = split_number(rest);
            if digits.is_empty() {
                return Err(ParseDurationError::Number);
            }
            let end = after.find(|character: char| !character.is_ascii_alphabetic()).unwrap_or(after.len());
            let (unit, next) = after.split_at(end);
            if unit.is_empty() {
                return Err(ParseDurationError::NoUnit { number: digits.chars().take(32).collect() });
            }
            let Some(index) = units.iter().position(|&(name, _)| name == unit) else {
                return Err(ParseDurationError::Unit { unit: unit.chars().take(32).collect() });
            };
            let number: u64 = digits.parse().map_err(|_| ParseDurationError::Overflow)?;
            let part = number.checked_mul(units[index].1).ok_or(ParseDurationError::Overflow)?;
            millis = millis.checked_add(part).ok_or(ParseDurationError::Overflow)?;
            units = &units[index + 1..];
            rest = next.trim_start();
        }
        Ok(Self(millis))
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        let mut text = String::new();
        for (name, scale) in UNITS {
            if rest >= scale {
                text.push_str(&format!("{}{name}", rest / scale));
                rest %= scale;
            }
        }
        f.pad(if text.is_empty() { "0s" } else { &text })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations() {
        for (text, millis) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("1m30s", 90_000),
            ("1m 30 s", 90_000),
            ("0s", 0),
        ] {
            assert_eq!(text.parse(), Ok(HumanDuration(millis)), "{text}");
        }
        for text in ["", "30", "s", "1.5s", "-1s", "30s1m", "1s1s", "1d", "1m30", "18446744073709551615s", "1S"] {
            assert!(text.parse::<HumanDuration>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(millis in any::<u64>()) {
            let duration = HumanDuration(millis);
            prop_assert_eq!(duration.to_string().parse::<HumanDuration>().unwrap(), duration);
        }
    }
}
