//! Keys of what is made through Project Fn's API: fns, which run images, and triggers, which lead to them.

use bytes::{BufMut, Bytes, BytesMut};

use super::put_part;
use crate::StackId;

const FN: [u8; 2] = [0x26, 1];

const RECORD: u8 = 0;
const NAME: u8 = 1;
const TRIGGER: u8 = 2;
const TRIGGER_NAME: u8 = 3;
const TRIGGER_SOURCE: u8 = 4;

/// The id of a fn or a trigger.
pub type ObjectId = [u8; 16];

/// A fn.
#[must_use]
pub fn record(id: &ObjectId) -> Bytes {
    key(RECORD, &[id])
}

/// The name of a fn in its stack. With an empty name, what all names of the stack begin with.
#[must_use]
pub fn name(stack: &StackId, name: &str) -> Bytes {
    key(NAME, &[stack, name.as_bytes()])
}

/// The name in the key of [`name`].
#[must_use]
pub fn parse_name<'k>(stack: &StackId, key: &'k [u8]) -> Option<&'k str> {
    let name = key.strip_prefix(&FN)?.strip_prefix(&[NAME])?.strip_prefix(stack)?;
    std::str::from_utf8(name).ok()
}

/// A trigger.
#[must_use]
pub fn trigger(id: &ObjectId) -> Bytes {
    key(TRIGGER, &[id])
}

/// The name of a trigger among those of one fn, which is named by the text of its id. With an empty name, what all of
/// them begin with.
#[must_use]
pub fn trigger_name(stack: &StackId, of_fn: &str, name: &str) -> Bytes {
    with_part(TRIGGER_NAME, stack, of_fn, name)
}

/// The name in the key of [`trigger_name`].
#[must_use]
pub fn parse_trigger_name<'k>(stack: &StackId, key: &'k [u8]) -> Option<&'k str> {
    let rest = key.strip_prefix(&FN)?.strip_prefix(&[TRIGGER_NAME])?.strip_prefix(stack)?;
    // The text of an id has no zero byte that would be written otherwise.
    let end = rest.windows(super::TERMINATOR.len()).position(|bytes| bytes == super::TERMINATOR)?;
    std::str::from_utf8(&rest[end + super::TERMINATOR.len()..]).ok()
}

/// What the keys of [`trigger_name`] of one stack begin with.
#[must_use]
pub fn trigger_names(stack: &StackId) -> Bytes {
    key(TRIGGER_NAME, &[stack])
}

/// Where a trigger of some type gets its events from: for `http` a path.
#[must_use]
pub fn trigger_source(stack: &StackId, kind: &str, source: &str) -> Bytes {
    with_part(TRIGGER_SOURCE, stack, kind, source)
}

/// What the keys of [`trigger_source`] of one stack begin with.
#[must_use]
pub fn trigger_sources(stack: &StackId) -> Bytes {
    key(TRIGGER_SOURCE, &[stack])
}

fn key(row: u8, parts: &[&[u8]]) -> Bytes {
    start(row, parts, 0).freeze()
}

fn with_part(row: u8, stack: &StackId, part: &str, last: &str) -> Bytes {
    let mut key = start(row, &[stack], part.len() + super::TERMINATOR.len() + last.len());
    put_part(&mut key, part.as_bytes());
    key.put_slice(last.as_bytes());
    key.freeze()
}

fn start(row: u8, parts: &[&[u8]], rest_bytes: usize) -> BytesMut {
    let bytes = FN.len() + 1 + parts.iter().map(|part| part.len()).sum::<usize>() + rest_bytes;
    let mut key = BytesMut::with_capacity(bytes);
    key.put_slice(&FN);
    key.put_u8(row);
    for part in parts {
        key.put_slice(part);
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    const STACK: StackId = [0xab; 32];
    const ID: ObjectId = [0xcd; 16];

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Changing one of these strands the data of every node: add a version instead.
    #[test]
    fn golden() {
        let (stack, id) = (hex(&STACK), hex(&ID));
        for (key, expected) in [
            (record(&ID), format!("260100{id}")),
            (name(&STACK, "cart"), format!("260101{stack}63617274")),
            (trigger(&ID), format!("260102{id}")),
            (trigger_names(&STACK), format!("260103{stack}")),
            (trigger_name(&STACK, "0A", "t"), format!("260103{stack}3041000174")),
            (trigger_sources(&STACK), format!("260104{stack}")),
            (trigger_source(&STACK, "http", "/a"), format!("260104{stack}6874747000012f61")),
        ] {
            assert_eq!(hex(&key), expected);
        }
    }

    #[test]
    fn names_survive_and_do_not_meet() {
        assert_eq!(parse_name(&STACK, &name(&STACK, "cart")), Some("cart"));
        assert_eq!(parse_name(&[0; 32], &name(&STACK, "cart")), None);
        assert_eq!(parse_name(&STACK, &record(&ID)), None);
        assert_eq!(parse_trigger_name(&STACK, &trigger_name(&STACK, "0A", "größe")), Some("größe"));
        assert_eq!(parse_trigger_name(&STACK, &trigger_source(&STACK, "http", "/a")), None);
        assert!(!trigger_name(&STACK, "ab", "").starts_with(&trigger_name(&STACK, "a", "")));
    }
}
