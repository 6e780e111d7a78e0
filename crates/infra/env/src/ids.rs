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

    /// The id with this number.
    #[must_use]
    pub const fn from_u128(number: u128) -> Self {
        Self(number)
    }

    /// The id as a number.
    #[must_use]
    pub fn as_u128(self) -> u128 {
        self.0
    }

    /// When it was made, to the millisecond.
    #[must_use]
    pub fn made_at(self) -> Timestamp {
        Timestamp::from_micros(u64::try_from(self.0 >> 80).unwrap_or(u64::MAX).saturating_mul(1_000))
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
        number(text).map(Self).ok_or(InvalidInvocationId)
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

/// One WebSocket connection of a client: 128 random bits, so that nobody comes upon the id of a connection that was not
/// told to them. As text they are 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u128);

impl ConnectionId {
    pub(crate) fn new(random: &Random) -> Self {
        let mut bytes = [0; 16];
        random.fill(&mut bytes);
        Self(u128::from_be_bytes(bytes))
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ConnectionId {
    type Err = InvalidConnectionId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        number(text).map(Self).ok_or(InvalidConnectionId)
    }
}

/// The text is not a connection id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidConnectionId;

impl fmt::Display for InvalidConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a connection id is 32 lower-case hexadecimal digits")
    }
}

impl std::error::Error for InvalidConnectionId {}

/// The number that 32 digits stand for.
fn number(text: &str) -> Option<u128> {
    let is_digits = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if is_digits { u128::from_str_radix(text, 16).ok() } else { None }
}

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
        assert_eq!(InvocationId::from_u128(early.as_u128()), early);
        assert_eq!((early.made_at().as_micros(), late.made_at().as_micros()), (1_000, 2_000));
        assert_eq!("xyz".parse::<InvocationId>(), Err(InvalidInvocationId));
    }

    #[test]
    fn connections_have_ids_of_their_own() {
        let random = Random::seeded(7);
        let (one, other) = (ConnectionId::new(&random), ConnectionId::new(&random));
        assert_ne!(one, other);
        assert_eq!(one.to_string().parse(), Ok(one));
        for bad in
            ["", "xyz", &one.to_string().to_uppercase(), &one.to_string()[1..], "+0000000000000000000000000000000"]
        {
            assert_eq!(bad.parse::<ConnectionId>(), Err(InvalidConnectionId), "{bad}");
        }
    }
}
