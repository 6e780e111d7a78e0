//! Questions to muDB and their answers.

use crate::codec::{Encode, Reader, Stop, encode_message, structure};

/// A question to muDB; each is about tables of the function's stack.
///
/// `is_atomic` asks for a write that is ordered with [`DbRequest::CompareAndSwap`] on the same keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DbRequest {
    /// Writes a value. Answered by [`DbReply::Empty`].
    Put {
        /// The table.
        table: String,
        /// The key.
        key: Vec<u8>,
        /// The value.
        value: Vec<u8>,
        /// Whether the write is ordered with compare-and-swap.
        is_atomic: bool,
    },
    /// Reads a value. Answered by [`DbReply::Single`], or [`DbReply::Empty`] if there is none.
    Get {
        /// The table.
        table: String,
        /// The key.
        key: Vec<u8>,
    },
    /// Removes a value. Answered by [`DbReply::Empty`].
    Delete {
        /// The table.
        table: String,
        /// The key.
        key: Vec<u8>,
        /// Whether the write is ordered with compare-and-swap.
        is_atomic: bool,
    },
    /// Removes all values whose keys start with a prefix. Answered by [`DbReply::Empty`].
    DeleteByPrefix {
        /// The table.
        table: String,
        /// What the keys start with; empty for all.
        key_prefix: Vec<u8>,
    },
    /// Reads keys and values in key order. Answered by [`DbReply::KeyValueList`].
    Scan {
        /// The table.
        table: String,
        /// What the keys start with; empty for all.
        key_prefix: Vec<u8>,
        /// The most rows to answer.
        limit: u32,
    },
    /// Reads keys in order. Answered by [`DbReply::List`].
    ScanKeys {
        /// The table.
        table: String,
        /// What the keys start with; empty for all.
        key_prefix: Vec<u8>,
        /// The most rows to answer.
        limit: u32,
    },
    /// Lists tables by name. Answered by [`DbReply::List`].
    TableList {
        /// What the names start with; empty for all.
        table_prefix: String,
    },
    /// Writes several values. Answered by [`DbReply::Empty`].
    BatchPut {
        /// Tables, keys and values.
        items: Vec<(String, Vec<u8>, Vec<u8>)>,
        /// Whether the writes are ordered with compare-and-swap.
        is_atomic: bool,
    },
    /// Reads several values. Answered by [`DbReply::TableKeyValueList`], without the keys that don't exist.
    BatchGet {
        /// Tables and keys.
        keys: Vec<(String, Vec<u8>)>,
    },
    /// Removes several values. Answered by [`DbReply::Empty`].
    BatchDelete {
        /// Tables and keys.
        keys: Vec<(String, Vec<u8>)>,
    },
    /// Reads several ranges. Answered by [`DbReply::TableKeyValueList`].
    BatchScan {
        /// Tables and key prefixes.
        prefixes: Vec<(String, Vec<u8>)>,
        /// The most rows to answer for each.
        each_limit: u32,
    },
    /// Reads the keys of several ranges. Answered by [`DbReply::TableKeyList`].
    BatchScanKeys {
        /// Tables and key prefixes.
        prefixes: Vec<(String, Vec<u8>)>,
        /// The most rows to answer for each.
        each_limit: u32,
    },
    /// Writes a value if the present one is as expected. Answered by [`DbReply::Cas`].
    CompareAndSwap {
        /// The table.
        table: String,
        /// The key.
        key: Vec<u8>,
        /// The value to write.
        new_value: Vec<u8>,
        /// The value expected; `None` for "there is none".
        previous_value: Option<Vec<u8>>,
    },
}

/// An answer of muDB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DbReply {
    /// The operation failed, and why.
    Error(String),
    /// One value.
    Single(Vec<u8>),
    /// Keys, or names of tables.
    List(Vec<Vec<u8>>),
    /// Keys and values of one table.
    KeyValueList(Vec<KeyValue>),
    /// Keys of several tables.
    TableKeyList(Vec<TableKey>),
    /// Keys and values of several tables.
    TableKeyValueList(Vec<TableKeyValue>),
    /// It is done and there is nothing to tell; to [`DbRequest::Get`], that there is no such key.
    Empty,
    /// What came of [`DbRequest::CompareAndSwap`].
    Cas {
        /// The value found before.
        previous_value: Option<Vec<u8>>,
        /// Whether it was as expected, and the new value was written.
        is_swapped: bool,
    },
}

/// A row of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValue {
    /// The key.
    pub key: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
}

/// The key of a row, and its table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableKey {
    /// The table.
    pub table: String,
    /// The key.
    pub key: Vec<u8>,
}

/// A row, and its table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableKeyValue {
    /// The table.
    pub table: String,
    /// The key.
    pub key: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
}

structure!(KeyValue { key: Vec<u8>, value: Vec<u8> });
structure!(TableKey { table: String, key: Vec<u8> });
structure!(TableKeyValue { table: String, key: Vec<u8>, value: Vec<u8> });

mod code {
    pub(super) const PUT: u16 = 1001;
    pub(super) const GET: u16 = 1002;
    pub(super) const DELETE: u16 = 1003;
    pub(super) const DELETE_BY_PREFIX: u16 = 1004;
    pub(super) const SCAN: u16 = 1005;
    pub(super) const SCAN_KEYS: u16 = 1006;
    pub(super) const TABLE_LIST: u16 = 1007;
    pub(super) const BATCH_PUT: u16 = 1008;
    pub(super) const BATCH_GET: u16 = 1009;
    pub(super) const BATCH_DELETE: u16 = 1010;
    pub(super) const BATCH_SCAN: u16 = 1011;
    pub(super) const BATCH_SCAN_KEYS: u16 = 1012;
    pub(super) const COMPARE_AND_SWAP: u16 = 1013;

    pub(super) const ERROR: u16 = 1001;
    pub(super) const SINGLE_RESULT: u16 = 1002;
    pub(super) const LIST_RESULT: u16 = 1003;
    pub(super) const KEY_VALUE_LIST_RESULT: u16 = 1004;
    pub(super) const TABLE_KEY_LIST_RESULT: u16 = 1005;
    pub(super) const TABLE_KEY_VALUE_LIST_RESULT: u16 = 1006;
    pub(super) const EMPTY_RESULT: u16 = 1007;
    pub(super) const CAS_RESULT: u16 = 1008;
}

// === impl DbRequest ===

impl DbRequest {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let (code, fields): (u16, &[&dyn Encode]) = match self {
            Self::Put { table, key, value, is_atomic } => (code::PUT, &[table, key, value, is_atomic]),
            Self::Get { table, key } => (code::GET, &[table, key]),
            Self::Delete { table, key, is_atomic } => (code::DELETE, &[table, key, is_atomic]),
            Self::DeleteByPrefix { table, key_prefix } => (code::DELETE_BY_PREFIX, &[table, key_prefix]),
            Self::Scan { table, key_prefix, limit } => (code::SCAN, &[table, key_prefix, limit]),
            Self::ScanKeys { table, key_prefix, limit } => (code::SCAN_KEYS, &[table, key_prefix, limit]),
            Self::TableList { table_prefix } => (code::TABLE_LIST, &[table_prefix]),
            Self::BatchPut { items, is_atomic } => (code::BATCH_PUT, &[items, is_atomic]),
            Self::BatchGet { keys } => (code::BATCH_GET, &[keys]),
            Self::BatchDelete { keys } => (code::BATCH_DELETE, &[keys]),
            Self::BatchScan { prefixes, each_limit } => (code::BATCH_SCAN, &[prefixes, each_limit]),
            Self::BatchScanKeys { prefixes, each_limit } => (code::BATCH_SCAN_KEYS, &[prefixes, each_limit]),
            Self::CompareAndSwap { table, key, new_value, previous_value } => {
                (code::COMPARE_AND_SWAP, &[table, key, new_value, previous_value])
            }
        };
        encode_message(out, code, fields);
    }

    /// Reads the question with this code; `None` if there is none.
    pub(crate) fn decode(code: u16, reader: &mut Reader<'_>) -> Result<Option<Self>, Stop> {
        Ok(Some(match code {
            code::PUT => Self::Put {
                table: reader.read()?,
                key: reader.read()?,
                value: reader.read()?,
                is_atomic: reader.read()?,
            },
            code::GET => Self::Get { table: reader.read()?, key: reader.read()? },
            code::DELETE => Self::Delete { table: reader.read()?, key: reader.read()?, is_atomic: reader.read()? },
            code::DELETE_BY_PREFIX => Self::DeleteByPrefix { table: reader.read()?, key_prefix: reader.read()? },
            code::SCAN => Self::Scan { table: reader.read()?, key_prefix: reader.read()?, limit: reader.read()? },
            code::SCAN_KEYS => {
                Self::ScanKeys { table: reader.read()?, key_prefix: reader.read()?, limit: reader.read()? }
            }
            code::TABLE_LIST => Self::TableList { table_prefix: reader.read()? },
            code::BATCH_PUT => Self::BatchPut { items: reader.read()?, is_atomic: reader.read()? },
            code::BATCH_GET => Self::BatchGet { keys: reader.read()? },
            code::BATCH_DELETE => Self::BatchDelete { keys: reader.read()? },
            code::BATCH_SCAN => Self::BatchScan { prefixes: reader.read()?, each_limit: reader.read()? },
            code::BATCH_SCAN_KEYS => Self::BatchScanKeys { prefixes: reader.read()?, each_limit: reader.read()? },
            code::COMPARE_AND_SWAP => Self::CompareAndSwap {
                table: reader.read()?,
                key: reader.read()?,
                new_value: reader.read()?,
                previous_value: reader.read()?,
            },
            _ => return Ok(None),
        }))
    }
}

// === impl DbReply ===

impl DbReply {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let (code, fields): (u16, &[&dyn Encode]) = match self {
            Self::Error(error) => (code::ERROR, &[error]),
            Self::Single(item) => (code::SINGLE_RESULT, &[item]),
            Self::List(list) => (code::LIST_RESULT, &[list]),
            Self::KeyValueList(list) => (code::KEY_VALUE_LIST_RESULT, &[list]),
            Self::TableKeyList(list) => (code::TABLE_KEY_LIST_RESULT, &[list]),
            Self::TableKeyValueList(list) => (code::TABLE_KEY_VALUE_LIST_RESULT, &[list]),
            Self::Empty => (code::EMPTY_RESULT, &[]),
            Self::Cas { previous_value, is_swapped } => (code::CAS_RESULT, &[previous_value, is_swapped]),
        };
        encode_message(out, code, fields);
    }

    /// Reads the answer with this code; `None` if there is none.
    pub(crate) fn decode(code: u16, reader: &mut Reader<'_>) -> Result<Option<Self>, Stop> {
        Ok(Some(match code {
            code::ERROR => Self::Error(reader.read()?),
            code::SINGLE_RESULT => Self::Single(reader.read()?),
            code::LIST_RESULT => Self::List(reader.read()?),
            code::KEY_VALUE_LIST_RESULT => Self::KeyValueList(reader.read()?),
            code::TABLE_KEY_LIST_RESULT => Self::TableKeyList(reader.read()?),
            code::TABLE_KEY_VALUE_LIST_RESULT => Self::TableKeyValueList(reader.read()?),
            code::EMPTY_RESULT => Self::Empty,
            code::CAS_RESULT => Self::Cas { previous_value: reader.read()?, is_swapped: reader.read()? },
            _ => return Ok(None),
        }))
    }
}
