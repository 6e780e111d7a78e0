//! How fns and triggers are named.

use std::fmt;
use std::str::FromStr;

use mu_env::Env;
use mu_stack::{FunctionName, StackId};

/// The digits of Crockford's base 32.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// 128 bits in digits of 5 bits; the first has only 3 of them.
const TEXT_CHARS: usize = 26;

/// The id of a fn or of a trigger. As text it looks like Fn's own: 26 digits of Crockford's base 32, which sort by when
/// they were made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(u128);

/// What a fn's id names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FnRef {
    /// A fn that was made through Fn's API.
    Made(ObjectId),
    /// A function that was deployed, by its stack and name: `s_….name`.
    Deployed(StackId, FunctionName),
}

/// A text is not the id of a fn or trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is {TEXT_CHARS} digits of Crockford's base 32, or `STACK.FUNCTION`")]
pub struct InvalidId;

impl ObjectId {
    pub(super) fn new(env: &Env) -> Self {
        Self(env.new_invocation_id().as_u128())
    }

    pub(super) const fn key(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    pub(super) const fn from_key(key: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(key))
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digit = |place: usize| char::from(DIGITS[(self.0 >> (5 * place)) as usize & 31]);
        let text: String = (0..TEXT_CHARS).rev().map(digit).collect();
        f.pad(&text)
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ObjectId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if text.len() != TEXT_CHARS || text.as_bytes()[0] > b'7' {
            return Err(InvalidId);
        }
        let value = |digit: u8| DIGITS.iter().position(|&known| known == digit);
        let add = |sum: u128, digit| Some(sum << 5 | value(digit)? as u128);
        text.bytes().try_fold(0, add).map(Self).ok_or(InvalidId)
    }
}

impl fmt::Display for FnRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Made(id) => fmt::Display::fmt(id, f),
            Self::Deployed(stack, function) => write!(f, "{stack}.{function}"),
        }
    }
}

impl FromStr for FnRef {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match text.split_once('.') {
            None => text.parse().map(Self::Made),
            Some((stack, function)) => {
                let stack = stack.parse().map_err(|_| InvalidId)?;
                Ok(Self::Deployed(stack, function.parse().map_err(|_| InvalidId)?))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_are_written_in_one_way() {
        assert_eq!(ObjectId(0).to_string(), "00000000000000000000000000");
        assert_eq!(ObjectId(u128::MAX).to_string(), "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
        for bad in ["", "7", "8ZZZZZZZZZZZZZZZZZZZZZZZZZ", "0000000000000000000000000u", "0000000000000000000000000é"]
        {
            assert_eq!(bad.parse::<ObjectId>(), Err(InvalidId), "{bad}");
        }
    }

    #[test]
    fn a_fn_was_made_or_deployed() {
        let stack = StackId::new([7; 32]);
        let deployed = FnRef::Deployed(stack, "cart".parse().unwrap());
        assert_eq!(format!("{stack}.cart").parse(), Ok(deployed.clone()));
        assert_eq!(deployed.to_string().parse(), Ok(deployed));
        for bad in ["", "cart", "shop.cart", &format!("{stack}."), &format!("{stack}.a.b"), &stack.to_string()] {
            assert_eq!(bad.parse::<FnRef>(), Err(InvalidId), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn ids_survive_and_sort(a: u128, b: u128) {
            let (a, b) = (ObjectId(a), ObjectId(b));
            prop_assert_eq!(a.to_string().parse(), Ok(a));
            prop_assert_eq!(ObjectId::from_key(a.key()), a);
            prop_assert_eq!(a.to_string().cmp(&b.to_string()), a.cmp(&b));
            prop_assert_eq!(FnRef::Made(a).to_string().parse(), Ok(FnRef::Made(a)));
        }
    }
}
