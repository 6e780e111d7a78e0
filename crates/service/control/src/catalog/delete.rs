//! Deleting stacks: a tombstone first, from which a process that ended goes on.

use mu_db::{Batch, KeyRange, Order, Outcome, Scan, ScanLimit, Select, keys};
use mu_stack::StackId;
use serde::{Deserialize, Serialize};

use super::error::at_most;
use super::limits::{ATTEMPTS_MAX, PRINCIPAL_BYTES_MAX};
use super::stored::encode;
use super::{Catalog, CatalogError, EntryState, StackEntry, StackListParams, StackRecord, StackRef, StackState};

/// What becomes of the tables and boxes of a stack that is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataFate {
    /// They are removed.
    Remove,
    /// They stay, until the stack is deleted once more without keeping them.
    Keep,
}

impl Catalog {
    /// Writes the tombstone of a stack: from now on nothing of it can be changed. Answers with the stack, whose state
    /// says what is to become of its data; that is not always `data`, because what was once to be removed is.
    ///
    /// Whoever calls this then takes the stack out of service, removes its data if they are to be, then everything
    /// else that is kept by its id (domains, secrets, grants), and at last calls [`Catalog::finish_deletion`]. Each of
    /// these can be done again; [`Catalog::pending_deletions`] says where a process that ended has to go on. A stack in
    /// [`StackState::Kept`] is finished already.
    ///
    /// # Errors
    /// [`CatalogError::UnknownStack`], [`CatalogError::TooLarge`], [`CatalogError::Record`].
    pub async fn delete(&self, id: &StackId, data: DataFate, by: &str) -> Result<StackRecord, CatalogError> {
        at_most("a principal's text", by.len(), PRINCIPAL_BYTES_MAX)?;
        for _ in 0..ATTEMPTS_MAX {
            let old = self.any_state(id).await?;
            let begins = match (&old.value.state, data) {
                (StackState::Active, _) => true,
                (StackState::Deleting { data: DataFate::Keep, .. } | StackState::Kept { .. }, data) => {
                    data == DataFate::Remove
                }
                (StackState::Deleting { data: DataFate::Remove, .. }, _) => false,
            };
            if !begins {
                return Ok(old.value);
            }
            let since = self.env.now();
            let state = StackState::Deleting { data, since, by: by.to_owned() };
            let record = StackRecord { state, updated: since, ..old.value.clone() };
            let stack = keys::catalog::stack(id.key());
            let batch = Batch::new().expect_value(stack.clone(), old.raw()).put(stack, encode(&record));
            let name = keys::catalog::stack_name(record.name.as_str());
            let batch = batch.put(name, StackEntry::of(&record).encode());
            if self.kv.commit(batch).await? == Outcome::Committed {
                return Ok(record);
            }
        }
        Err(CatalogError::Contended { what: format!("stack `{id}`") })
    }

    /// Removes what the catalog has of a stack with a tombstone: versions, routing, fns, triggers and, unless its data
    /// are kept, the stack and its name. To be called when everything else of it is gone; `data` is what was done with its data. It
    /// can be interrupted and called again, also when nothing is left.
    ///
    /// # Errors
    /// [`CatalogError::DeletionChanged`] when the stack has no tombstone, or one that says otherwise about its data;
    /// [`CatalogError::Record`].
    pub async fn finish_deletion(&self, id: &StackId, data: DataFate) -> Result<(), CatalogError> {
        let Some(stack) = self.read_stack(id).await? else { return Ok(()) };
        let changed = || CatalogError::DeletionChanged { name: stack.value.name.clone() };
        let by = match &stack.value.state {
            StackState::Deleting { data: fate, by, .. } if *fate == data => by.clone(),
            StackState::Kept { .. } if data == DataFate::Keep => return Ok(()),
            _ => return Err(changed()),
        };
        let (key, name) = (keys::catalog::stack(id.key()), keys::catalog::stack_name(stack.value.name.as_str()));
        // Every commit expects the tombstone: the stack may be brought back as soon as someone else has finished.
        let guard = Batch::new().expect_value(key.clone(), stack.raw());
        let erased = match self.erase_versions(id, &guard).await? {
            Outcome::Committed => self.erase_routing(id, &guard).await?,
            conflict => conflict,
        };
        let erased = match erased {
            Outcome::Committed => self.erase_fns(id, &guard).await?,
            conflict => conflict,
        };
        if let Outcome::Conflict(conflict) = erased {
            return if conflict.actual.is_none() { Ok(()) } else { Err(changed()) };
        }
        let batch = match data {
            DataFate::Remove => guard.delete(name).delete(key),
            DataFate::Keep => {
                let since = self.env.now();
                let kept = StackRecord { state: StackState::Kept { since, by }, updated: since, ..stack.value.clone() };
                guard.put(name, StackEntry::of(&kept).encode()).put(key, encode(&kept))
            }
        };
        match self.kv.commit(batch).await? {
            Outcome::Committed => Ok(()),
            // Someone else has finished it, or wants the data to be removed after all.
            Outcome::Conflict(conflict) if conflict.actual.is_none() => Ok(()),
            Outcome::Conflict(_) => Err(changed()),
        }
    }

    /// All stacks with a tombstone: what a process that starts has to go on with.
    ///
    /// # Errors
    /// [`CatalogError::Record`].
    pub async fn pending_deletions(&self) -> Result<Vec<StackRecord>, CatalogError> {
        let mut pending = Vec::new();
        let mut after = None;
        loop {
            let params = StackListParams { prefix: "", after: after.as_deref(), limit: usize::MAX };
            let page = self.list(params, |entry| entry.state == EntryState::Deleting).await?;
            for entry in page.stacks {
                match self.stack(&StackRef::Id(entry.id)).await {
                    Ok(stack) => pending.push(stack),
                    Err(CatalogError::UnknownStack { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(pending);
            }
        }
    }

    async fn erase_routing(&self, id: &StackId, guard: &Batch) -> Result<Outcome, CatalogError> {
        let limit = ScanLimit { rows: 1_000, bytes: usize::MAX };
        let range = KeyRange::prefix(keys::catalog::routing_changes(id.key()));
        let scan = Scan { range, order: Order::Ascending, limit, select: Select::Keys };
        let former = self.kv.scan(scan).await?;
        let batch = guard.clone().delete(keys::catalog::routing(id.key()));
        Ok(self.kv.commit(former.rows.into_iter().fold(batch, |batch, row| batch.delete(row.key))).await?)
    }
}
