//! A function's questions to muDB.

use bytes::Bytes;
use mu_abi::{DbReply, DbRequest, KeyValue, TableKey, TableKeyValue};
use mu_db::{Atomicity, DbError, MuDb, Ops};

/// Answers one question, and says what it is billed for.
pub(super) async fn answer(db: &MuDb, stack: &[u8; 32], request: DbRequest) -> Result<(DbReply, Ops), DbError> {
    Ok(match request {
        DbRequest::Put { table, key, value, is_atomic } => {
            let ((), ops) = db.put(stack, &table, &key, &value, is_atomic.into()).await?;
            (DbReply::Empty, ops)
        }
        DbRequest::Get { table, key } => {
            let (value, ops) = db.get(stack, &table, &key).await?;
            (value.map_or(DbReply::Empty, |value| DbReply::Single(value.into())), ops)
        }
        DbRequest::Delete { table, key, is_atomic } => {
            let ((), ops) = db.delete(stack, &table, &key, is_atomic.into()).await?;
            (DbReply::Empty, ops)
        }
        DbRequest::DeleteByPrefix { table, key_prefix } => {
            let ((), ops) = db.delete_by_prefix(stack, &table, &key_prefix).await?;
            (DbReply::Empty, ops)
        }
        DbRequest::Scan { table, key_prefix, limit } => {
            let (rows, ops) = db.scan(stack, &table, &key_prefix, row_limit(limit)).await?;
            let row = |(key, value): (Bytes, Bytes)| KeyValue { key: key.into(), value: value.into() };
            (DbReply::KeyValueList(rows.into_iter().map(row).collect()), ops)
        }
        DbRequest::ScanKeys { table, key_prefix, limit } => {
            let (keys, ops) = db.scan_keys(stack, &table, &key_prefix, row_limit(limit)).await?;
            (DbReply::List(keys.into_iter().map(Vec::from).collect()), ops)
        }
        DbRequest::TableList { table_prefix } => {
            let (tables, ops) = db.table_list(stack, &table_prefix).await?;
            (DbReply::List(tables.into_iter().map(String::into_bytes).collect()), ops)
        }
        DbRequest::BatchPut { items, is_atomic } => {
            let row = |(table, key, value): (String, Vec<u8>, Vec<u8>)| mu_db::TableRow {
                table,
                key: key.into(),
                value: value.into(),
            };
            let rows: Vec<_> = items.into_iter().map(row).collect();
            let ((), ops) = db.batch_put(stack, &rows, Atomicity::from(is_atomic)).await?;
            (DbReply::Empty, ops)
        }
        DbRequest::BatchGet { keys } => {
            let (rows, ops) = db.batch_get(stack, &table_keys(keys)).await?;
            (rows_reply(rows), ops)
        }
        DbRequest::BatchDelete { keys } => {
            let ((), ops) = db.batch_delete(stack, &table_keys(keys)).await?;
            (DbReply::Empty, ops)
        }
        DbRequest::BatchScan { prefixes, each_limit } => {
            let (rows, ops) = db.batch_scan(stack, &table_keys(prefixes), row_limit(each_limit)).await?;
            (rows_reply(rows), ops)
        }
        DbRequest::BatchScanKeys { prefixes, each_limit } => {
            let (keys, ops) = db.batch_scan_keys(stack, &table_keys(prefixes), row_limit(each_limit)).await?;
            let key = |found: mu_db::TableKey| TableKey { table: found.table, key: found.key.into() };
            (DbReply::TableKeyList(keys.into_iter().map(key).collect()), ops)
        }
        DbRequest::CompareAndSwap { table, key, new_value, previous_value } => {
            let (swap, ops) = db.compare_and_swap(stack, &table, &key, &new_value, previous_value.as_deref()).await?;
            let previous_value = swap.previous_value.map(Vec::from);
            (DbReply::Cas { previous_value, is_swapped: swap.is_swapped }, ops)
        }
    })
}

/// The protocol's limit as the database takes it; what does not fit is over any limit.
fn row_limit(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

fn table_keys(keys: Vec<(String, Vec<u8>)>) -> Vec<mu_db::TableKey> {
    keys.into_iter().map(|(table, key)| mu_db::TableKey { table, key: key.into() }).collect()
}

fn rows_reply(rows: Vec<mu_db::TableRow>) -> DbReply {
    let row = |row: mu_db::TableRow| TableKeyValue { table: row.table, key: row.key.into(), value: row.value.into() };
    DbReply::TableKeyValueList(rows.into_iter().map(row).collect())
}
