//! Numbers of 192 bits: a rate of 64 bits times a counter of 128.
//!
//! By hand on halves of 64 bits, and those multiplied on halves of 32: the contract's compiler rejects 128-bit
//! multiplication and division, while 128-bit addition, comparison and shifts by 64 are fine.

/// Limbs, least significant first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wide([u64; 3]);

impl Wide {
    /// The product, which always fits.
    pub(crate) fn product(a: u64, b: u128) -> Self {
        let (b_high, b_low) = halves(b);
        let (low_high, low_low) = multiply(a, b_low);
        let (high_high, high_low) = multiply(a, b_high);
        let (middle, carry) = low_high.overflowing_add(high_low);
        // The product is less than 2^192, so its highest limb has room for the carry.
        Self([low_low, middle, high_high.wrapping_add(u64::from(carry))])
    }

    /// The sum; `None` when it doesn't fit.
    pub(crate) fn checked_add(self, addend: u64) -> Option<Self> {
        let [low, middle, high] = self.0;
        let (low, carry) = low.overflowing_add(addend);
        let (middle, carry) = middle.overflowing_add(u64::from(carry));
        Some(Self([low, middle, high.checked_add(u64::from(carry))?]))
    }

    /// Quotient and remainder, bit by bit. `divisor` is not 0 and less than 2^63.
    pub(crate) fn divide(self, divisor: u64) -> (Self, u64) {
        let mut quotient = [0; 3];
        let mut remainder = 0_u64;
        for (limb, digit) in self.0.iter().zip(&mut quotient).rev() {
            // Leading zeros divide to zeros: most counters fill one limb only.
            if *limb == 0 && remainder == 0 {
                continue;
            }
            for bit in (0..64).rev() {
                // Less than the divisor before, so less than 2^64 after.
                remainder = remainder << 1 | (limb >> bit & 1);
                if remainder >= divisor {
                    remainder -= divisor;
                    *digit |= 1 << bit;
                }
            }
        }
        (Self(quotient), remainder)
    }

    /// The number, if it fits into 64 bits.
    pub(crate) fn to_u64(self) -> Option<u64> {
        match self.0 {
            [low, 0, 0] => Some(low),
            _ => None,
        }
    }

    /// The lower two limbs.
    pub(crate) fn low_u128(self) -> u128 {
        u128::from(self.0[1]) << 64 | u128::from(self.0[0])
    }
}

impl From<u128> for Wide {
    fn from(value: u128) -> Self {
        let (high, low) = halves(value);
        Self([low, high, 0])
    }
}

/// High and low half.
#[expect(clippy::cast_possible_truncation, reason = "each half has 64 bits")]
fn halves(value: u128) -> (u64, u64) {
    ((value >> 64) as u64, value as u64)
}

/// High and low half of a product, from four products of 32-bit halves.
fn multiply(a: u64, b: u64) -> (u64, u64) {
    const LOW: u64 = 0xffff_ffff;
    let (a_high, a_low) = (a >> 32, a & LOW);
    let (b_high, b_low) = (b >> 32, b & LOW);
    let lowest = a_low * b_low;
    // None of these sums overflows: (2^32 - 1)^2 + 2 * (2^32 - 1) = 2^64 - 1.
    let middle = a_high * b_low + (lowest >> 32);
    let other = a_low * b_high + (middle & LOW);
    let high = a_high * b_high + (middle >> 32) + (other >> 32);
    (high, other << 32 | lowest & LOW)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Numbers with long runs of ones and zeros, where carries go wrong.
    fn edgy() -> impl Strategy<Value = u64> {
        prop_oneof![any::<u64>(), (0..64_u32).prop_map(|bits| 1 << bits), (0..64_u32).prop_map(|bits| u64::MAX >> bits)]
    }

    proptest! {
        #[test]
        fn multiplication_agrees_with_the_machine(a in edgy(), b in edgy()) {
            let expected = u128::from(a) * u128::from(b);
            prop_assert_eq!(multiply(a, b), halves(expected));
        }

        #[test]
        fn division_agrees_with_the_machine(high in edgy(), low in edgy(), divisor in 1..1_u64 << 63) {
            let value = u128::from(high) << 64 | u128::from(low);
            let (quotient, remainder) = Wide::from(value).divide(divisor);
            prop_assert_eq!(quotient, Wide::from(value / u128::from(divisor)));
            prop_assert_eq!(u128::from(remainder), value % u128::from(divisor));
        }

        #[test]
        fn a_product_divided_by_its_factor_is_the_other_factor(
            factor in 1..1_u64 << 63, high in edgy(), low in edgy(), extra in any::<u64>(),
        ) {
            let other = u128::from(high) << 64 | u128::from(low);
            let extra = extra % factor;
            let sum = Wide::product(factor, other).checked_add(extra).expect("the remainder fits above a multiple");
            prop_assert_eq!(sum.divide(factor), (Wide::from(other), extra));
        }
    }
}
