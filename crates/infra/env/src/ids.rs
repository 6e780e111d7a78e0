//! Ids that mu itself makes.

use std::fmt;
use std::str::FromStr;

use crate::{Random, Timestamp};

/// One call of one handler. Ids sort by the time at which they were made (to the millisecond); as text they are 32
/// lower-case hexadecimal digits, the form of a W3C trace id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InvocationId(u128);

impl InvocationId {
    pub(crate) fn new(now: Timestamp, random: &Random) -> Self {
        let mut low = [0_u8; 16];
        random.fill(&mut low[6..]);
        let high = u128::from(now.as_millis() & 0xffff_ffff_ffff) << 80;
        Self(high | u128::from_be_bytes(low))
    }

    /// The id as a number.
    #[must_use]
    pub fn as_u128(self) -> u128 {
        self.0
    }
}

impl fmt::Display for InvocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for InvocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for InvocationId {
    type Err = InvalidInvocationId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !digits {
            return Err(InvalidInvocationId);
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| InvalidInvocationId)
    }
}

/// The text is not an invocation id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidInvocationId;

impl fmt::Display for InvalidInvocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an invocation id is 32 lower-case hexadecimal digits")
    }
}

impl std::error::Error for InvalidInvocationId {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_survive_text() {
        let random = Random::seeded(7);
        let early = InvocationId::new(Timestamp::from_micros(1_000), &random);
        let late = InvocationId::new(Timestamp::from_micros(2_000), &random);
        assert!(early < late);
        assert_eq!(early.to_string().parse(), Ok(early));
        assert_eq!("xyz".parse::<InvocationId>(), Err(InvalidInvocationId));
    }
}
