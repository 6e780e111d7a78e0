//! One record of the usage journal.

use mu_stack::StackId;

use super::codec::{put, take};
use super::{Counts, Day};

const VERSION: u8 = 1;
const NAME_BYTES_MAX: usize = 255;

/// Something that was finished and counts: an invocation, or a request that no invocation belongs to.
#[derive(Clone, Copy, Debug)]
pub struct UsageEntry<'a> {
    /// The stack.
    pub stack: StackId,
    /// The function, by its name of at most 255 bytes; `None` for what belongs to the stack and none of its functions,
    /// as the traffic of its gateways.
    pub function: Option<&'a str>,
    /// What it counts.
    pub counts: Counts,
}

/// What a counter counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct CounterKey {
    pub(super) stack: StackId,
    pub(super) day: Day,
    /// Empty for what belongs to no function.
    pub(super) function: String,
}

impl UsageEntry<'_> {
    /// The bytes of the record. A name that is too long, which no function has, is counted as no function's.
    pub(super) fn encode(&self, day: Day) -> Vec<u8> {
        let name = self.name();
        let length = u8::try_from(name.len()).unwrap_or_default();
        let mut bytes = Vec::with_capacity(128);
        bytes.push(VERSION);
        bytes.extend_from_slice(self.stack.key());
        put(&mut bytes, day.number().into());
        bytes.push(length);
        bytes.extend_from_slice(name.as_bytes());
        self.counts.put(&mut bytes);
        bytes
    }

    pub(super) fn key(&self, day: Day) -> CounterKey {
        CounterKey { stack: self.stack, day, function: self.name().to_owned() }
    }

    fn name(&self) -> &str {
        self.function.filter(|name| name.len() <= NAME_BYTES_MAX).unwrap_or_default()
    }
}

/// What a record counts; `None` when it is not of this version.
pub(super) fn decode(record: &[u8]) -> Option<(CounterKey, Counts)> {
    let rest = record.strip_prefix(&[VERSION])?;
    let (stack, mut rest) = rest.split_first_chunk::<32>()?;
    let day = Day::from_number(take(&mut rest)?.try_into().ok()?);
    let (&length, rest) = rest.split_first()?;
    let (name, mut rest) = rest.split_at_checked(length.into())?;
    let function = std::str::from_utf8(name).ok()?.to_owned();
    let counts = Counts::take(&mut rest)?;
    rest.is_empty().then_some((CounterKey { stack: StackId::new(*stack), day, function }, counts))
}

#[cfg(test)]
mod tests {
    use super::super::counts::tests::sample;
    use super::*;

    const STACK: StackId = StackId::new([0xab; 32]);

    /// A node that is replaced by a newer one leaves records behind: add a version instead of changing this one.
    #[test]
    fn golden() {
        let entry = UsageEntry { stack: STACK, function: Some("todo"), counts: sample() };
        let hex: String = entry.encode(Day::from_number(20_778)).iter().map(|byte| format!("{byte:02x}")).collect();
        let expected = "01 STACK aaa201 04 746f646f 010203 0e 04 808080808080808080808080808004 07 0c \
            0506 08090a0b 0d ac02";
        assert_eq!(hex, expected.replace(' ', "").replace("STACK", &"ab".repeat(32)));
    }

    #[test]
    fn entries_survive() {
        let long = "x".repeat(255);
        for function in [None, Some("todo"), Some(&long[..])] {
            let entry = UsageEntry { stack: STACK, function, counts: sample() };
            let day = Day::from_number(7);
            assert_eq!(decode(&entry.encode(day)), Some((entry.key(day), sample())));
            assert_eq!(entry.key(day).function, function.unwrap_or_default());
        }
    }

    #[test]
    fn other_records_are_refused() {
        let whole = UsageEntry { stack: STACK, function: Some("f"), counts: sample() }.encode(Day::from_number(7));
        for end in 0..whole.len() {
            assert_eq!(decode(&whole[..end]), None, "cut at {end}");
        }
        assert_eq!(decode(&[&whole[..], &[0]].concat()), None);
        assert_eq!(decode(&[&[2], &whole[1..]].concat()), None);
    }
}
