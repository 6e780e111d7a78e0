//! Counts of instructions as people write them: `5_000_000`, `10G`.

use std::fmt;
use std::str::FromStr;

use crate::size::split_number;

/// A number of WebAssembly instructions. Text may have `_` between digits and a decimal suffix `k M G T`: `10G` is
/// 10 000 000 000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instructions(u64);

/// Why a text is not a count of instructions.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseInstructionsError {
    /// It isn't a whole number, perhaps with a suffix.
    #[error("a number of instructions is a whole number, perhaps with k, M, G or T after it, like 500M")]
    Number,
    /// It is more than 2^64 - 1.
    #[error("the number of instructions is too large to be counted")]
    Overflow,
}

const SUFFIXES: [(&str, u64); 4] = [("T", 1_000_000_000_000), ("G", 1_000_000_000), ("M", 1_000_000), ("k", 1_000)];

impl Instructions {
    /// The regular expression that schemas give for the text.
    pub const PATTERN: &str = "^[0-9][0-9_]* *[kMGT]?$";

    /// That many instructions.
    #[must_use]
    pub const fn new(count: u64) -> Self {
        Self(count)
    }

    /// How many instructions it is.
    #[must_use]
    pub const fn count(self) -> u64 {
        self.0
    }
}

impl FromStr for Instructions {
    type Err = ParseInstructionsError;

    fn from_str(text: &str) -> Result<Self, ParseInstructionsError> {
        let text = text.trim();
        if !text.starts_with(|character: char| character.is_ascii_digit()) || text.ends_with('_') {
            return Err(ParseInstructionsError::Number);
        }
        let plain = text.replace('_', "");
        let (digits, suffix) = split_number(&plain);
        let scale = match suffix {
            "" => 1,
            _ => SUFFIXES
                .iter()
                .find(|(name, _)| *name == suffix)
                .map(|&(_, scale)| scale)
                .ok_or(ParseInstructionsError::Number)?,
        };
        let number: u64 = digits.parse().map_err(|_| ParseInstructionsError::Overflow)?;
        number.checked_mul(scale).map(Self).ok_or(ParseInstructionsError::Overflow)
    }
}

/// Prints the largest suffix that divides it: `10G`, `1500`.
impl fmt::Display for Instructions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = |&&(_, scale): &&(&str, u64)| self.0 >= scale && self.0.is_multiple_of(scale);
        match SUFFIXES.iter().find(exact) {
            Some((name, scale)) => f.pad(&format!("{}{name}", self.0 / scale)),
            None => f.pad(&self.0.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn counts() {
        for (text, count) in [
            ("0", 0),
            ("1500", 1500),
            ("5_000_000", 5_000_000),
            ("10G", 10_000_000_000),
            ("3 k", 3000),
            ("2T", 2 * 10_u64.pow(12)),
        ] {
            assert_eq!(text.parse(), Ok(Instructions(count)), "{text}");
        }
        for text in ["", "_1", "1_", "G", "1g", "1.5G", "-1", "1GG", "18446744073709551616", "18446744073709551615k"] {
            assert!(text.parse::<Instructions>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(count in any::<u64>()) {
            prop_assert_eq!(Instructions(count).to_string().parse::<Instructions>().unwrap(), Instructions(count));
        }
    }
}
