//! Scans by prefix, and deletion by prefix.

use bytes::Bytes;

use super::tables::guard;
use super::{Atomicity, DbError, MuDb, Ops, StackId, TableKey, TableRow, record};
use crate::{Batch, Cut, KeyRange, Order, Row, Scan, ScanLimit, Select, keys};

/// Parts and rows after which a scan of many parts lets other tasks run: the store may read short parts without ever
/// giving way.
const PART_ROWS_BETWEEN_YIELDS: usize = 64;

/// How much of the answer of one operation is used up.
#[derive(Default)]
struct Used {
    rows: usize,
    bytes: usize,
}

impl MuDb {
    /// The first `limit` rows whose keys begin with `prefix`, in order.
    ///
    /// # Errors
    /// [`DbError::TooLarge`] when `limit` is over [`scan_rows`](super::Limits::scan_rows); [`DbError::ResultTooLarge`]
    /// when the rows together are over [`scan_bytes`](super::Limits::scan_bytes): the function protocol cannot say
    /// that an answer was cut, so it is not. Otherwise see [`MuDb::get`].
    pub async fn scan(
        &self,
        stack: &StackId,
        table: &str,
        prefix: &[u8],
        limit: usize,
    ) -> Result<(Vec<(Bytes, Bytes)>, Ops), DbError> {
        let rows = self.scan_part(stack, table, prefix, limit, Select::Rows, &mut Used::default()).await?;
        let ops = Ops::reads(rows.len());
        Ok((rows.into_iter().map(|row| (row.key, row.value)).collect(), ops))
    }

    /// The first `limit` keys that begin with `prefix`, in order.
    ///
    /// # Errors
    /// See [`MuDb::scan`].
    pub async fn scan_keys(
        &self,
        stack: &StackId,
        table: &str,
        prefix: &[u8],
        limit: usize,
    ) -> Result<(Vec<Bytes>, Ops), DbError> {
        let rows = self.scan_part(stack, table, prefix, limit, Select::Keys, &mut Used::default()).await?;
        let ops = Ops::reads(rows.len());
        Ok((rows.into_iter().map(|row| row.key).collect(), ops))
    }

    /// [`MuDb::scan`] for several tables and prefixes, one after the other: the parts may show different states. Each
    /// part has at most `each_limit` rows; the limits on rows and bytes of an answer hold for all parts together.
    ///
    /// # Errors
    /// See [`MuDb::scan`].
    pub async fn batch_scan(
        &self,
        stack: &StackId,
        prefixes: &[TableKey],
        each_limit: usize,
    ) -> Result<(Vec<TableRow>, Ops), DbError> {
        let (parts, ops) = self.scan_parts(stack, prefixes, each_limit, Select::Rows).await?;
        let rows = parts.into_iter().map(|(table, row)| TableRow { table, key: row.key, value: row.value });
        Ok((rows.collect(), ops))
    }

    /// [`MuDb::batch_scan`] without the values.
    ///
    /// # Errors
    /// See [`MuDb::scan`].
    pub async fn batch_scan_keys(
        &self,
        stack: &StackId,
        prefixes: &[TableKey],
        each_limit: usize,
    ) -> Result<(Vec<TableKey>, Ops), DbError> {
        let (parts, ops) = self.scan_parts(stack, prefixes, each_limit, Select::Keys).await?;
        Ok((parts.into_iter().map(|(table, row)| TableKey { table, key: row.key }).collect(), ops))
    }

    /// Removes all rows whose keys begin with `prefix`.
    ///
    /// Up to a thousand rows go at once; more go in several commits. Rows that are written under the prefix meanwhile
    /// may stay.
    ///
    /// # Errors
    /// See [`MuDb::get`]. Part of the rows may be gone then.
    pub async fn delete_by_prefix(&self, stack: &StackId, table: &str, prefix: &[u8]) -> Result<((), Ops), DbError> {
        self.limits.check_key(prefix)?;
        self.require_table(stack, table).await?;
        let mut range = KeyRange::prefix(keys::row(stack, table, prefix));
        let mut deleted = 0;
        loop {
            let page = self.keys_chunk(range.clone()).await?;
            let Some(last) = page.rows.last() else { break };
            range = range.after(&last.key);
            let batch = guard(Batch::new(), stack, table);
            self.write(stack, page.rows.iter().fold(batch, |batch, row| batch.delete(row.key.clone()))).await?;
            deleted += page.rows.len();
            if page.cut.is_none() {
                break;
            }
        }
        Ok(((), Ops::writes(deleted, Atomicity::Plain)))
    }

    async fn scan_parts(
        &self,
        stack: &StackId,
        prefixes: &[TableKey],
        each_limit: usize,
        select: Select,
    ) -> Result<(Vec<(String, Row)>, Ops), DbError> {
        self.limits.check_batch_items(prefixes.len())?;
        let (mut all, mut ops, mut used) = (Vec::new(), Ops::default(), Used::default());
        let mut unyielded = 0;
        for TableKey { table, key } in prefixes {
            let rows = self.scan_part(stack, table, key, each_limit, select, &mut used).await?;
            ops += Ops::reads(rows.len());
            unyielded += 1 + rows.len();
            if unyielded >= PART_ROWS_BETWEEN_YIELDS {
                tokio::task::yield_now().await;
                unyielded = 0;
            }
            all.extend(rows.into_iter().map(|row| (table.clone(), row)));
        }
        Ok((all, ops))
    }

    async fn scan_part(
        &self,
        stack: &StackId,
        table: &str,
        prefix: &[u8],
        limit: usize,
        select: Select,
        used: &mut Used,
    ) -> Result<Vec<Row>, DbError> {
        self.limits.check_key(prefix)?;
        self.limits.check_row_limit(limit)?;
        self.require_table(stack, table).await?;
        let table_prefix = keys::row(stack, table, b"");
        // The store counts our prefixes and version bytes, the function does not. One row more than fits tells a full
        // answer from one that must be refused.
        let rows = limit.min(self.limits.scan_rows - used.rows + 1);
        let bytes = self.limits.scan_bytes - used.bytes + rows.saturating_mul(table_prefix.len() + 1);
        let page = self.kv.scan(Scan {
            range: KeyRange::prefix(keys::row(stack, table, prefix)),
            order: Order::Ascending,
            limit: ScanLimit { rows, bytes },
            select,
        });
        let page = page.await?;
        let mut found = Vec::with_capacity(page.rows.len());
        for Row { key, value } in page.rows {
            let key = keys::parse_row(&table_prefix, &key).unwrap_or_default();
            let value = match select {
                Select::Rows => record::decode_row(table, &value)?,
                Select::Keys => value,
            };
            used.rows += 1;
            used.bytes += key.len() + value.len();
            found.push(Row { key, value });
        }
        if used.rows > self.limits.scan_rows {
            let hint = "ask for fewer rows, or in several operations";
            return Err(DbError::ResultTooLarge { limit: self.limits.scan_rows, unit: "rows", hint });
        }
        if used.bytes > self.limits.scan_bytes || page.cut == Some(Cut::Bytes) {
            let hint = "ask for fewer rows, for a longer prefix, or for keys alone";
            return Err(DbError::ResultTooLarge { limit: self.limits.scan_bytes, unit: "bytes", hint });
        }
        Ok(found)
    }
}
