//! The values muDB stores. Each begins with the version of its layout.

use bytes::{BufMut, Bytes, BytesMut};

use super::DbError;

const ROW_VERSION: u8 = 1;
const TABLE_VERSION: u8 = 1;

/// A row: version, then the value as it is.
pub(super) fn encode_row(value: &[u8]) -> Bytes {
    let mut record = BytesMut::with_capacity(1 + value.len());
    record.put_u8(ROW_VERSION);
    record.put_slice(value);
    record.freeze()
}

pub(super) fn decode_row(table: &str, record: &Bytes) -> Result<Bytes, DbError> {
    match record.first() {
        Some(&ROW_VERSION) => Ok(record.slice(1..)),
        _ => Err(DbError::UnreadableRecord { table: table.to_owned() }),
    }
}

/// What is known about a table: version, then one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TableState {
    /// It can be used.
    Declared,
    /// It is being dropped: its rows go first, so that they never appear in a later table of that name.
    Dropping,
}

impl TableState {
    pub(super) fn encode(self) -> Bytes {
        match self {
            Self::Declared => Bytes::from_static(&[TABLE_VERSION, 1]),
            Self::Dropping => Bytes::from_static(&[TABLE_VERSION, 2]),
        }
    }

    pub(super) fn decode(table: &str, record: &[u8]) -> Result<Self, DbError> {
        match record {
            [TABLE_VERSION, 1] => Ok(Self::Declared),
            [TABLE_VERSION, 2] => Ok(Self::Dropping),
            _ => Err(DbError::UnreadableRecord { table: table.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Changing one of these strands the data of every node: add a version instead.
    #[test]
    fn golden() {
        assert_eq!(encode_row(b"v"), &[1, b'v'][..]);
        assert_eq!(TableState::Declared.encode(), &[1, 1][..]);
        assert_eq!(TableState::Dropping.encode(), &[1, 2][..]);
    }

    #[test]
    fn records_survive_and_others_are_refused() {
        for value in [&b""[..], b"\x01", b"value"] {
            assert_eq!(decode_row("t", &encode_row(value)).as_deref(), Ok(value));
        }
        for state in [TableState::Declared, TableState::Dropping] {
            assert_eq!(TableState::decode("t", &state.encode()), Ok(state));
        }
        let refused = DbError::UnreadableRecord { table: "t".into() };
        for record in [&b""[..], b"\x02v"] {
            assert_eq!(decode_row("t", &Bytes::from_static(record)), Err(refused.clone()));
        }
        for record in [&b""[..], b"\x01", b"\x01\x03", b"\x01\x01\x00", b"\x02\x01"] {
            assert_eq!(TableState::decode("t", record), Err(refused.clone()));
        }
    }
}
