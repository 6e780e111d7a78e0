//! Triggers: made, found, changed and deleted.

use std::collections::BTreeMap;

use bytes::Bytes;
use mu_db::{Batch, KeyRange, Order, Outcome, Scan, ScanLimit, Select, keys};
use mu_stack::StackId;

use super::functions::{contended, object_id};
use super::{FnError, FnRef, ObjectId, TriggerName, TriggerRecord, TriggerSource};
use crate::catalog::change::patched_annotations;
use crate::catalog::limits::{ATTEMPTS_MAX, TRIGGERS_MAX};
use crate::catalog::stored::{self, RecordError, Stored, encode, encode_bytes};
use crate::catalog::{Annotations, Catalog};

/// The only type of triggers there is.
const HTTP: &str = "http";

/// A trigger to be made.
#[derive(Clone, Debug)]
pub struct NewTrigger {
    /// Its name.
    pub name: TriggerName,
    /// What it calls.
    pub calls: FnRef,
    /// The path.
    pub source: TriggerSource,
    /// What others noted about it.
    pub annotations: Annotations,
}

/// What to change of a trigger; everything else stays.
#[derive(Clone, Debug, Default)]
pub struct TriggerPatch {
    /// Another name.
    pub name: Option<TriggerName>,
    /// Another path.
    pub source: Option<TriggerSource>,
    /// Annotations to set, or with `None` to remove.
    pub annotations: BTreeMap<String, Option<serde_json::Value>>,
}

/// A trigger as it is listed; sorts by its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TriggerEntry {
    /// Its name.
    pub name: TriggerName,
    /// Its id.
    pub id: ObjectId,
}

impl Catalog {
    /// Makes a trigger of a stack. Whether the function exists, when it is a deployed one, is the caller's business.
    /// Those made at the same moment may exceed [`TRIGGERS_MAX`] by their number.
    ///
    /// # Errors
    /// [`FnError::TriggerExists`], [`FnError::SourceTaken`], [`FnError::TooManyTriggers`], [`FnError::UnknownFn`],
    /// [`FnError::Catalog`] also when the stack is not there.
    pub async fn create_trigger(&self, stack: &StackId, new: NewTrigger) -> Result<TriggerRecord, FnError> {
        let id = ObjectId::new(&self.env);
        for _ in 0..ATTEMPTS_MAX {
            let active = self.active(stack).await?;
            let mut batch = Batch::new().expect_value(keys::catalog::stack(stack.key()), active.raw());
            if let FnRef::Made(of) = &new.calls {
                let called = self.read_fn(*of).await?;
                batch = batch.expect_value(keys::fns::record(&of.key()), called.raw());
            }
            if self.trigger_entries(stack, None).await?.len() >= TRIGGERS_MAX {
                return Err(FnError::TooManyTriggers);
            }
            let (now, new) = (self.env.now(), new.clone());
            let record = TriggerRecord {
                id,
                stack: *stack,
                calls: new.calls,
                name: new.name,
                source: new.source,
                annotations: new.annotations,
                created: now,
                updated: now,
            };
            let (name, source) = places(&record);
            for place in [&name, &source] {
                batch = batch.expect_absent(place.clone()).put(place.clone(), encode_bytes(&id.key()));
            }
            match self.kv.commit(batch.put(keys::fns::trigger(&id.key()), encode(&record))).await? {
                Outcome::Committed => return Ok(record),
                Outcome::Conflict(conflict) if conflict.key == name => return Err(FnError::TriggerExists),
                Outcome::Conflict(conflict) if conflict.key == source => return Err(FnError::SourceTaken),
                Outcome::Conflict(_) => {}
            }
        }
        Err(contended(&id))
    }

    /// A trigger.
    ///
    /// # Errors
    /// [`FnError::UnknownTrigger`], [`FnError::Catalog`].
    pub async fn trigger(&self, id: ObjectId) -> Result<TriggerRecord, FnError> {
        Ok(self.read_trigger(id).await?.value)
    }

    /// The trigger of a stack with this path, if there is one.
    ///
    /// # Errors
    /// [`FnError::Catalog`].
    pub async fn trigger_by_source(&self, stack: &StackId, source: &str) -> Result<Option<TriggerRecord>, FnError> {
        let Some(raw) = self.kv.get(&keys::fns::trigger_source(stack.key(), HTTP, source)).await? else {
            return Ok(None);
        };
        let id = object_id(&raw).ok_or_else(|| unreadable(stack))?;
        match self.trigger(id).await {
            Ok(trigger) => Ok(Some(trigger)),
            Err(FnError::UnknownTrigger) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The triggers of a stack, or those of one fn, by their names.
    ///
    /// # Errors
    /// [`FnError::Catalog`].
    pub async fn trigger_entries(&self, stack: &StackId, of: Option<&FnRef>) -> Result<Vec<TriggerEntry>, FnError> {
        let range = KeyRange::prefix(match of {
            Some(of) => keys::fns::trigger_name(stack.key(), &of.to_string(), ""),
            None => keys::fns::trigger_names(stack.key()),
        });
        let limit = ScanLimit { rows: 2 * TRIGGERS_MAX, bytes: usize::MAX };
        let page = self.kv.scan(Scan { range, order: Order::Ascending, limit, select: Select::Rows }).await?;
        let read = |row: &mu_db::Row| {
            let name = keys::fns::parse_trigger_name(stack.key(), &row.key)?.parse().ok()?;
            Some(TriggerEntry { name, id: object_id(&row.value)? })
        };
        let entries = page.rows.iter().map(|row| read(row).ok_or_else(|| unreadable(stack)));
        let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
        entries.sort_unstable();
        Ok(entries)
    }

    /// Changes a trigger.
    ///
    /// # Errors
    /// [`FnError::UnknownTrigger`], [`FnError::TriggerExists`], [`FnError::SourceTaken`], [`FnError::Catalog`].
    pub async fn change_trigger(&self, id: ObjectId, patch: &TriggerPatch) -> Result<TriggerRecord, FnError> {
        for _ in 0..ATTEMPTS_MAX {
            let old = self.read_trigger(id).await?;
            let active = self.active(&old.value.stack).await?;
            let record = TriggerRecord {
                name: patch.name.clone().unwrap_or_else(|| old.value.name.clone()),
                source: patch.source.clone().unwrap_or_else(|| old.value.source.clone()),
                annotations: patched_annotations(&old.value.annotations, &patch.annotations)?,
                ..old.value.clone()
            };
            if record == old.value {
                return Ok(record);
            }
            let record = TriggerRecord { updated: self.env.now(), ..record };
            let key = keys::fns::trigger(&id.key());
            let mut batch = Batch::new().expect_value(keys::catalog::stack(record.stack.key()), active.raw());
            batch = batch.expect_value(key.clone(), old.raw()).put(key, encode(&record));
            let ((old_name, old_source), (name, source)) = (places(&old.value), places(&record));
            for (old, new) in [(old_name, &name), (old_source, &source)] {
                if old != *new {
                    batch = batch.delete(old).expect_absent(new.clone()).put(new.clone(), encode_bytes(&id.key()));
                }
            }
            match self.kv.commit(batch).await? {
                Outcome::Committed => return Ok(record),
                Outcome::Conflict(conflict) if conflict.key == name => return Err(FnError::TriggerExists),
                Outcome::Conflict(conflict) if conflict.key == source => return Err(FnError::SourceTaken),
                Outcome::Conflict(_) => {}
            }
        }
        Err(contended(&id))
    }

    /// Deletes a trigger.
    ///
    /// # Errors
    /// [`FnError::UnknownTrigger`], [`FnError::Catalog`].
    pub async fn delete_trigger(&self, id: ObjectId) -> Result<(), FnError> {
        for _ in 0..ATTEMPTS_MAX {
            let old = self.read_trigger(id).await?;
            let (key, (name, source)) = (keys::fns::trigger(&id.key()), places(&old.value));
            let batch = Batch::new().expect_value(key.clone(), old.raw()).delete(key).delete(name).delete(source);
            if self.kv.commit(batch).await? == Outcome::Committed {
                return Ok(());
            }
        }
        Err(contended(&id))
    }

    async fn read_trigger(&self, id: ObjectId) -> Result<Stored<TriggerRecord>, FnError> {
        let record = stored::read(&*self.kv, &keys::fns::trigger(&id.key()), || format!("trigger {id}")).await?;
        record.ok_or(FnError::UnknownTrigger)
    }
}

/// The keys by which no two triggers may be found: that of its name and that of its source.
fn places(trigger: &TriggerRecord) -> (Bytes, Bytes) {
    let stack = trigger.stack.key();
    (
        keys::fns::trigger_name(stack, &trigger.calls.to_string(), trigger.name.as_str()),
        keys::fns::trigger_source(stack, HTTP, trigger.source.as_str()),
    )
}

fn unreadable(stack: &StackId) -> RecordError {
    RecordError::Unreadable { what: format!("a trigger of stack `{stack}`") }
}
