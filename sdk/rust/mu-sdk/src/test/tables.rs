//! muDB in memory, for tests.

use std::collections::{BTreeMap, btree_map};

use mu_abi::{DbReply, DbRequest, KeyValue, TableKey, TableKeyValue};

type Table = BTreeMap<Vec<u8>, Vec<u8>>;

/// The tables, by name. Those that were not declared are refused, as the host does.
#[derive(Debug, Default)]
pub(crate) struct Tables(BTreeMap<String, Table>);

// === impl Tables ===

impl Tables {
    pub(crate) fn declare(&mut self, name: &str) {
        self.0.entry(name.to_owned()).or_default();
    }

    pub(crate) fn answer(&mut self, request: DbRequest) -> DbReply {
        self.try_answer(request).unwrap_or_else(DbReply::Error)
    }

    fn try_answer(&mut self, request: DbRequest) -> Result<DbReply, String> {
        Ok(match request {
            DbRequest::Put { table, key, value, is_atomic: _ } => {
                self.table(&table)?.insert(key, value);
                DbReply::Empty
            }
            DbRequest::Get { table, key } => {
                self.table(&table)?.get(&key).map_or(DbReply::Empty, |value| DbReply::Single(value.clone()))
            }
            DbRequest::Delete { table, key, is_atomic: _ } => {
                self.table(&table)?.remove(&key);
                DbReply::Empty
            }
            DbRequest::DeleteByPrefix { table, key_prefix } => {
                self.table(&table)?.retain(|key, _| !key.starts_with(&key_prefix));
                DbReply::Empty
            }
            DbRequest::Scan { table, key_prefix, limit } => DbReply::KeyValueList(
                rows(self.table(&table)?, &key_prefix, limit)
                    .map(|(key, value)| KeyValue { key: key.clone(), value: value.clone() })
                    .collect(),
            ),
            DbRequest::ScanKeys { table, key_prefix, limit } => {
                DbReply::List(rows(self.table(&table)?, &key_prefix, limit).map(|(key, _)| key.clone()).collect())
            }
            DbRequest::TableList { table_prefix } => {
                let names = self.0.keys().filter(|name| name.starts_with(&table_prefix));
                DbReply::List(names.map(|name| name.clone().into_bytes()).collect())
            }
            DbRequest::BatchPut { items, is_atomic: _ } => {
                self.require(items.iter().map(|(table, _, _)| table))?;
                for (table, key, value) in items {
                    self.table(&table)?.insert(key, value);
                }
                DbReply::Empty
            }
            DbRequest::BatchGet { keys } => {
                let mut found = Vec::new();
                for (table, key) in keys {
                    if let Some(value) = self.table(&table)?.get(&key).cloned() {
                        found.push(TableKeyValue { table, key, value });
                    }
                }
                DbReply::TableKeyValueList(found)
            }
            DbRequest::BatchDelete { keys } => {
                self.require(keys.iter().map(|(table, _)| table))?;
                for (table, key) in keys {
                    self.table(&table)?.remove(&key);
                }
                DbReply::Empty
            }
            DbRequest::BatchScan { prefixes, each_limit } => {
                let mut found = Vec::new();
                for (table, prefix) in prefixes {
                    let rows = rows(self.table(&table)?, &prefix, each_limit);
                    found.extend(rows.map(|(key, value)| TableKeyValue {
                        table: table.clone(),
                        key: key.clone(),
                        value: value.clone(),
                    }));
                }
                DbReply::TableKeyValueList(found)
            }
            DbRequest::BatchScanKeys { prefixes, each_limit } => {
                let mut found = Vec::new();
                for (table, prefix) in prefixes {
                    let rows = rows(self.table(&table)?, &prefix, each_limit);
                    found.extend(rows.map(|(key, _)| TableKey { table: table.clone(), key: key.clone() }));
                }
                DbReply::TableKeyList(found)
            }
            DbRequest::CompareAndSwap { table, key, new_value, previous_value: expected } => {
                let table = self.table(&table)?;
                let previous_value = table.get(&key).cloned();
                let is_swapped = previous_value == expected;
                if is_swapped {
                    table.insert(key, new_value);
                }
                DbReply::Cas { previous_value, is_swapped }
            }
        })
    }

    fn require<'a>(&mut self, mut tables: impl Iterator<Item = &'a String>) -> Result<(), String> {
        tables.try_for_each(|name| self.table(name).map(|_| ()))
    }

    fn table(&mut self, name: &str) -> Result<&mut Table, String> {
        self.0
            .get_mut(name)
            .ok_or_else(|| format!("there is no table `{name}`; declare it with `TestContext::with_table`"))
    }
}

/// The first `limit` rows whose keys start with `prefix`.
fn rows<'a>(
    table: &'a Table,
    prefix: &'a [u8],
    limit: u32,
) -> std::iter::Take<impl Iterator<Item = (&'a Vec<u8>, &'a Vec<u8>)>> {
    let from: btree_map::Range<'_, Vec<u8>, Vec<u8>> = table.range(prefix.to_vec()..);
    from.take_while(move |(key, _)| key.starts_with(prefix)).take(limit as usize)
}
