//! Numbers as they are stored: seven bits per byte, low ones first, the high bit set on all bytes but the last (LEB128).
//! Most counters of most records are zero, which is one byte.

/// Appends a number.
pub(super) fn put(into: &mut Vec<u8>, mut number: u128) {
    while number >= 0x80 {
        into.push(low_bits(number) | 0x80);
        number >>= 7;
    }
    into.push(low_bits(number));
}

/// Takes a number off the front. `None` when there is none, or it has more than 128 bits.
pub(super) fn take(from: &mut &[u8]) -> Option<u128> {
    let (mut number, mut shift) = (0_u128, 0_u32);
    loop {
        let (&byte, rest) = from.split_first()?;
        *from = rest;
        let bits = u128::from(byte & 0x7f);
        let shifted = bits.checked_shl(shift).filter(|shifted| shifted >> shift == bits)?;
        number |= shifted;
        if byte & 0x80 == 0 {
            return Some(number);
        }
        shift += 7;
    }
}

/// Takes a number of at most 64 bits off the front.
pub(super) fn take_u64(from: &mut &[u8]) -> Option<u64> {
    take(from)?.try_into().ok()
}

fn low_bits(number: u128) -> u8 {
    number.to_le_bytes()[0] & 0x7f
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn golden() {
        for (number, expected) in [
            (0, &[0][..]),
            (0x7f, &[0x7f]),
            (0x80, &[0x80, 1]),
            (300, &[0xac, 2]),
            (u128::from(u64::MAX), &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        ] {
            let mut bytes = Vec::new();
            put(&mut bytes, number);
            assert_eq!(bytes, expected);
        }
    }

    #[test]
    fn cut_and_too_large_numbers_are_refused() {
        for mut bytes in [&[][..], &[0x80], &[0xff; 30], &[0x80; 19]] {
            assert_eq!(take(&mut bytes), None);
        }
        let mut large = [[0xff; 18].as_slice(), &[4]].concat();
        assert_eq!(take(&mut &large[..]), None);
        large[18] = 3;
        assert_eq!(take(&mut &large[..]), Some(u128::MAX));
        assert_eq!(take_u64(&mut &large[..]), None);
    }

    proptest! {
        #[test]
        fn numbers_survive(number in any::<u128>(), shift in 0_u32..128) {
            let mut bytes = Vec::new();
            put(&mut bytes, number >> shift);
            bytes.push(0x55);
            let mut rest = &bytes[..];
            prop_assert_eq!(take(&mut rest), Some(number >> shift));
            prop_assert_eq!(rest, &[0x55][..]);
        }
    }
}
