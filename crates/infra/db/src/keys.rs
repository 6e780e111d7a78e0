//! The keys of everything mu stores in a [`Kv`](crate::Kv), in one place.
//!
//! A key is one byte that names the concern, one byte that is the version of that concern's layout, then a tuple: parts
//! in order of significance. Keys sort like their tuples, and all keys that share leading parts are one contiguous
//! range:
//!
//! - a part of fixed length is stored as it is;
//! - a part of variable length has each `00` byte written as `00 ff` and ends with `00 01`, so that no part is a prefix
//!   of another one's encoding;
//! - the last part, when it has variable length, is stored as it is and ends with the key.
//!
//! | concern | key | value |
//! |---|---|---|
//! | `10` table registry | `10 01` stack (32 bytes), table name (last part) | version, state |
//! | `11` table row | `11 01` stack (32 bytes), table name, inner key (last part) | version, the value |
//! | `20` stack | `20 01` stack (32 bytes) | version, JSON |
//! | `21` version of a stack | `21 01` stack (32 bytes), `00`, number (8 bytes) | version, JSON |
//! | · its stack | `21 01` stack (32 bytes), `01`, number (8 bytes) | version, protobuf |
//! | · its manifest | `21 01` stack (32 bytes), `02`, number (8 bytes) | version, text |
//! | `22` name of a stack | `22 01` name (last part) | version, state, time, stack (32 bytes), owner |
//! | `23` artifact | `23 01` hash (32 bytes) | version, JSON |
//! | · a version that uses it | `23 01` hash (32 bytes), `01`, stack (32 bytes), number (8 bytes) | version |
//! | · who uploaded it | `23 01` hash (32 bytes), `02`, principal (last part) | version, JSON |
//! | `24` routing of a stack | `24 01` stack (32 bytes) | version, JSON |
//! | `25` idempotency key | `25 01` principal, key (last part) | version, JSON |
//! | `26` fn | `26 01` `00`, fn (16 bytes) | version, JSON |
//! | · its name | `26 01` `01`, stack (32 bytes), name (last part) | version, fn (16 bytes) |
//! | trigger of a fn | `26 01` `02`, trigger (16 bytes) | version, JSON |
//! | · its name | `26 01` `03`, stack (32 bytes), text of the fn's id, name (last part) | version, trigger (16 bytes) |
//! | · its source | `26 01` `04`, stack (32 bytes), type, source (last part) | version, trigger (16 bytes) |
//! | `27` former routing | `27 01` stack (32 bytes), revision (8 bytes) | version, JSON |
//! | `28` upload | `28 01` principal, slot (1 byte) | version, JSON |
//! | `30` to `39` who may do what, and what was done | see [`access`] | |
//! | `44` verified host | `44 01` `00`, host (last part) | version, JSON |
//! | · claim of a host | `44 01` `01`, stack (32 bytes), host (last part) | version, JSON |
//! | · how many claims | `44 01` `02`, stack (32 bytes) | version, number (4 bytes) |
//! | `40` secrets of a stack | `40 01` stack (32 bytes), `00` | version, count, sealed keys |
//! | | `40 01` stack (32 bytes), `01`, name (last part) | version, the secret's versions |
//! | | `40 01` stack (32 bytes), `02`, name, version (8 bytes) | version, number of the key, sealed value |
//! | `46` quota | `46 01`, `01`, principal of a client (last part) | version, limits |
//! | | `46 01`, `02`, stack (32 bytes) | version, limits |
//! | `48` log line | `48 01` stack (32 bytes), function, time (8 bytes), number of the line (8 bytes) | version, the line |
//! | `49` state of the logs | `49 01`, `00` | number of the next line |
//! | | `49 01`, `01`, stack (32 bytes) | bytes of stored lines |
//! | `50` usage counters | `50 01`, `00`, stack (32 bytes), function or nothing (last part) | version, counters in all |
//! | | `50 01`, `01`, stack (32 bytes), day (4 bytes), function or nothing (last part) | version, counters of the day |
//! | | `50 01`, `02`, day (4 bytes), stack (32 bytes) | version, counters of the day, all functions |
//! | `51` usage journal | `51 01` journal (16 bytes) | version, position up to which it is counted |
//!
//! Numbers are big-endian.

pub mod access;
pub mod catalog;
pub mod fns;
pub mod records;

use bytes::{BufMut, Bytes, BytesMut};

use crate::StackId;

const TABLE: [u8; 2] = [0x10, 1];
const ROW: [u8; 2] = [0x11, 1];

const TERMINATOR: [u8; 2] = [0x00, 0x01];
const ESCAPED_ZERO: [u8; 2] = [0x00, 0xff];

/// The registry entry of a table. With a prefix of the name, what all matching entries begin with.
#[must_use]
pub fn table(stack: &StackId, name_or_prefix: &str) -> Bytes {
    let mut key = start(TABLE, stack, name_or_prefix.len());
    key.put_slice(name_or_prefix.as_bytes());
    key.freeze()
}

/// The table name in the key of a registry entry of this stack.
#[must_use]
pub fn parse_table(stack: &StackId, key: &[u8]) -> Option<String> {
    let name = key.strip_prefix(&TABLE)?.strip_prefix(stack)?;
    String::from_utf8(name.to_vec()).ok()
}

/// A row of a table. With a prefix of the inner key, what all matching rows begin with.
#[must_use]
pub fn row(stack: &StackId, table: &str, inner_or_prefix: &[u8]) -> Bytes {
    let mut key = start(ROW, stack, table.len() + TERMINATOR.len() + inner_or_prefix.len());
    put_part(&mut key, table.as_bytes());
    key.put_slice(inner_or_prefix);
    key.freeze()
}

/// The inner key in the key of a row, given what all rows of its table begin with: [`row`] with an empty inner key.
#[must_use]
pub fn parse_row(table_prefix: &[u8], key: &Bytes) -> Option<Bytes> {
    key.starts_with(table_prefix).then(|| key.slice(table_prefix.len()..))
}

/// What the rows of all tables of a stack begin with.
#[must_use]
pub fn rows(stack: &StackId) -> Bytes {
    start(ROW, stack, 0).freeze()
}

/// The bytes of the inner key in the key of a row of this stack, of whichever table.
#[must_use]
pub fn inner_bytes(stack: &StackId, key: &[u8]) -> Option<usize> {
    let rest = key.strip_prefix(&ROW)?.strip_prefix(stack)?;
    // Nothing within the name looks like its end: a zero is followed by 0xff there.
    let end = rest.windows(TERMINATOR.len()).position(|bytes| bytes == TERMINATOR)?;
    Some(rest.len() - end - TERMINATOR.len())
}

fn start(concern: [u8; 2], stack: &StackId, rest_bytes: usize) -> BytesMut {
    let mut key = BytesMut::with_capacity(concern.len() + stack.len() + rest_bytes);
    key.put_slice(&concern);
    key.put_slice(stack);
    key
}

/// Appends a part of variable length that is not the last one.
fn put_part(key: &mut BytesMut, part: &[u8]) {
    for &byte in part {
        match byte {
            0 => key.put_slice(&ESCAPED_ZERO),
            byte => key.put_u8(byte),
        }
    }
    key.put_slice(&TERMINATOR);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STACK: StackId = [0xab; 32];

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Changing one of these strands the data of every node: add a version instead.
    #[test]
    fn golden() {
        let stack = hex(&STACK);
        for (key, expected) in [
            (table(&STACK, "todos"), format!("1001{stack}746f646f73")),
            (row(&STACK, "todos", b"k\x00\xff"), format!("1101{stack}746f646f7300016b00ff")),
            (row(&STACK, "a\0b", b""), format!("1101{stack}6100ff620001")),
            (row(&STACK, "", b""), format!("1101{stack}0001")),
        ] {
            assert_eq!(hex(&key), expected);
        }
    }

    fn name() -> impl Strategy<Value = String> {
        proptest::collection::vec(prop_oneof![Just('\0'), Just('\u{1}'), Just('a'), Just('b')], 0..4)
            .prop_map(|chars| chars.into_iter().collect())
    }

    fn inner() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(b'a'), Just(255)], 0..5)
    }

    proptest! {
        #[test]
        fn rows_sort_like_their_tuples(a in (any::<bool>(), name(), inner()), b in (any::<bool>(), name(), inner())) {
            let encode = |(stack, table, inner): &(bool, String, Vec<u8>)| row(&[u8::from(*stack); 32], table, inner);
            prop_assert_eq!(encode(&a).cmp(&encode(&b)), a.cmp(&b));
        }

        #[test]
        fn keys_survive(table_name in name(), inner_key in inner()) {
            let key = row(&STACK, &table_name, &inner_key);
            let table_prefix = row(&STACK, &table_name, b"");
            prop_assert_eq!(inner_bytes(&STACK, &key), Some(inner_key.len()));
            prop_assert!(key.starts_with(&rows(&STACK)));
            let parsed = parse_row(&table_prefix, &key);
            prop_assert_eq!(parsed.as_deref(), Some(&inner_key[..]));
            prop_assert_eq!(parse_table(&STACK, &table(&STACK, &table_name)), Some(table_name));
        }

        #[test]
        fn a_prefix_selects_the_rows_of_one_table(tables in (name(), name()), prefix in inner(), inner_key in inner()) {
            let selected = row(&STACK, &tables.1, &inner_key).starts_with(&row(&STACK, &tables.0, &prefix));
            prop_assert_eq!(selected, tables.0 == tables.1 && inner_key.starts_with(&prefix));
        }
    }
}
