//! Which tables a stack has: declared when it is deployed, cached by each process.

use std::collections::{HashMap, HashSet};
use std::sync::{PoisonError, RwLock};

use super::record::TableState;
use super::{DbError, MuDb, Ops, StackId};
use crate::{Batch, KeyRange, Order, Outcome, Page, Scan, ScanLimit, Select, keys};

const NAME_BYTES_MAX: usize = 255;

/// Rows deleted by one commit when there may be many: enough to amortise the sync, and few enough (at most about 8 MiB
/// of keys) to leave other writers their turn.
pub(super) const CHUNK_ROWS: usize = 1_000;

/// The tables that this process has seen declared, so that an operation costs one read of the store and not two.
///
/// Another node may drop a table that is cached here. Reads may then miss it for as long as nothing is written; every
/// write checks the registry as part of its commit, and a failed check empties the entry.
#[derive(Debug, Default)]
pub(super) struct Declared(RwLock<Cache>);

#[derive(Debug, Default)]
struct Cache {
    tables: HashMap<StackId, HashSet<Box<str>>>,
    /// Counts forgotten entries: what was read from the store before one of them must not be remembered.
    epoch: u64,
}

impl Declared {
    fn contains(&self, stack: &StackId, table: &str) -> bool {
        let cache = self.0.read().unwrap_or_else(PoisonError::into_inner);
        cache.tables.get(stack).is_some_and(|tables| tables.contains(table))
    }

    fn epoch(&self) -> u64 {
        self.0.read().unwrap_or_else(PoisonError::into_inner).epoch
    }

    fn remember(&self, stack: &StackId, table: &str, epoch: u64) {
        let mut cache = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if cache.epoch == epoch {
            cache.tables.entry(*stack).or_default().insert(table.into());
        }
    }

    pub(super) fn forget(&self, stack: &StackId, table: &str) {
        let mut cache = self.0.write().unwrap_or_else(PoisonError::into_inner);
        cache.epoch += 1;
        if let Some(tables) = cache.tables.get_mut(stack) {
            tables.remove(table);
            if tables.is_empty() {
                cache.tables.remove(stack);
            }
        }
    }
}

/// Adds the condition that the table is declared: no write reaches a table that is dropped at the same time.
pub(super) fn guard(batch: Batch, stack: &StackId, table: &str) -> Batch {
    batch.expect_value(keys::table(stack, table), TableState::Declared.encode())
}

impl MuDb {
    /// Declares tables of a stack. Those that exist keep their rows.
    ///
    /// # Errors
    /// [`DbError::InvalidTableName`], [`DbError::Store`].
    pub async fn declare_tables(&self, stack: &StackId, names: &[&str]) -> Result<(), DbError> {
        for name in names {
            check_name(name)?;
        }
        let mut batch = Batch::new();
        for name in names {
            // A drop that a crash cut short is finished first.
            if self.table_state(stack, name).await? == Some(TableState::Dropping) {
                self.clear(stack, name).await?;
            }
            batch = batch.put(keys::table(stack, name), TableState::Declared.encode());
        }
        self.kv.commit(batch).await?;
        Ok(())
    }

    /// Removes a table with its rows. A table that does not exist is no error. When it fails half way, the table can no
    /// longer be used; dropping or declaring it again goes on.
    ///
    /// # Errors
    /// [`DbError::Store`].
    pub async fn drop_table(&self, stack: &StackId, table: &str) -> Result<(), DbError> {
        if self.table_state(stack, table).await?.is_none() {
            return Ok(());
        }
        let entry = keys::table(stack, table);
        self.kv.commit(Batch::new().put(entry.clone(), TableState::Dropping.encode())).await?;
        self.declared.forget(stack, table);
        self.clear(stack, table).await?;
        let remove = Batch::new().expect_value(entry.clone(), TableState::Dropping.encode()).delete(entry);
        // A conflict means that it was declared again meanwhile, empty.
        self.kv.commit(remove).await?;
        Ok(())
    }

    /// The names of the stack's tables that begin with `prefix`, in order.
    ///
    /// # Errors
    /// [`DbError::ResultTooLarge`] when there are more than [`listed_tables`](super::Limits::listed_tables),
    /// [`DbError::Store`].
    pub async fn table_list(&self, stack: &StackId, prefix: &str) -> Result<(Vec<String>, Ops), DbError> {
        if prefix.len() > NAME_BYTES_MAX {
            return Ok((Vec::new(), Ops::reads(1)));
        }
        let limit = self.limits.listed_tables;
        let page = self.kv.scan(Scan {
            range: KeyRange::prefix(keys::table(stack, prefix)),
            order: Order::Ascending,
            limit: ScanLimit { rows: limit, bytes: usize::MAX },
            select: Select::Rows,
        });
        let page = page.await?;
        if page.cut.is_some() {
            let hint = "ask for a longer prefix of the names";
            return Err(DbError::ResultTooLarge { limit, unit: "tables", hint });
        }
        let mut names = Vec::with_capacity(page.rows.len());
        for row in page.rows {
            let name = keys::parse_table(stack, &row.key).unwrap_or_default();
            if TableState::decode(&name, &row.value)? == TableState::Declared {
                names.push(name);
            }
        }
        let ops = Ops::reads(names.len());
        Ok((names, ops))
    }

    pub(super) async fn require_table(&self, stack: &StackId, table: &str) -> Result<(), DbError> {
        if self.declared.contains(stack, table) {
            return Ok(());
        }
        let epoch = self.declared.epoch();
        if table.len() > NAME_BYTES_MAX || self.table_state(stack, table).await? != Some(TableState::Declared) {
            return Err(DbError::unknown_table(table));
        }
        self.declared.remember(stack, table, epoch);
        Ok(())
    }

    async fn table_state(&self, stack: &StackId, table: &str) -> Result<Option<TableState>, DbError> {
        let record = self.kv.get(&keys::table(stack, table)).await?;
        record.map(|record| TableState::decode(table, &record)).transpose()
    }

    /// Deletes the rows of a table that is being dropped, a chunk at a time.
    async fn clear(&self, stack: &StackId, table: &str) -> Result<(), DbError> {
        let mut range = KeyRange::prefix(keys::row(stack, table, b""));
        loop {
            let page = self.keys_chunk(range.clone()).await?;
            let Some(last) = page.rows.last() else { return Ok(()) };
            range = range.after(&last.key);
            let guard = Batch::new().expect_value(keys::table(stack, table), TableState::Dropping.encode());
            let batch = page.rows.iter().fold(guard, |batch, row| batch.delete(row.key.clone()));
            match self.kv.commit(batch).await? {
                Outcome::Committed if page.cut.is_some() => {}
                // Someone else finished the drop, and perhaps declared the table again.
                Outcome::Committed | Outcome::Conflict(_) => return Ok(()),
            }
        }
    }

    /// The next few keys of a range.
    pub(super) async fn keys_chunk(&self, range: KeyRange) -> Result<Page, DbError> {
        let limit = ScanLimit { rows: CHUNK_ROWS, bytes: usize::MAX };
        Ok(self.kv.scan(Scan { range, order: Order::Ascending, limit, select: Select::Keys }).await?)
    }
}

fn check_name(name: &str) -> Result<(), DbError> {
    let is_valid = (1..=NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if is_valid { Ok(()) } else { Err(DbError::invalid_table_name(name)) }
}
