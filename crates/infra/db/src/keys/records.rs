//! Keys of what a node keeps about stacks besides their data: secrets, quotas, log lines, usage. The table is in the
//! documentation of [`keys`](super).

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{put_part, start};
use crate::{JournalId, KeyRange, StackId};

const SECRET: [u8; 2] = [0x40, 1];
const QUOTA: [u8; 2] = [0x46, 1];
const LOG_LINE: [u8; 2] = [0x48, 1];
const LOG_STATE: [u8; 2] = [0x49, 1];
const USAGE: [u8; 2] = [0x50, 1];
const USAGE_POSITION: [u8; 2] = [0x51, 1];

const HEAD: u8 = 0;
const ENTRY: u8 = 1;
const VALUE: u8 = 2;

const CLIENT: u8 = 1;
const STACK: u8 = 2;

const SEQUENCE: u8 = 0;
const STORED_BYTES: u8 = 1;

const TOTAL: u8 = 0;
const FUNCTION_DAY: u8 = 1;
const STACK_DAY: u8 = 2;

// === secrets ===

/// What all secrets of a stack share: how many there are, and the keys they are sealed with.
#[must_use]
pub fn secrets_head(stack: &StackId) -> Bytes {
    let mut key = start(SECRET, stack, 1);
    key.put_u8(HEAD);
    key.freeze()
}

/// What is known about a secret besides its values. With an empty name, what the entries of all secrets begin with.
#[must_use]
pub fn secret(stack: &StackId, name: &str) -> Bytes {
    let mut key = start(SECRET, stack, 1 + name.len());
    key.put_u8(ENTRY);
    key.put_slice(name.as_bytes());
    key.freeze()
}

/// The name in the key of a secret's entry of this stack.
#[must_use]
pub fn parse_secret(stack: &StackId, key: &[u8]) -> Option<String> {
    let name = key.strip_prefix(&SECRET)?.strip_prefix(stack)?.strip_prefix(&[ENTRY])?;
    String::from_utf8(name.to_vec()).ok()
}

/// The sealed value of one version of a secret.
#[must_use]
pub fn secret_value(stack: &StackId, name: &str, version: u64) -> Bytes {
    let mut key = start(SECRET, stack, 1 + name.len() + 2 + 8);
    key.put_u8(VALUE);
    put_part(&mut key, name.as_bytes());
    key.put_u64(version);
    key.freeze()
}

/// The sealed values of all secrets of a stack.
#[must_use]
pub fn secret_values(stack: &StackId) -> KeyRange {
    let mut key = start(SECRET, stack, 1);
    key.put_u8(VALUE);
    KeyRange::prefix(key.freeze())
}

/// All that is kept about the secrets of a stack.
#[must_use]
pub fn secrets(stack: &StackId) -> KeyRange {
    KeyRange::prefix(start(SECRET, stack, 0).freeze())
}

/// The name and the version in the key of a sealed value of this stack.
#[must_use]
pub fn parse_secret_value(stack: &StackId, key: &[u8]) -> Option<(String, u64)> {
    let rest = key.strip_prefix(&SECRET)?.strip_prefix(stack)?.strip_prefix(&[VALUE])?;
    let (name, rest) = take_part(rest)?;
    let version = u64::from_be_bytes(rest.try_into().ok()?);
    Some((String::from_utf8(name).ok()?, version))
}

// === quotas ===

/// The quota of a client, named by the text of its principal.
#[must_use]
pub fn client_quota(principal: &str) -> Bytes {
    [&QUOTA[..], &[CLIENT], principal.as_bytes()].concat().into()
}

/// The quota of a stack.
#[must_use]
pub fn stack_quota(stack: &StackId) -> Bytes {
    [&QUOTA[..], &[STACK], stack].concat().into()
}

/// The quotas of all clients and stacks.
#[must_use]
pub fn quotas() -> KeyRange {
    KeyRange::prefix(&QUOTA[..])
}

/// Whose quota a key holds: a client's principal, or a stack.
#[must_use]
pub fn parse_quota(key: &[u8]) -> Option<Result<String, StackId>> {
    match key.strip_prefix(&QUOTA)?.split_first()? {
        (&CLIENT, principal) => String::from_utf8(principal.to_vec()).ok().map(Ok),
        (&STACK, stack) => stack.try_into().ok().map(Err),
        _ => None,
    }
}

// === log lines ===

/// Where a line stands among those of all functions: by time, and lines of the same microsecond in the order in which
/// they were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinePlace {
    /// Microseconds since the Unix epoch.
    pub time_micros: u64,
    /// The number of the line in its store; no two have the same.
    pub sequence: u64,
}

/// A line of a function's log.
#[must_use]
pub fn log_line(stack: &StackId, function: &str, place: LinePlace) -> Bytes {
    let mut key = start(LOG_LINE, stack, function.len() + 2 + 16);
    put_part(&mut key, function.as_bytes());
    put_place(&mut key, place);
    key.freeze()
}

/// The lines of a function from `first` up to, but without, `end`; without `end`, all from `first` on.
#[must_use]
pub fn log_lines(stack: &StackId, function: &str, first: LinePlace, end: Option<LinePlace>) -> KeyRange {
    let mut prefix = start(LOG_LINE, stack, function.len() + 2);
    put_part(&mut prefix, function.as_bytes());
    let all = KeyRange::prefix(prefix.freeze());
    let end = end.map(|end| log_line(stack, function, end)).or_else(|| all.end().cloned());
    let first = log_line(stack, function, first);
    match end {
        Some(end) => KeyRange::new(first, end),
        None => all,
    }
}

/// The lines of a stack in order of its functions, from those after `function` on.
#[must_use]
pub fn log_lines_after(stack: &StackId, function: Option<&str>) -> KeyRange {
    let all = KeyRange::prefix(start(LOG_LINE, stack, 0).freeze());
    let Some(function) = function else { return all };
    let of_function = log_lines(stack, function, LinePlace { time_micros: 0, sequence: 0 }, None);
    match (of_function.end(), all.end()) {
        (Some(first), Some(end)) => KeyRange::new(first.clone(), end.clone()),
        _ => all,
    }
}

/// The lines of all stacks, from those after this function of this stack on.
#[must_use]
pub fn all_log_lines_after(function: Option<(&StackId, &str)>) -> KeyRange {
    let all = KeyRange::prefix(&LOG_LINE[..]);
    let Some((stack, function)) = function else { return all };
    let of_function = log_lines(stack, function, LinePlace { time_micros: 0, sequence: 0 }, None);
    match (of_function.end(), all.end()) {
        (Some(first), Some(end)) => KeyRange::new(first.clone(), end.clone()),
        _ => all,
    }
}

/// The stack, the function and the place in the key of a log line.
#[must_use]
pub fn parse_log_line(key: &[u8]) -> Option<(StackId, String, LinePlace)> {
    let (stack, rest) = key.strip_prefix(&LOG_LINE)?.split_first_chunk::<32>()?;
    let (function, mut rest) = take_part(rest)?;
    if rest.len() != 16 {
        return None;
    }
    let place = LinePlace { time_micros: rest.get_u64(), sequence: rest.get_u64() };
    Some((*stack, String::from_utf8(function).ok()?, place))
}

/// The number that the next log line gets.
#[must_use]
pub fn log_sequence() -> Bytes {
    [&LOG_STATE[..], &[SEQUENCE]].concat().into()
}

/// How many bytes of log lines are stored of a stack.
#[must_use]
pub fn log_bytes(stack: &StackId) -> Bytes {
    [&LOG_STATE[..], &[STORED_BYTES], stack].concat().into()
}

/// How many bytes of log lines are stored, of all stacks.
#[must_use]
pub fn all_log_bytes() -> KeyRange {
    KeyRange::prefix([&LOG_STATE[..], &[STORED_BYTES]].concat())
}

/// The stack in the key of [`log_bytes`].
#[must_use]
pub fn parse_log_bytes(key: &[u8]) -> Option<StackId> {
    key.strip_prefix(&LOG_STATE)?.strip_prefix(&[STORED_BYTES])?.try_into().ok()
}

// === usage ===

/// What a function has used in all. An empty name stands for what belongs to the stack and none of its functions.
#[must_use]
pub fn usage_total(stack: &StackId, function: &str) -> Bytes {
    [&USAGE[..], &[TOTAL], stack, function.as_bytes()].concat().into()
}

/// What all functions of a stack have used in all.
#[must_use]
pub fn usage_totals(stack: &StackId) -> KeyRange {
    KeyRange::prefix([&USAGE[..], &[TOTAL], stack].concat())
}

/// The function in the key of [`usage_total`].
#[must_use]
pub fn parse_usage_total(stack: &StackId, key: &[u8]) -> Option<String> {
    let function = key.strip_prefix(&USAGE)?.strip_prefix(&[TOTAL])?.strip_prefix(stack)?;
    String::from_utf8(function.to_vec()).ok()
}

/// What a function has used in one day, counted in days since the Unix epoch. An empty name is as for [`usage_total`].
#[must_use]
pub fn usage_of_day(stack: &StackId, day: u32, function: &str) -> Bytes {
    [&USAGE[..], &[FUNCTION_DAY], stack, &day.to_be_bytes(), function.as_bytes()].concat().into()
}

/// What the functions of a stack have used from day `first` to day `last`, both included.
#[must_use]
pub fn usage_of_days(stack: &StackId, first: u32, last: u32) -> KeyRange {
    let day = |day: u32| [&USAGE[..], &[FUNCTION_DAY], stack, &day.to_be_bytes()].concat();
    let end = KeyRange::prefix(day(last)).end().cloned();
    KeyRange::new(day(first), end.unwrap_or_default())
}

/// The day and the function in the key of [`usage_of_day`].
#[must_use]
pub fn parse_usage_of_day(stack: &StackId, key: &[u8]) -> Option<(u32, String)> {
    let rest = key.strip_prefix(&USAGE)?.strip_prefix(&[FUNCTION_DAY])?.strip_prefix(stack)?;
    let (day, function) = rest.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*day), String::from_utf8(function.to_vec()).ok()?))
}

/// What a whole stack has used in one day.
#[must_use]
pub fn stack_usage_of_day(day: u32, stack: &StackId) -> Bytes {
    [&USAGE[..], &[STACK_DAY], &day.to_be_bytes(), stack].concat().into()
}

/// What all stacks have used from day `first` up to, but without, day `end`.
#[must_use]
pub fn stack_usage_of_days(first: u32, end: u32) -> KeyRange {
    let day = |day: u32| [&USAGE[..], &[STACK_DAY], &day.to_be_bytes()].concat();
    KeyRange::new(day(first), day(end))
}

/// The day and the stack in the key of [`stack_usage_of_day`].
#[must_use]
pub fn parse_stack_usage_of_day(key: &[u8]) -> Option<(u32, StackId)> {
    let rest = key.strip_prefix(&USAGE)?.strip_prefix(&[STACK_DAY])?;
    let (day, stack) = rest.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*day), stack.try_into().ok()?))
}

/// How far a usage journal has been added to the counters.
#[must_use]
pub fn usage_position(journal: &JournalId) -> Bytes {
    [&USAGE_POSITION[..], journal].concat().into()
}

fn put_place(key: &mut BytesMut, place: LinePlace) {
    key.put_u64(place.time_micros);
    key.put_u64(place.sequence);
}

/// Undoes [`put_part`]: the part, and what follows it.
fn take_part(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut part = Vec::new();
    let mut rest = bytes;
    loop {
        match rest {
            [0, 0xff, after @ ..] => {
                part.push(0);
                rest = after;
            }
            [0, 1, after @ ..] => return Some((part, after)),
            [byte, after @ ..] if *byte != 0 => {
                part.push(*byte);
                rest = after;
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STACK: StackId = [0xab; 32];
    const PLACE: LinePlace = LinePlace { time_micros: 0x0102, sequence: 3 };

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Changing one of these strands the data of every node: add a version instead.
    #[test]
    fn golden() {
        let stack = hex(&STACK);
        for (key, expected) in [
            (secrets_head(&STACK), format!("4001{stack}00")),
            (secret(&STACK, "KEY"), format!("4001{stack}014b4559")),
            (secret_value(&STACK, "KEY", 7), format!("4001{stack}024b455900010000000000000007")),
            (client_quota("k_a"), "4601016b5f61".to_owned()),
            (stack_quota(&STACK), format!("460102{stack}")),
            (log_line(&STACK, "f", PLACE), format!("4801{stack}66000100000000000001020000000000000003")),
            (log_sequence(), "490100".to_owned()),
            (log_bytes(&STACK), format!("490101{stack}")),
            (usage_total(&STACK, "f"), format!("500100{stack}66")),
            (usage_of_day(&STACK, 0x1234, "f"), format!("500101{stack}0000123466")),
            (stack_usage_of_day(0x1234, &STACK), format!("50010200001234{stack}")),
            (usage_position(&[7; 16]), format!("5101{}", "07".repeat(16))),
        ] {
            assert_eq!(hex(&key), expected);
        }
    }

    fn contains(range: &KeyRange, key: &[u8]) -> bool {
        range.start()[..] <= *key && range.end().is_none_or(|end| *key < end[..])
    }

    #[test]
    fn ranges_hold_what_they_say() {
        let of_day = |day, function| usage_of_day(&STACK, day, function);
        let days = usage_of_days(&STACK, 3, 5);
        for (day, inside) in [(2, false), (3, true), (5, true), (6, false), (0x105, false)] {
            assert_eq!(contains(&days, &of_day(day, "")), inside, "{day}");
            assert_eq!(contains(&days, &of_day(day, "zzz")), inside, "{day}");
        }
        assert!(contains(&usage_of_days(&STACK, 0, u32::MAX), &of_day(u32::MAX, "f")));
        let stacks = stack_usage_of_days(3, 5);
        for (day, inside) in [(2, false), (3, true), (4, true), (5, false)] {
            assert_eq!(contains(&stacks, &stack_usage_of_day(day, &[0xff; 32])), inside, "{day}");
        }
        for (function, after, inside) in
            [("a", None, true), ("a", Some("a"), false), ("ab", Some("a"), true), ("b", Some("ab"), true)]
        {
            let line = log_line(&STACK, function, PLACE);
            assert_eq!(contains(&log_lines_after(&STACK, after), &line), inside, "{function} after {after:?}");
            let after = after.map(|after| (&STACK, after));
            assert_eq!(contains(&all_log_lines_after(after), &line), inside, "{function} after {after:?}");
        }
        let next_stack = log_line(&[0xac; 32], "a", PLACE);
        assert!(!contains(&log_lines_after(&STACK, Some("z")), &next_stack));
        assert!(contains(&all_log_lines_after(Some((&STACK, "z"))), &next_stack));
        let last = log_line(&[0xff; 32], "z", LinePlace { time_micros: u64::MAX, sequence: u64::MAX });
        assert!(contains(&log_lines_after(&[0xff; 32], None), &last));
    }

    #[test]
    fn what_is_no_such_key_is_refused() {
        for key in [&b""[..], &SECRET, &[0x48, 1, 0], &log_line(&STACK, "f", PLACE)[..40], &[0x46, 1, 3, 4]] {
            assert_eq!(parse_log_line(key), None);
            assert_eq!(parse_quota(key), None);
            assert_eq!(parse_secret_value(&STACK, key), None);
            assert_eq!(parse_usage_of_day(&STACK, key), None);
            assert_eq!(parse_stack_usage_of_day(key), None);
            assert_eq!(parse_log_bytes(key), None);
        }
    }

    fn name() -> impl Strategy<Value = String> {
        proptest::collection::vec(prop_oneof![Just('\0'), Just('\u{1}'), Just('a'), Just('b')], 0..4)
            .prop_map(|chars| chars.into_iter().collect())
    }

    fn place() -> impl Strategy<Value = LinePlace> {
        let number = || prop_oneof![Just(0), Just(1), Just(256), Just(u64::MAX)];
        (number(), number()).prop_map(|(time_micros, sequence)| LinePlace { time_micros, sequence })
    }

    proptest! {
        #[test]
        fn keys_survive(function in name(), place in place(), number in any::<u64>(), day in any::<u32>()) {
            let line = log_line(&STACK, &function, place);
            prop_assert_eq!(parse_log_line(&line), Some((STACK, function.clone(), place)));
            let value = secret_value(&STACK, &function, number);
            prop_assert_eq!(parse_secret_value(&STACK, &value), Some((function.clone(), number)));
            prop_assert_eq!(parse_secret(&STACK, &secret(&STACK, &function)), Some(function.clone()));
            prop_assert_eq!(parse_usage_total(&STACK, &usage_total(&STACK, &function)), Some(function.clone()));
            let of_day = usage_of_day(&STACK, day, &function);
            prop_assert_eq!(parse_usage_of_day(&STACK, &of_day), Some((day, function.clone())));
            prop_assert_eq!(parse_stack_usage_of_day(&stack_usage_of_day(day, &STACK)), Some((day, STACK)));
            prop_assert_eq!(parse_quota(&client_quota(&function)), Some(Ok(function)));
            prop_assert_eq!(parse_quota(&stack_quota(&STACK)), Some(Err(STACK)));
            prop_assert_eq!(parse_log_bytes(&log_bytes(&STACK)), Some(STACK));
        }

        #[test]
        fn lines_sort_by_function_and_place(a in (name(), place()), b in (name(), place())) {
            let key = |(function, place): &(String, LinePlace)| log_line(&STACK, function, *place);
            prop_assert_eq!(key(&a).cmp(&key(&b)), a.cmp(&b));
        }

        #[test]
        fn a_range_of_lines_holds_its_places(function in name(), first in place(), end in place(), at in place()) {
            let line = log_line(&STACK, &function, at);
            let range = log_lines(&STACK, &function, first, Some(end));
            prop_assert_eq!(contains(&range, &line), first <= at && at < end);
            let open = log_lines(&STACK, &function, first, None);
            prop_assert_eq!(contains(&open, &line), first <= at);
        }
    }
}
