//! A function's questions to muDB.

use bytes::Bytes;
use mu_abi::{DbReply, DbRequest, KeyValue, TableKey, TableKeyValue};
use mu_db::{Atomicity, DbError, KvError, MuDb, Ops};

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

/// The most writes that a question may be billed for, as far as it tells: how many rows have a prefix is known only
/// when they are deleted.
pub(super) fn writes_max(request: &DbRequest) -> u64 {
    let atomic = |is_atomic: bool| if is_atomic { 2 } else { 1 };
    match request {
        DbRequest::Put { is_atomic, .. } | DbRequest::Delete { is_atomic, .. } => atomic(*is_atomic),
        DbRequest::DeleteByPrefix { .. } => 1,
        DbRequest::BatchPut { items, is_atomic } => items.len().max(1) as u64 * atomic(*is_atomic),
        DbRequest::BatchDelete { keys } => keys.len().max(1) as u64,
        DbRequest::CompareAndSwap { .. } => 2,
        DbRequest::Get { .. }
        | DbRequest::Scan { .. }
        | DbRequest::ScanKeys { .. }
        | DbRequest::TableList { .. }
        | DbRequest::BatchGet { .. }
        | DbRequest::BatchScan { .. }
        | DbRequest::BatchScanKeys { .. } => 0,
    }
}

/// The most bytes that the stack's tables grow by: keys and values of what is written. What a row takes besides is the
/// node's business.
pub(super) fn written_bytes_max(request: &DbRequest) -> u64 {
    let bytes = match request {
        DbRequest::Put { key, value, .. } => key.len() + value.len(),
        DbRequest::BatchPut { items, .. } => items.iter().map(|(_, key, value)| key.len() + value.len()).sum(),
        DbRequest::CompareAndSwap { key, new_value, .. } => key.len() + new_value.len(),
        DbRequest::Delete { .. }
        | DbRequest::DeleteByPrefix { .. }
        | DbRequest::BatchDelete { .. }
        | DbRequest::Get { .. }
        | DbRequest::Scan { .. }
        | DbRequest::ScanKeys { .. }
        | DbRequest::TableList { .. }
        | DbRequest::BatchGet { .. }
        | DbRequest::BatchScan { .. }
        | DbRequest::BatchScanKeys { .. } => 0,
    };
    bytes as u64
}

/// What a function is told of an error. Failures of the store name files of the node, which are its operator's business.
pub(super) fn told(error: &DbError) -> String {
    let text = match error {
        DbError::Store(KvError::TooLarge { .. }) => return error.to_string(),
        DbError::Store(KvError::Full { .. }) => "the database is full; reads still work",
        DbError::Store(_) => "the database is unavailable; try again",
        _ => return error.to_string(),
    };
    tracing::warn!(%error, "the database failed a function");
    text.to_owned()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_writes_follow_from_the_question() {
        let (table, key) = ("t".to_owned(), b"k".to_vec());
        let row = (table.clone(), key.clone(), key.clone());
        let place = (table.clone(), key.clone());
        let put = |is_atomic| DbRequest::Put { table: table.clone(), key: key.clone(), value: vec![], is_atomic };
        let delete = |is_atomic| DbRequest::Delete { table: table.clone(), key: key.clone(), is_atomic };
        let batch_put = |count, is_atomic| DbRequest::BatchPut { items: vec![row.clone(); count], is_atomic };
        let batch_delete = |count| DbRequest::BatchDelete { keys: vec![place.clone(); count] };
        for (request, expected) in [
            (put(false), 1),
            (put(true), 2),
            (delete(false), 1),
            (delete(true), 2),
            (batch_put(0, false), 1),
            (batch_put(3, false), 3),
            (batch_put(3, true), 6),
            (batch_delete(0), 1),
            (batch_delete(3), 3),
            (DbRequest::DeleteByPrefix { table: table.clone(), key_prefix: key.clone() }, 1),
            (DbRequest::Get { table: table.clone(), key: key.clone() }, 0),
        ] {
            assert_eq!(writes_max(&request), expected, "{request:?}");
        }
    }

    #[test]
    fn a_function_is_told_of_its_mistakes_and_not_of_the_nodes_files() {
        let (store, reason) = ("/data/db.redb".to_owned(), "input/output error".to_owned());
        for (error, expected) in [
            (
                KvError::Unavailable { store: store.clone(), reason: reason.clone() },
                "the database is unavailable; try again",
            ),
            (
                KvError::Corrupt { store: store.clone(), reason: reason.clone() },
                "the database is unavailable; try again",
            ),
            (KvError::Closed { store: store.clone() }, "the database is unavailable; try again"),
            (KvError::Full { store, reason }, "the database is full; reads still work"),
            (
                KvError::TooLarge { what: "a batch", bytes: 2, limit_bytes: 1 },
                "a batch of 2 bytes is over the limit of 1 bytes",
            ),
        ] {
            assert_eq!(told(&DbError::Store(error)), expected);
        }
        let unknown = DbError::UnknownTable { table: "ghosts".to_owned() };
        assert_eq!(told(&unknown), unknown.to_string());
    }
}
