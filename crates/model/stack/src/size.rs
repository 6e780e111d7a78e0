//! Sizes in bytes as people write them: `64MiB`, `128 MB`, `4096`.

use std::fmt;
use std::str::FromStr;

/// A number of bytes. Text has an optional unit: `B`, decimal `kB MB GB TB` or binary `KiB MiB GiB TiB`, in any case.
///
/// `M` alone is refused: half of its readers would take it for the other kind of megabyte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

/// Why a text is not a size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseSizeError {
    /// It doesn't start with a whole number.
    #[error("a size is a whole number and a unit, like 64MiB")]
    Number,
    /// The unit is not known.
    #[error("unknown unit `{unit}` of a size; use B, KiB, MiB, GiB, TiB, kB, MB, GB or TB")]
    Unit {
        /// What stands after the number.
        unit: String,
    },
    /// It is more than 2^64 - 1 bytes.
    #[error("the size is too large to be counted")]
    Overflow,
}

const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

impl ByteSize {
    /// The regular expression that schemas give for the text.
    pub const PATTERN: &str = "^[0-9]+ *(([KMGTkmgt][Ii]?)?[Bb])?$";

    /// That many bytes.
    #[must_use]
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// How many bytes it is.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = ParseSizeError;

    fn from_str(text: &str) -> Result<Self, ParseSizeError> {
        let (digits, unit) = split_number(text);
        if digits.is_empty() {
            return Err(ParseSizeError::Number);
        }
        let number: u64 = digits.parse().map_err(|_| ParseSizeError::Overflow)?;
        let scale = match unit {
            "" => 1,
            _ => UNITS
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(unit))
                .map(|&(_, scale)| scale)
                .ok_or_else(|| ParseSizeError::Unit { unit: unit.chars().take(32).collect() })?,
        };
        number.checked_mul(scale).map(Self).ok_or(ParseSizeError::Overflow)
    }
}

/// Prints the largest unit that divides it: `64MiB`, `1GB`, `1025B`.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = |&&(_, scale): &&(&str, u64)| self.0 >= scale && self.0.is_multiple_of(scale);
        let text = match UNITS.iter().find(exact) {
            Some((name, scale)) => format!("{}{name}", self.0 / scale),
            None => format!("{}B", self.0),
        };
        f.pad(&text)
    }
}

/// Splits `128 MB` into `128` and `MB`.
pub(crate) fn split_number(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    (digits, unit.trim_start())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("64MiB", 64 << 20),
            ("128 MB", 128_000_000),
            ("1gib", 1 << 30),
            ("2 kb", 2000),
            ("7B", 7),
            (" 7 ", 7),
            ("8TiB", 8 << 40),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        for text in ["", "MiB", "-1", "1.5GiB", "1M", "1 Mi B", "1e3", "18446744073709551616", "17179869184GiB", "٣MB"]
        {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(bytes in any::<u64>()) {
            let size = ByteSize(bytes);
            prop_assert_eq!(size.to_string().parse::<ByteSize>().unwrap(), size);
        }
    }
}
