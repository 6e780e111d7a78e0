//! Times of scheduled triggers, as cron writes them.

use std::fmt;
use std::str::FromStr;

/// Five fields: minute, hour, day of the month, month, day of the week with Sunday 0. Each is a list of `*`, a number or a
/// range `a-b`; a `*` or a range may go in steps, `*/n` and `a-b/n`.
///
/// Checked and kept as it was written: nothing is run at these times yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron(String);

/// Why a text says no times.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// It doesn't have five fields.
    #[error("a schedule has 5 fields: minute, hour, day of the month, month, day of the week; this one has {count}")]
    Fields {
        /// How many it has.
        count: usize,
    },
    /// A part of a field is none of what it may be.
    #[error(
        "`{part}` of the {field} is not `*`, a number, a range `a-b`, or one of the first and the last with `/step`"
    )]
    Part {
        /// The field.
        field: &'static str,
        /// The start of the part.
        part: String,
    },
    /// A number that the field doesn't have.
    #[error("the {field} can't be {value}; it is from {least} to {most}")]
    Value {
        /// The field.
        field: &'static str,
        /// The number.
        value: u32,
        /// The least.
        least: u32,
        /// The most.
        most: u32,
    },
    /// A range that ends before it begins.
    #[error("the range `{part}` of the {field} ends before it begins")]
    Backwards {
        /// The field.
        field: &'static str,
        /// The range.
        part: String,
    },
    /// A step of no use.
    #[error("the step of `{part}` of the {field} is not from 1 to {most}")]
    Step {
        /// The field.
        field: &'static str,
        /// What it is in.
        part: String,
        /// The largest number of the field.
        most: u32,
    },
}

struct Field {
    name: &'static str,
    least: u32,
    most: u32,
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", least: 0, most: 59 },
    Field { name: "hour", least: 0, most: 23 },
    Field { name: "day of the month", least: 1, most: 31 },
    Field { name: "month", least: 1, most: 12 },
    Field { name: "day of the week", least: 0, most: 6 },
];

impl Cron {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        let written: Vec<&str> = text.split_ascii_whitespace().collect();
        if written.len() != FIELDS.len() {
            return Err(CronError::Fields { count: written.len() });
        }
        for (field, list) in FIELDS.iter().zip(&written) {
            list.split(',').try_for_each(|part| field.check(part))?;
        }
        Ok(Self(written.join(" ")))
    }
}

impl Field {
    fn check(&self, part: &str) -> Result<(), CronError> {
        let field = self.name;
        let shown = || part.chars().take(32).collect();
        let wrong = || CronError::Part { field, part: shown() };
        let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
        match range.split_once('-') {
            Some((from, to)) => {
                if self.value(from, wrong)? > self.value(to, wrong)? {
                    return Err(CronError::Backwards { field, part: shown() });
                }
            }
            None if range == "*" => {}
            None if step.is_some() => return Err(wrong()),
            None => drop(self.value(range, wrong)?),
        }
        let Some(step) = step else { return Ok(()) };
        match number(step).ok_or_else(wrong)? {
            step if (1..=self.most).contains(&step) => Ok(()),
            _ => Err(CronError::Step { field, part: shown(), most: self.most }),
        }
    }

    fn value(&self, text: &str, wrong: impl Fn() -> CronError) -> Result<u32, CronError> {
        let value = number(text).ok_or_else(wrong)?;
        if (self.least..=self.most).contains(&value) {
            return Ok(value);
        }
        Err(CronError::Value { field: self.name, value, least: self.least, most: self.most })
    }
}

/// A few digits.
fn number(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules() {
        for good in
            ["* * * * *", "0 0 1 1 0", "59 23 31 12 6", "*/5 0-6/2 1,15 * 1-5", "1,2-3,*/59 * * * *", "00 07 * * *"]
        {
            assert_eq!(good.parse::<Cron>().unwrap().as_str(), good);
        }
        assert_eq!(" 0\t7  * * 1 ".parse::<Cron>().unwrap().to_string(), "0 7 * * 1");
        for (bad, message) in [
            ("", "a schedule has 5 fields: minute, hour, day of the month, month, day of the week; this one has 0"),
            ("* * * *", "this one has 4"),
            ("* * * * * *", "this one has 6"),
            ("@daily", "this one has 1"),
            ("60 * * * *", "the minute can't be 60; it is from 0 to 59"),
            ("* 24 * * *", "the hour can't be 24; it is from 0 to 23"),
            ("* * 0 * *", "the day of the month can't be 0; it is from 1 to 31"),
            // The example of the first documentation.
            ("* * 12 45 *", "the month can't be 45; it is from 1 to 12"),
            ("* * * * 7", "the day of the week can't be 7; it is from 0 to 6"),
            ("* * * jan *", "`jan` of the month is not"),
            ("* * ? * *", "`?` of the day of the month is not"),
            ("5-1 * * * *", "the range `5-1` of the minute ends before it begins"),
            ("*/0 * * * *", "the step of `*/0` of the minute is not from 1 to 59"),
            ("* */24 * * *", "the step of `*/24` of the hour is not from 1 to 23"),
            ("5/2 * * * *", "`5/2` of the minute is not"),
            ("1,,2 * * * *", "`` of the minute is not"),
            ("-1 * * * *", "`-1` of the minute is not"),
            ("1-2-3 * * * *", "`1-2-3` of the minute is not"),
            ("+1 * * * *", "`+1` of the minute is not"),
            ("99999999999 * * * *", "`99999999999` of the minute is not"),
        ] {
            let error = bad.parse::<Cron>().unwrap_err().to_string();
            assert!(error.contains(message), "{bad}: {error}");
        }
    }
}
