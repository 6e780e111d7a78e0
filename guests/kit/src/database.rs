//! Operations of muDB, as JSON in and JSON out. Keys and values are text.

use mu_sdk::{Db, KeyValue, Result, TableKey, TableKeyValue};
use serde::Deserialize;
use serde_json::{Value, json};

/// An operation, such as `{"op": "put", "table": "t", "key": "k", "value": "v"}`.
#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Operation {
    Put { table: String, key: String, value: String },
    PutAtomic { table: String, key: String, value: String },
    Get { table: String, key: String },
    Delete { table: String, key: String },
    DeleteAtomic { table: String, key: String },
    DeleteByPrefix { table: String, prefix: String },
    Scan { table: String, prefix: String, limit: u32 },
    ScanKeys { table: String, prefix: String, limit: u32 },
    TableList { prefix: String },
    BatchPut { items: Vec<(String, String, String)> },
    BatchPutAtomic { items: Vec<(String, String, String)> },
    BatchGet { keys: Vec<(String, String)> },
    BatchDelete { keys: Vec<(String, String)> },
    BatchScan { prefixes: Vec<(String, String)>, each_limit: u32 },
    BatchScanKeys { prefixes: Vec<(String, String)>, each_limit: u32 },
    CompareAndSwap { table: String, key: String, previous: Option<String>, new: String },
}

/// Runs an operation; answers its result, or `{"error": "..."}`.
pub(crate) fn run(db: Db<'_>, operation: Operation) -> Value {
    try_run(db, operation).unwrap_or_else(|error| json!({ "error": error.to_string() }))
}

fn try_run(db: Db<'_>, operation: Operation) -> Result<Value> {
    Ok(match operation {
        Operation::Put { table, key, value } => json!(db.put(&table, key, value)?),
        Operation::PutAtomic { table, key, value } => json!(db.put_atomic(&table, key, value)?),
        Operation::Get { table, key } => json!(db.get(&table, key)?.map(text)),
        Operation::Delete { table, key } => json!(db.delete(&table, key)?),
        Operation::DeleteAtomic { table, key } => json!(db.delete_atomic(&table, key)?),
        Operation::DeleteByPrefix { table, prefix } => json!(db.delete_by_prefix(&table, prefix)?),
        Operation::Scan { table, prefix, limit } => {
            let row = |row: KeyValue| (text(row.key), text(row.value));
            json!(db.scan(&table, prefix, limit)?.into_iter().map(row).collect::<Vec<_>>())
        }
        Operation::ScanKeys { table, prefix, limit } => {
            json!(db.scan_keys(&table, prefix, limit)?.into_iter().map(text).collect::<Vec<_>>())
        }
        Operation::TableList { prefix } => json!(db.table_list(&prefix)?),
        Operation::BatchPut { items } => json!(db.batch_put(items)?),
        Operation::BatchPutAtomic { items } => json!(db.batch_put_atomic(items)?),
        Operation::BatchGet { keys } => rows(db.batch_get(keys)?),
        Operation::BatchDelete { keys } => json!(db.batch_delete(keys)?),
        Operation::BatchScan { prefixes, each_limit } => rows(db.batch_scan(prefixes, each_limit)?),
        Operation::BatchScanKeys { prefixes, each_limit } => {
            let key = |row: TableKey| (row.table, text(row.key));
            json!(db.batch_scan_keys(prefixes, each_limit)?.into_iter().map(key).collect::<Vec<_>>())
        }
        Operation::CompareAndSwap { table, key, previous, new } => {
            let swap = db.compare_and_swap(&table, key, previous.as_deref().map(str::as_bytes), new)?;
            json!({ "previous": swap.previous_value.map(text), "is_swapped": swap.is_swapped })
        }
    })
}

fn rows(rows: Vec<TableKeyValue>) -> Value {
    json!(rows.into_iter().map(|row| (row.table, text(row.key), text(row.value))).collect::<Vec<_>>())
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}
