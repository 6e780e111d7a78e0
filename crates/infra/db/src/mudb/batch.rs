//! Operations on many keys at once.

use std::collections::BTreeSet;

use super::tables::guard;
use super::{Atomicity, DbError, MuDb, Ops, StackId, TableKey, TableRow, record};
use crate::{Batch, KvError, keys};

impl MuDb {
    /// Sets several values, all or nothing. Of several values for one key the last one wins.
    ///
    /// # Errors
    /// See [`MuDb::get`]; [`DbError::TooLarge`] also for too many items or too many bytes.
    pub async fn batch_put(
        &self,
        stack: &StackId,
        rows: &[TableRow],
        atomicity: Atomicity,
    ) -> Result<((), Ops), DbError> {
        self.limits.check_batch_items(rows.len())?;
        self.limits.check_batch_bytes(rows.iter().map(|row| row.key.len() + row.value.len()).sum())?;
        for row in rows {
            self.limits.check_key(&row.key)?;
            self.limits.check_value(&row.value)?;
        }
        let batch = self.guarded_batch(stack, rows.iter().map(|row| &row.table[..])).await?;
        let batch = rows.iter().fold(batch, |batch, row| {
            batch.put(keys::row(stack, &row.table, &row.key), record::encode_row(&row.value))
        });
        self.write(stack, batch).await?;
        Ok(((), Ops::writes(rows.len(), atomicity)))
    }

    /// The rows of those keys that exist, in the order of `wanted`, all from one state.
    ///
    /// # Errors
    /// See [`MuDb::get`]; [`DbError::TooLarge`] also for too many items, [`DbError::ResultTooLarge`] when the rows
    /// together are over [`scan_bytes`](super::Limits::scan_bytes).
    pub async fn batch_get(&self, stack: &StackId, wanted: &[TableKey]) -> Result<(Vec<TableRow>, Ops), DbError> {
        self.check_batch_keys(wanted)?;
        for table in wanted.iter().map(|key| &key.table[..]).collect::<BTreeSet<_>>() {
            self.require_table(stack, table).await?;
        }
        let row_keys: Vec<_> = wanted.iter().map(|key| keys::row(stack, &key.table, &key.key)).collect();
        let limit = self.limits.scan_bytes;
        let too_large = DbError::ResultTooLarge { limit, unit: "bytes", hint: "ask for fewer keys at once" };
        // The store counts our version bytes as well.
        let records = match self.kv.get_many(&row_keys, limit.saturating_add(row_keys.len())).await {
            Err(KvError::TooLarge { .. }) => return Err(too_large),
            other => other?,
        };
        let mut rows = Vec::with_capacity(wanted.len());
        let mut bytes = 0;
        for (TableKey { table, key }, record) in wanted.iter().zip(records) {
            let Some(record) = record else { continue };
            let value = record::decode_row(table, &record)?;
            bytes += key.len() + value.len();
            rows.push(TableRow { table: table.clone(), key: key.clone(), value });
        }
        if bytes > limit {
            return Err(too_large);
        }
        Ok((rows, Ops::reads(wanted.len())))
    }

    /// Removes several keys, all or nothing. They need not exist.
    ///
    /// # Errors
    /// See [`MuDb::get`]; [`DbError::TooLarge`] also for too many items or too many bytes.
    pub async fn batch_delete(&self, stack: &StackId, unwanted: &[TableKey]) -> Result<((), Ops), DbError> {
        self.check_batch_keys(unwanted)?;
        let batch = self.guarded_batch(stack, unwanted.iter().map(|key| &key.table[..])).await?;
        let batch = unwanted.iter().fold(batch, |batch, key| batch.delete(keys::row(stack, &key.table, &key.key)));
        self.write(stack, batch).await?;
        Ok(((), Ops::writes(unwanted.len(), Atomicity::Plain)))
    }

    fn check_batch_keys(&self, keys: &[TableKey]) -> Result<(), DbError> {
        self.limits.check_batch_items(keys.len())?;
        self.limits.check_batch_bytes(keys.iter().map(|key| key.key.len()).sum())?;
        keys.iter().try_for_each(|key| self.limits.check_key(&key.key))
    }

    /// A batch that expects each of the tables to be declared.
    async fn guarded_batch(&self, stack: &StackId, tables: impl Iterator<Item = &str>) -> Result<Batch, DbError> {
        let mut batch = Batch::new();
        for table in tables.collect::<BTreeSet<_>>() {
            self.require_table(stack, table).await?;
            batch = guard(batch, stack, table);
        }
        Ok(batch)
    }
}
