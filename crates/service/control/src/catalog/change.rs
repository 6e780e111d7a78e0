//! Changing what is common to the versions of a stack.

use std::collections::BTreeMap;

use mu_db::{Batch, Outcome, keys};
use mu_stack::{Env as Variables, EnvError, StackId, StackName};

use super::limits::ATTEMPTS_MAX;
use super::stack_record::{check_annotations, check_name};
use super::stored::encode;
use super::{Annotations, Catalog, CatalogError, StackEntry, StackRecord};

/// What to change of a stack; everything else stays.
#[derive(Clone, Debug, Default)]
pub struct StackPatch {
    /// A new name.
    pub name: Option<StackName>,
    /// Environment variables to set, or with `None` to remove.
    pub config: BTreeMap<String, Option<String>>,
    /// Annotations to set, or with `None` to remove.
    pub annotations: BTreeMap<String, Option<serde_json::Value>>,
}

impl Catalog {
    /// Changes a stack. Versions that run see another configuration when they are prepared anew.
    ///
    /// # Errors
    /// [`CatalogError::UnknownStack`], [`CatalogError::Deleted`], [`CatalogError::NameTaken`],
    /// [`CatalogError::NameIsId`], [`CatalogError::Config`], [`CatalogError::Annotation`], [`CatalogError::Record`].
    pub async fn change(&self, id: &StackId, patch: &StackPatch) -> Result<StackRecord, CatalogError> {
        for _ in 0..ATTEMPTS_MAX {
            let old = self.active(id).await?;
            let mut record = StackRecord {
                config: patched_config(&old.value.config, &patch.config)?,
                annotations: patched_annotations(&old.value.annotations, &patch.annotations)?,
                updated: self.env.now(),
                ..old.value.clone()
            };
            let stack = keys::catalog::stack(id.key());
            let mut batch = Batch::new().expect_value(stack.clone(), old.raw());
            if let Some(name) = patch.name.as_ref().filter(|name| **name != record.name) {
                check_name(name)?;
                if self.entry(name).await?.is_some() {
                    return Err(CatalogError::NameTaken { name: name.clone() });
                }
                record.name = name.clone();
                let key = keys::catalog::stack_name(name.as_str());
                batch = batch.expect_absent(key.clone()).put(key, StackEntry::of(&record).encode());
                batch = batch.delete(keys::catalog::stack_name(old.value.name.as_str()));
            }
            if self.kv.commit(batch.put(stack, encode(&record))).await? == Outcome::Committed {
                return Ok(record);
            }
        }
        Err(CatalogError::Contended { what: format!("stack `{id}`") })
    }
}

impl StackRecord {
    /// Its configuration as a change would leave it.
    ///
    /// # Errors
    /// When it would be no configuration.
    pub fn config_with(&self, patch: &StackPatch) -> Result<Variables, EnvError> {
        patched_config(&self.config, &patch.config)
    }
}

pub(super) fn patched_config(old: &Variables, patch: &BTreeMap<String, Option<String>>) -> Result<Variables, EnvError> {
    let mut config = Variables::new();
    // What goes makes room first.
    for (name, value) in old.iter().filter(|(name, _)| !patch.contains_key(*name)) {
        config.set(name, value)?;
    }
    for (name, value) in patch {
        if let Some(value) = value {
            config.set(name, value)?;
        }
    }
    Ok(config)
}

pub(super) fn patched_annotations(
    old: &Annotations,
    patch: &BTreeMap<String, Option<serde_json::Value>>,
) -> Result<Annotations, CatalogError> {
    let mut annotations = old.clone();
    for (key, value) in patch {
        match value {
            Some(value) => annotations.insert(key.clone(), value.clone()),
            None => annotations.remove(key),
        };
    }
    check_annotations(&annotations)?;
    Ok(annotations)
}
