//! muDB: the stack's tables.

use std::fmt;

use mu_abi::{DbReply, DbRequest, Incoming, KeyValue, Outgoing, TableKey, TableKeyValue};

use crate::{
    error::{Error, Result},
    host::Host,
};

/// The tables of the function's stack: ordered keys with values, both bytes.
///
/// Tables are declared in the stack's manifest. Keys are compared byte by byte. The host limits how long keys and
/// values may be, and how many rows a scan answers.
///
/// The `..._atomic` writes are ordered with [`compare_and_swap`](Db::compare_and_swap) on the same keys; use them, and
/// it, where several calls change the same values. They cost twice as much.
#[derive(Clone, Copy)]
pub struct Db<'a> {
    host: &'a dyn Host,
}

/// What came of a [`Db::compare_and_swap`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swap {
    /// The value that was found; `None` if there was none.
    pub previous_value: Option<Vec<u8>>,
    /// Whether it was the one expected, so that the new value was written.
    pub is_swapped: bool,
}

// === impl Db ===

impl<'a> Db<'a> {
    pub(crate) fn new(host: &'a dyn Host) -> Self {
        Self { host }
    }

    /// Writes a value, replacing the one that is there.
    ///
    /// # Errors
    /// If the table is not declared, or something is over a limit.
    pub fn put(&self, table: &str, key: impl AsRef<[u8]>, value: impl Into<Vec<u8>>) -> Result<()> {
        self.write(DbRequest::Put { table: table.to_owned(), key: bytes(key), value: value.into(), is_atomic: false })
    }

    /// Writes a value, ordered with [`compare_and_swap`](Self::compare_and_swap).
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn put_atomic(&self, table: &str, key: impl AsRef<[u8]>, value: impl Into<Vec<u8>>) -> Result<()> {
        self.write(DbRequest::Put { table: table.to_owned(), key: bytes(key), value: value.into(), is_atomic: true })
    }

    /// Reads a value; `None` if there is none.
    ///
    /// # Errors
    /// If the table is not declared, or the key is too long.
    pub fn get(&self, table: &str, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>> {
        match self.ask(DbRequest::Get { table: table.to_owned(), key: bytes(key) })? {
            DbReply::Single(value) => Ok(Some(value)),
            DbReply::Empty => Ok(None),
            other => Err(unexpected(&other)),
        }
    }

    /// Removes a value. That there is none is no error.
    ///
    /// # Errors
    /// If the table is not declared, or the key is too long.
    pub fn delete(&self, table: &str, key: impl AsRef<[u8]>) -> Result<()> {
        self.write(DbRequest::Delete { table: table.to_owned(), key: bytes(key), is_atomic: false })
    }

    /// Removes a value, ordered with [`compare_and_swap`](Self::compare_and_swap).
    ///
    /// # Errors
    /// As [`delete`](Self::delete).
    pub fn delete_atomic(&self, table: &str, key: impl AsRef<[u8]>) -> Result<()> {
        self.write(DbRequest::Delete { table: table.to_owned(), key: bytes(key), is_atomic: true })
    }

    /// Removes all values whose keys start with `key_prefix`.
    ///
    /// # Errors
    /// If the table is not declared.
    pub fn delete_by_prefix(&self, table: &str, key_prefix: impl AsRef<[u8]>) -> Result<()> {
        self.write(DbRequest::DeleteByPrefix { table: table.to_owned(), key_prefix: bytes(key_prefix) })
    }

    /// Reads the first `limit` keys that start with `key_prefix`, and their values, in key order.
    ///
    /// # Errors
    /// If the table is not declared, or the rows together are over the host's limit.
    pub fn scan(&self, table: &str, key_prefix: impl AsRef<[u8]>, limit: u32) -> Result<Vec<KeyValue>> {
        match self.ask(DbRequest::Scan { table: table.to_owned(), key_prefix: bytes(key_prefix), limit })? {
            DbReply::KeyValueList(rows) => Ok(rows),
            other => Err(unexpected(&other)),
        }
    }

    /// Reads the first `limit` keys that start with `key_prefix`, in order.
    ///
    /// # Errors
    /// As [`scan`](Self::scan).
    pub fn scan_keys(&self, table: &str, key_prefix: impl AsRef<[u8]>, limit: u32) -> Result<Vec<Vec<u8>>> {
        match self.ask(DbRequest::ScanKeys { table: table.to_owned(), key_prefix: bytes(key_prefix), limit })? {
            DbReply::List(keys) => Ok(keys),
            other => Err(unexpected(&other)),
        }
    }

    /// The names of the stack's tables that start with `table_prefix`.
    ///
    /// # Errors
    /// If the database fails.
    pub fn table_list(&self, table_prefix: &str) -> Result<Vec<String>> {
        match self.ask(DbRequest::TableList { table_prefix: table_prefix.to_owned() })? {
            DbReply::List(names) => Ok(names.into_iter().map(String::from_utf8).collect::<Result<_, _>>()?),
            other => Err(unexpected(&other)),
        }
    }

    /// Writes several values: each a table, a key and a value.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn batch_put<T, K, V>(&self, items: impl IntoIterator<Item = (T, K, V)>) -> Result<()>
    where
        T: Into<String>,
        K: AsRef<[u8]>,
        V: Into<Vec<u8>>,
    {
        self.write(DbRequest::BatchPut { items: rows(items), is_atomic: false })
    }

    /// Writes several values, ordered with [`compare_and_swap`](Self::compare_and_swap).
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn batch_put_atomic<T, K, V>(&self, items: impl IntoIterator<Item = (T, K, V)>) -> Result<()>
    where
        T: Into<String>,
        K: AsRef<[u8]>,
        V: Into<Vec<u8>>,
    {
        self.write(DbRequest::BatchPut { items: rows(items), is_atomic: true })
    }

    /// Reads several values: each a table and a key. Those that don't exist are left out.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn batch_get<T, K>(&self, keys: impl IntoIterator<Item = (T, K)>) -> Result<Vec<TableKeyValue>>
    where
        T: Into<String>,
        K: AsRef<[u8]>,
    {
        self.rows(DbRequest::BatchGet { keys: pairs(keys) })
    }

    /// Removes several values: each a table and a key.
    ///
    /// # Errors
    /// As [`delete`](Self::delete).
    pub fn batch_delete<T, K>(&self, keys: impl IntoIterator<Item = (T, K)>) -> Result<()>
    where
        T: Into<String>,
        K: AsRef<[u8]>,
    {
        self.write(DbRequest::BatchDelete { keys: pairs(keys) })
    }

    /// Reads keys and values by several prefixes: each a table and a key prefix, and at most `each_limit` rows of each.
    ///
    /// # Errors
    /// As [`scan`](Self::scan).
    pub fn batch_scan<T, K>(
        &self,
        prefixes: impl IntoIterator<Item = (T, K)>,
        each_limit: u32,
    ) -> Result<Vec<TableKeyValue>>
    where
        T: Into<String>,
        K: AsRef<[u8]>,
    {
        self.rows(DbRequest::BatchScan { prefixes: pairs(prefixes), each_limit })
    }

    /// Reads keys by several prefixes: each a table and a key prefix, and at most `each_limit` keys of each.
    ///
    /// # Errors
    /// As [`scan`](Self::scan).
    pub fn batch_scan_keys<T, K>(
        &self,
        prefixes: impl IntoIterator<Item = (T, K)>,
        each_limit: u32,
    ) -> Result<Vec<TableKey>>
    where
        T: Into<String>,
        K: AsRef<[u8]>,
    {
        match self.ask(DbRequest::BatchScanKeys { prefixes: pairs(prefixes), each_limit })? {
            DbReply::TableKeyList(keys) => Ok(keys),
            other => Err(unexpected(&other)),
        }
    }

    /// Writes `new_value` if the present value is `previous_value`, where `None` means that there is none.
    ///
    /// # Errors
    /// As [`put`](Self::put). That the value is another one is no error: see [`Swap::is_swapped`].
    pub fn compare_and_swap(
        &self,
        table: &str,
        key: impl AsRef<[u8]>,
        previous_value: Option<&[u8]>,
        new_value: impl Into<Vec<u8>>,
    ) -> Result<Swap> {
        let request = DbRequest::CompareAndSwap {
            table: table.to_owned(),
            key: bytes(key),
            new_value: new_value.into(),
            previous_value: previous_value.map(<[u8]>::to_vec),
        };
        match self.ask(request)? {
            DbReply::Cas { previous_value, is_swapped } => Ok(Swap { previous_value, is_swapped }),
            other => Err(unexpected(&other)),
        }
    }

    /// Reads a value that is JSON; `None` if there is none.
    ///
    /// # Errors
    /// As [`get`](Self::get), or if the value is not JSON of this type.
    #[cfg(feature = "json")]
    pub fn get_json<T: serde::de::DeserializeOwned>(&self, table: &str, key: impl AsRef<[u8]>) -> Result<Option<T>> {
        match self.get(table, key)? {
            Some(value) => Ok(Some(serde_json::from_slice(&value)?)),
            None => Ok(None),
        }
    }

    /// Writes a value as JSON, replacing the one that is there.
    ///
    /// # Errors
    /// As [`put`](Self::put), or if the value can't be written as JSON.
    #[cfg(feature = "json")]
    pub fn put_json<T: serde::Serialize>(&self, table: &str, key: impl AsRef<[u8]>, value: &T) -> Result<()> {
        self.put(table, key, serde_json::to_vec(value)?)
    }

    fn write(&self, request: DbRequest) -> Result<()> {
        match self.ask(request)? {
            DbReply::Empty => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    fn rows(&self, request: DbRequest) -> Result<Vec<TableKeyValue>> {
        match self.ask(request)? {
            DbReply::TableKeyValueList(rows) => Ok(rows),
            other => Err(unexpected(&other)),
        }
    }

    fn ask(&self, request: DbRequest) -> Result<DbReply> {
        match self.host.ask(Outgoing::Db(request))? {
            Incoming::Db(DbReply::Error(error)) => Err(Error::internal(format!("muDB: {error}"))),
            Incoming::Db(reply) => Ok(reply),
            _ => Err(Error::internal("the host answered a question to muDB with something else")),
        }
    }
}

impl fmt::Debug for Db<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Db").finish_non_exhaustive()
    }
}

fn unexpected(reply: &DbReply) -> Error {
    Error::internal(format!("muDB answered another question than was asked: {reply:?}"))
}

fn bytes(key: impl AsRef<[u8]>) -> Vec<u8> {
    key.as_ref().to_vec()
}

fn pairs<T: Into<String>, K: AsRef<[u8]>>(keys: impl IntoIterator<Item = (T, K)>) -> Vec<(String, Vec<u8>)> {
    keys.into_iter().map(|(table, key)| (table.into(), bytes(key))).collect()
}

fn rows<T: Into<String>, K: AsRef<[u8]>, V: Into<Vec<u8>>>(
    items: impl IntoIterator<Item = (T, K, V)>,
) -> Vec<(String, Vec<u8>, Vec<u8>)> {
    items.into_iter().map(|(table, key, value)| (table.into(), bytes(key), value.into())).collect()
}
