//! Fns: made, found, changed and deleted.

use std::collections::BTreeMap;

use mu_db::{Batch, KeyRange, Order, Outcome, Scan, ScanLimit, Select, keys};
use mu_stack::{Env as Variables, FunctionName, ImageRef, StackId};

use super::{FnError, FnRecord, FnRef, ObjectId, Shape};
use crate::catalog::change::{patched_annotations, patched_config};
use crate::catalog::limits::{ATTEMPTS_MAX, FNS_MAX};
use crate::catalog::stored::{self, RecordError, Stored, decode_bytes, encode, encode_bytes};
use crate::catalog::{Annotations, Catalog, CatalogError};

/// A fn to be made.
#[derive(Clone, Debug)]
pub struct NewFn {
    /// Its name.
    pub name: FunctionName,
    /// What it runs.
    pub image: ImageRef,
    /// Most memory of one container, in MiB.
    pub memory_mib: u64,
    /// Most time of one call, in seconds.
    pub timeout_s: u32,
    /// How long a container without calls is kept, in seconds.
    pub idle_timeout_s: u32,
    /// Environment variables.
    pub config: Variables,
    /// What others noted about it.
    pub annotations: Annotations,
    /// On which processors the image runs.
    pub shape: Option<Shape>,
}

/// What to change of a fn; everything else stays.
#[derive(Clone, Debug, Default)]
pub struct FnPatch {
    /// Another image.
    pub image: Option<ImageRef>,
    /// Most memory, in MiB.
    pub memory_mib: Option<u64>,
    /// Most time of one call, in seconds.
    pub timeout_s: Option<u32>,
    /// How long a container without calls is kept, in seconds.
    pub idle_timeout_s: Option<u32>,
    /// Environment variables to set, or with `None` to remove.
    pub config: BTreeMap<String, Option<String>>,
    /// Annotations to set, or with `None` to remove.
    pub annotations: BTreeMap<String, Option<serde_json::Value>>,
}

impl Catalog {
    /// Makes a fn of a stack. Those made at the same moment may exceed [`FNS_MAX`] by their number.
    ///
    /// # Errors
    /// [`FnError::FnExists`], [`FnError::TooManyFns`], [`FnError::Catalog`] also when the stack is not there.
    pub async fn create_fn(&self, stack: &StackId, new: NewFn) -> Result<FnRecord, FnError> {
        let id = ObjectId::new(&self.env);
        for _ in 0..ATTEMPTS_MAX {
            let active = self.active(stack).await?;
            if self.fn_names(stack).await?.len() >= FNS_MAX {
                return Err(FnError::TooManyFns);
            }
            let now = self.env.now();
            let new = new.clone();
            let record = FnRecord {
                id,
                stack: *stack,
                name: new.name,
                image: new.image,
                memory_mib: new.memory_mib,
                timeout_s: new.timeout_s,
                idle_timeout_s: new.idle_timeout_s,
                config: new.config,
                annotations: new.annotations,
                shape: new.shape,
                created: now,
                updated: now,
            };
            let name = keys::fns::name(stack.key(), record.name.as_str());
            let batch = Batch::new().expect_absent(name.clone()).put(name.clone(), encode_bytes(&id.key()));
            let batch = batch.expect_value(keys::catalog::stack(stack.key()), active.raw());
            match self.kv.commit(batch.put(keys::fns::record(&id.key()), encode(&record))).await? {
                Outcome::Committed => return Ok(record),
                Outcome::Conflict(conflict) if conflict.key == name => return Err(FnError::FnExists),
                Outcome::Conflict(_) => {}
            }
        }
        Err(contended(&id))
    }

    /// A fn.
    ///
    /// # Errors
    /// [`FnError::UnknownFn`], [`FnError::Catalog`].
    pub async fn made_fn(&self, id: ObjectId) -> Result<FnRecord, FnError> {
        Ok(self.read_fn(id).await?.value)
    }

    /// The names of the fns of a stack, in their order, with their ids.
    ///
    /// # Errors
    /// [`FnError::Catalog`].
    pub async fn fn_names(&self, stack: &StackId) -> Result<BTreeMap<FunctionName, ObjectId>, FnError> {
        let range = KeyRange::prefix(keys::fns::name(stack.key(), ""));
        // Twice as many as there may be: those that were made at the same moment are seen as well.
        let limit = ScanLimit { rows: 2 * FNS_MAX, bytes: usize::MAX };
        let page = self.kv.scan(Scan { range, order: Order::Ascending, limit, select: Select::Rows }).await?;
        let read = |row: &mu_db::Row| {
            let name = keys::fns::parse_name(stack.key(), &row.key)?.parse().ok()?;
            Some((name, object_id(&row.value)?))
        };
        let what = || RecordError::Unreadable { what: format!("a fn of stack `{stack}`") };
        page.rows.iter().map(|row| read(row).ok_or_else(|| what().into())).collect()
    }

    /// Changes a fn.
    ///
    /// # Errors
    /// [`FnError::UnknownFn`], [`FnError::Catalog`].
    pub async fn change_fn(&self, id: ObjectId, patch: &FnPatch) -> Result<FnRecord, FnError> {
        for _ in 0..ATTEMPTS_MAX {
            let old = self.read_fn(id).await?;
            let active = self.active(&old.value.stack).await?;
            let record = patched(&old.value, patch)?;
            if record == old.value {
                return Ok(record);
            }
            let record = FnRecord { updated: self.env.now(), ..record };
            let key = keys::fns::record(&id.key());
            let batch = Batch::new().expect_value(keys::catalog::stack(record.stack.key()), active.raw());
            let batch = batch.expect_value(key.clone(), old.raw()).put(key, encode(&record));
            if self.kv.commit(batch).await? == Outcome::Committed {
                return Ok(record);
            }
        }
        Err(contended(&id))
    }

    /// Deletes a fn with its triggers.
    ///
    /// # Errors
    /// [`FnError::UnknownFn`], [`FnError::Catalog`].
    pub async fn delete_fn(&self, id: ObjectId) -> Result<(), FnError> {
        for _ in 0..ATTEMPTS_MAX {
            let old = self.read_fn(id).await?;
            let (key, stack) = (keys::fns::record(&id.key()), old.value.stack);
            let batch = Batch::new().expect_value(key.clone(), old.raw()).delete(key);
            let batch = batch.delete(keys::fns::name(stack.key(), old.value.name.as_str()));
            if self.kv.commit(batch).await? == Outcome::Committed {
                // No trigger of it can be made any more.
                return self.erase_triggers_of(&stack, &FnRef::Made(id)).await;
            }
        }
        Err(contended(&id))
    }

    pub(super) async fn read_fn(&self, id: ObjectId) -> Result<Stored<FnRecord>, FnError> {
        let record = stored::read(&*self.kv, &keys::fns::record(&id.key()), || format!("fn {id}")).await?;
        record.ok_or(FnError::UnknownFn)
    }
}

fn patched(old: &FnRecord, patch: &FnPatch) -> Result<FnRecord, CatalogError> {
    Ok(FnRecord {
        image: patch.image.clone().unwrap_or_else(|| old.image.clone()),
        memory_mib: patch.memory_mib.unwrap_or(old.memory_mib),
        timeout_s: patch.timeout_s.unwrap_or(old.timeout_s),
        idle_timeout_s: patch.idle_timeout_s.unwrap_or(old.idle_timeout_s),
        config: patched_config(&old.config, &patch.config)?,
        annotations: patched_annotations(&old.annotations, &patch.annotations)?,
        ..old.clone()
    })
}

/// The id that a name leads to.
pub(super) fn object_id(raw: &bytes::Bytes) -> Option<ObjectId> {
    Some(ObjectId::from_key(decode_bytes(raw)?.as_ref().try_into().ok()?))
}

pub(super) fn contended(id: &ObjectId) -> FnError {
    CatalogError::Contended { what: format!("`{id}`") }.into()
}
