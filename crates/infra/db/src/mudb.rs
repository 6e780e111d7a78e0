//! muDB: the tables of a stack, as its functions see them.

mod batch;
mod error;
mod limits;
mod ops;
mod record;
mod scan;
mod size;
mod tables;

use std::sync::Arc;

use bytes::Bytes;

pub use self::error::DbError;
pub use self::limits::Limits;
pub use self::ops::{Atomicity, Ops};
use self::tables::Declared;
use crate::{Batch, Conflict, Kv, Outcome, keys};

/// The id of a stack: the 32 bytes of its key.
pub type StackId = [u8; 32];

/// The database of all stacks, on a [`Kv`].
///
/// Every operation names a stack and a declared table and returns its result together with the [`Ops`] it is billed
/// for. Operations that fail are not billed. A write is atomic and durable once it is acknowledged; only
/// [`MuDb::delete_by_prefix`] on many rows happens in parts.
///
/// Cheap to share behind an [`Arc`]; it holds no lock across an await.
#[derive(Debug)]
pub struct MuDb {
    kv: Arc<dyn Kv>,
    limits: Limits,
    declared: Declared,
}

/// A key of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableKey {
    /// The table's name.
    pub table: String,
    /// The key in the table.
    pub key: Bytes,
}

/// A row of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRow {
    /// The table's name.
    pub table: String,
    /// The key in the table.
    pub key: Bytes,
    /// The value.
    pub value: Bytes,
}

/// What a compare-and-swap found and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swap {
    /// The value before the operation; `None` when there was none.
    pub previous_value: Option<Bytes>,
    /// Whether the new value was written.
    pub is_swapped: bool,
}

impl MuDb {
    /// A database with the default [`Limits`].
    #[must_use]
    pub fn new(kv: Arc<dyn Kv>) -> Self {
        Self::with_limits(kv, Limits::default())
    }

    /// A database with limits of the operator's choice.
    #[must_use]
    pub fn with_limits(kv: Arc<dyn Kv>, limits: Limits) -> Self {
        Self { kv, limits, declared: Declared::default() }
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The value of a key.
    ///
    /// # Errors
    /// Like every operation: [`DbError::UnknownTable`], [`DbError::TooLarge`], [`DbError::Store`].
    pub async fn get(&self, stack: &StackId, table: &str, key: &[u8]) -> Result<(Option<Bytes>, Ops), DbError> {
        self.limits.check_key(key)?;
        self.require_table(stack, table).await?;
        let record = self.kv.get(&keys::row(stack, table, key)).await?;
        Ok((record.map(|record| record::decode_row(table, &record)).transpose()?, Ops::reads(1)))
    }

    /// Sets the value of a key.
    ///
    /// # Errors
    /// See [`MuDb::get`].
    pub async fn put(
        &self,
        stack: &StackId,
        table: &str,
        key: &[u8],
        value: &[u8],
        atomicity: Atomicity,
    ) -> Result<((), Ops), DbError> {
        self.limits.check_key(key)?;
        self.limits.check_value(value)?;
        self.require_table(stack, table).await?;
        let batch = tables::guard(Batch::new(), stack, table);
        self.write(stack, batch.put(keys::row(stack, table, key), record::encode_row(value))).await?;
        Ok(((), Ops::writes(1, atomicity)))
    }

    /// Removes a key, which need not exist.
    ///
    /// # Errors
    /// See [`MuDb::get`].
    pub async fn delete(
        &self,
        stack: &StackId,
        table: &str,
        key: &[u8],
        atomicity: Atomicity,
    ) -> Result<((), Ops), DbError> {
        self.limits.check_key(key)?;
        self.require_table(stack, table).await?;
        let batch = tables::guard(Batch::new(), stack, table);
        self.write(stack, batch.delete(keys::row(stack, table, key))).await?;
        Ok(((), Ops::writes(1, atomicity)))
    }

    /// Sets the value of a key if its value is `previous_value` (`None`: if it has none).
    ///
    /// # Errors
    /// See [`MuDb::get`].
    pub async fn compare_and_swap(
        &self,
        stack: &StackId,
        table: &str,
        key: &[u8],
        new_value: &[u8],
        previous_value: Option<&[u8]>,
    ) -> Result<(Swap, Ops), DbError> {
        self.limits.check_key(key)?;
        self.limits.check_value(new_value)?;
        self.limits.check_value(previous_value.unwrap_or_default())?;
        self.require_table(stack, table).await?;
        let row = keys::row(stack, table, key);
        let batch = tables::guard(Batch::new(), stack, table)
            .expect(row.clone(), previous_value.map(record::encode_row))
            .put(row.clone(), record::encode_row(new_value));
        match self.kv.commit(batch).await? {
            Outcome::Committed => {
                let previous_value = previous_value.map(Bytes::copy_from_slice);
                Ok((Swap { previous_value, is_swapped: true }, Ops::reads(1) + Ops::writes(1, Atomicity::Atomic)))
            }
            Outcome::Conflict(conflict) if conflict.key == row => {
                let previous_value = conflict.actual.map(|record| record::decode_row(table, &record)).transpose()?;
                Ok((Swap { previous_value, is_swapped: false }, Ops::reads(1)))
            }
            Outcome::Conflict(conflict) => Err(self.table_vanished(stack, &conflict)),
        }
    }

    /// Commits a batch whose only expectations are that its tables are declared.
    async fn write(&self, stack: &StackId, batch: Batch) -> Result<(), DbError> {
        match self.kv.commit(batch).await? {
            Outcome::Committed => Ok(()),
            Outcome::Conflict(conflict) => Err(self.table_vanished(stack, &conflict)),
        }
    }

    /// A table that this process believed to be declared was dropped.
    fn table_vanished(&self, stack: &StackId, conflict: &Conflict) -> DbError {
        let table = keys::parse_table(stack, &conflict.key).unwrap_or_default();
        self.declared.forget(stack, &table);
        DbError::unknown_table(&table)
    }
}

#[cfg(test)]
mod tests;
