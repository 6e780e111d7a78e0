//! The unit in which execution is billed.

use core::fmt;

use crate::wide::Wide;

/// Bytes in a megabyte of a megabyte-instruction: a decimal one.
const MEGABYTE: u64 = 1_000_000;

/// A number of byte-instructions that prints as megabyte-instructions, exactly: `1.5`, `0.000001`.
///
/// One megabyte-instruction is one executed instruction with 1 000 000 bytes of memory allocated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MegabyteInstructions(
    /// Byte-instructions.
    pub u128,
);

impl fmt::Display for MegabyteInstructions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, mut fraction) = Wide::from(self.0).divide(MEGABYTE);
        // Dividing a u128 leaves nothing in the third limb.
        write!(f, "{}", whole.low_u128())?;
        if fraction == 0 {
            return Ok(());
        }
        let mut digits = 6;
        while fraction.is_multiple_of(10) {
            fraction /= 10;
            digits -= 1;
        }
        write!(f, ".{fraction:0digits$}")
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::ToString as _;

    use super::*;

    #[test]
    fn prints_every_byte_instruction() {
        for (byte_instructions, text) in [
            (0, "0"),
            (1, "0.000001"),
            (999_999, "0.999999"),
            (1_000_000, "1"),
            (1_500_000, "1.5"),
            (12_345_678_900_000, "12345678.9"),
            (u128::MAX, "340282366920938463463374607431768.211455"),
        ] {
            assert_eq!(MegabyteInstructions(byte_instructions).to_string(), text);
        }
    }
}
