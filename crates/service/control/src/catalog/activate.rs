//! Changing the routing of a stack, and going back.

use mu_db::{Batch, KeyRange, Order, Outcome, Scan, ScanLimit, Select, keys};
use mu_env::Timestamp;
use mu_stack::StackId;
use serde::{Deserialize, Serialize};

use super::error::at_most;
use super::limits::{ATTEMPTS_MAX, MESSAGE_BYTES_MAX, PRINCIPAL_BYTES_MAX, ROUTING_HISTORY_MAX};
use super::stored::{self, Stored, encode, micros};
use super::{Catalog, CatalogError, Routing, StackRecord, VersionNumber, VersionState};
use crate::rollout::Rollout;

/// The routing of a stack, present or former.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutingRecord {
    /// Counts the changes: the first routing of a stack has revision 1.
    pub revision: u64,
    /// The routing.
    pub routing: Routing,
    /// Since when.
    #[serde(with = "micros")]
    pub since: Timestamp,
    /// Who set it: the text form of a principal.
    pub by: String,
    /// Why; may be empty.
    pub why: String,
    /// How it goes on by itself. Former routings don't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
}

/// A change of routing.
#[derive(Clone, Debug)]
pub struct RoutingChange {
    /// The new routing.
    pub routing: Routing,
    /// The revision that it is to replace, 0 for none; without it, whichever there is.
    pub expected_revision: Option<u64>,
    /// How it goes on by itself. A rollout ends with the routing that it is part of: the next change carries it on, or
    /// it is over.
    pub rollout: Option<Rollout>,
    /// Who changes it: the text form of a principal.
    pub by: String,
    /// Why.
    pub why: String,
}

impl Catalog {
    /// Changes the routing of a stack. All versions in it have to be prepared.
    ///
    /// # Errors
    /// [`CatalogError::RoutingConflict`] when the revision is another one than expected,
    /// [`CatalogError::UnknownVersion`], [`CatalogError::VersionFailed`], [`CatalogError::VersionUnprepared`],
    /// [`CatalogError::TooLarge`], [`CatalogError::UnknownStack`], [`CatalogError::Deleted`], [`CatalogError::Record`].
    pub async fn route(&self, id: &StackId, change: &RoutingChange) -> Result<RoutingRecord, CatalogError> {
        at_most("a principal's text", change.by.len(), PRINCIPAL_BYTES_MAX)?;
        at_most("the reason of a change of routing", change.why.len(), MESSAGE_BYTES_MAX)?;
        for _ in 0..ATTEMPTS_MAX {
            let stack = self.active(id).await?;
            let present = self.read_routing(id).await?;
            let revision = present.as_ref().map_or(0, |present| present.value.revision);
            if let Some(expected) = change.expected_revision.filter(|expected| *expected != revision) {
                return Err(CatalogError::RoutingConflict { stack: stack.value.name, expected, actual: revision });
            }
            let record = RoutingRecord {
                revision: revision + 1,
                routing: change.routing.clone(),
                since: self.env.now(),
                by: change.by.clone(),
                why: change.why.clone(),
                rollout: change.rollout.clone(),
            };
            let key = keys::catalog::routing(id.key());
            let batch = Batch::new().expect_value(keys::catalog::stack(id.key()), stack.raw());
            let batch = batch.expect(key.clone(), present.map(|present| present.raw())).put(key, encode(&record));
            let batch = self.expect_ready(batch, &stack.value, &record.routing).await?;
            if self.kv.commit(remember(batch, id, &record)).await? == Outcome::Committed {
                return Ok(record);
            }
        }
        Err(CatalogError::Contended { what: format!("the routing of stack `{id}`") })
    }

    /// Routes all traffic of a stack to one version.
    ///
    /// # Errors
    /// As of [`Catalog::route`].
    pub async fn activate(
        &self,
        id: &StackId,
        version: VersionNumber,
        expected_revision: Option<u64>,
        by: &str,
        why: &str,
    ) -> Result<RoutingRecord, CatalogError> {
        let (by, why) = (by.to_owned(), why.to_owned());
        let change = RoutingChange { routing: Routing::only(version), expected_revision, rollout: None, by, why };
        self.route(id, &change).await
    }

    /// Routes all traffic of a stack to the version that had it last before the present routing. Going back twice leads
    /// to where one was at first; to go further back, [`Catalog::activate`] an older version.
    ///
    /// # Errors
    /// [`CatalogError::NothingToRollBackTo`], and those of [`Catalog::route`].
    pub async fn roll_back(&self, id: &StackId, by: &str, why: &str) -> Result<RoutingRecord, CatalogError> {
        for _ in 0..ATTEMPTS_MAX {
            let (present, target) = self.present_and_former(id).await?;
            match self.activate(id, target, Some(present.revision), by, why).await {
                // Someone routed meanwhile, or removed the target: what to go back to may be another one now.
                Err(CatalogError::RoutingConflict { .. } | CatalogError::UnknownVersion { .. }) => {}
                outcome => return outcome,
            }
        }
        Err(CatalogError::Contended { what: format!("the routing of stack `{id}`") })
    }

    /// The version that [`Catalog::roll_back`] goes back to.
    ///
    /// # Errors
    /// [`CatalogError::NothingToRollBackTo`], [`CatalogError::UnknownStack`], [`CatalogError::Deleted`],
    /// [`CatalogError::Record`].
    pub async fn former_version(&self, id: &StackId) -> Result<VersionNumber, CatalogError> {
        Ok(self.present_and_former(id).await?.1)
    }

    async fn present_and_former(&self, id: &StackId) -> Result<(RoutingRecord, VersionNumber), CatalogError> {
        let stack = self.active(id).await?;
        if let Some(present) = self.read_routing(id).await?.map(|present| present.value)
            && let Some(former) = self.rollback_target(id, &present).await?
        {
            return Ok((present, former));
        }
        Err(CatalogError::NothingToRollBackTo { stack: stack.value.name })
    }

    /// The routing of a stack; `None` before the first one.
    ///
    /// # Errors
    /// [`CatalogError::Record`].
    pub async fn routing(&self, id: &StackId) -> Result<Option<RoutingRecord>, CatalogError> {
        Ok(self.read_routing(id).await?.map(|routing| routing.value))
    }

    /// The routings of some stacks, in their order: what a page of the list shows.
    ///
    /// # Errors
    /// [`CatalogError::Record`].
    pub async fn routings(&self, ids: &[StackId]) -> Result<Vec<Option<RoutingRecord>>, CatalogError> {
        let keys: Vec<_> = ids.iter().map(|id| keys::catalog::routing(id.key())).collect();
        let rows = self.kv.get_many(&keys, usize::MAX).await?;
        let decode = |(row, id): (Option<bytes::Bytes>, &StackId)| {
            row.map(|raw| stored::decode(&raw, || format!("the routing of stack `{id}`"))).transpose()
        };
        Ok(rows.into_iter().zip(ids).map(decode).collect::<Result<_, _>>()?)
    }

    /// The last routings of a stack, newest first, the present one included: at most [`ROUTING_HISTORY_MAX`].
    ///
    /// # Errors
    /// [`CatalogError::Record`].
    pub async fn routing_history(&self, id: &StackId) -> Result<Vec<RoutingRecord>, CatalogError> {
        let range = KeyRange::prefix(keys::catalog::routing_changes(id.key()));
        let rows = usize::try_from(ROUTING_HISTORY_MAX).unwrap_or(usize::MAX);
        let limit = ScanLimit { rows, bytes: usize::MAX };
        let page = self.kv.scan(Scan { range, order: Order::Descending, limit, select: Select::Rows }).await?;
        let decode = |row: &mu_db::Row| stored::decode(&row.value, || format!("a routing of stack `{id}`"));
        Ok(page.rows.iter().map(decode).collect::<Result<_, _>>()?)
    }

    pub(super) async fn read_routing(&self, id: &StackId) -> Result<Option<Stored<RoutingRecord>>, CatalogError> {
        let key = keys::catalog::routing(id.key());
        Ok(stored::read(&*self.kv, &key, || format!("the routing of stack `{id}`")).await?)
    }

    /// The version to go back to: the last one that had all the traffic, other than the one that has it now, and that is
    /// still there.
    pub(super) async fn rollback_target(
        &self,
        id: &StackId,
        present: &RoutingRecord,
    ) -> Result<Option<VersionNumber>, CatalogError> {
        for former in self.routing_history(id).await? {
            let target = former.routing.sole_version().filter(|target| present.routing.sole_version() != Some(*target));
            if let Some(target) = target.filter(|_| former.revision < present.revision)
                && self.read_version(id, target).await?.is_some()
            {
                return Ok(Some(target));
            }
        }
        Ok(None)
    }

    /// Expects that all versions of a routing stay as they are: there, and prepared.
    async fn expect_ready(&self, batch: Batch, stack: &StackRecord, routing: &Routing) -> Result<Batch, CatalogError> {
        let mut batch = batch;
        for number in routing.versions() {
            let name = || stack.name.clone();
            let Some(version) = self.read_version(&stack.id, number).await? else {
                return Err(CatalogError::UnknownVersion { stack: name(), number });
            };
            match &version.value.state {
                VersionState::Ready => {}
                VersionState::Unprepared => return Err(CatalogError::VersionUnprepared { stack: name(), number }),
                VersionState::Failed { failure } => {
                    return Err(CatalogError::VersionFailed { stack: name(), number, failure: failure.clone() });
                }
            }
            batch = batch.expect_value(keys::catalog::version(stack.id.key(), number.get()), version.raw());
        }
        Ok(batch)
    }
}

/// Adds a routing to the history, and takes out the one that is too old for it.
fn remember(batch: Batch, id: &StackId, record: &RoutingRecord) -> Batch {
    let former = RoutingRecord { rollout: None, ..record.clone() };
    let batch = batch.put(keys::catalog::routing_change(id.key(), record.revision), encode(&former));
    match record.revision.checked_sub(ROUTING_HISTORY_MAX) {
        Some(old) => batch.delete(keys::catalog::routing_change(id.key(), old)),
        None => batch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Changing this strands the data of every node: add a version instead.
    #[test]
    fn golden() {
        let record = RoutingRecord {
            revision: 2,
            routing: "v4=10,v3=90".parse().unwrap(),
            since: Timestamp::from_micros(5),
            by: "k_a".into(),
            why: "try".into(),
            rollout: None,
        };
        let expected = concat!(
            "\x01",
            r#"{"revision":2,"routing":[{"version":4,"percent":10},{"version":3,"percent":90}],"#,
            r#""since":5,"by":"k_a","why":"try"}"#,
        );
        assert_eq!(encode(&record), expected);
        assert_eq!(stored::decode::<RoutingRecord>(expected.as_bytes(), String::new).unwrap(), record);
    }
}
