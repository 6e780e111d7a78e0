//! Removing versions.

use std::collections::BTreeSet;

use mu_db::{Batch, KeyRange, Kv, Order, Outcome, Scan, ScanLimit, Select, keys};
use mu_stack::StackId;

use super::stored::{self, RecordError};
use super::{Catalog, CatalogError, VersionNumber, VersionRecord};

/// Versions that are removed between two looks at what is left.
const CHUNK_ROWS: usize = 64;

impl Catalog {
    /// Removes old versions of a stack, so that the newest `keep` are left, and those that are routed or that a rollback
    /// would lead to. Answers how many went. Artifacts stay until they are collected.
    ///
    /// # Errors
    /// [`CatalogError::Record`].
    pub async fn prune(&self, id: &StackId, keep: usize) -> Result<usize, CatalogError> {
        let mut removed = 0;
        // Those of the first scan that are kept.
        let mut range = KeyRange::prefix(keys::catalog::versions(id.key()));
        if keep > 0 {
            let limit = ScanLimit { rows: keep, bytes: usize::MAX };
            let scan = Scan { range: range.clone(), order: Order::Descending, limit, select: Select::Keys };
            let newest = self.kv.scan(scan).await?;
            let Some(oldest_kept) = newest.rows.last().filter(|_| newest.cut.is_some()) else { return Ok(0) };
            range = range.before(&oldest_kept.key);
        }
        loop {
            let limit = ScanLimit { rows: CHUNK_ROWS, bytes: usize::MAX };
            let scan = Scan { range: range.clone(), order: Order::Descending, limit, select: Select::Keys };
            let page = self.kv.scan(scan).await?;
            for row in &page.rows {
                let number = keys::catalog::parse_version(id.key(), &row.key).and_then(|number| number.try_into().ok());
                let what = || format!("a version of stack `{id}`");
                let number = number.ok_or_else(|| RecordError::Unreadable { what: what() })?;
                removed += usize::from(self.remove_unrouted(id, number).await?);
            }
            let Some(last) = page.rows.last().filter(|_| page.cut.is_some()) else { return Ok(removed) };
            range = range.before(&last.key);
        }
    }

    /// Removes a version unless it is needed; `false` when it is, or when someone routes or removes it meanwhile.
    async fn remove_unrouted(&self, id: &StackId, number: VersionNumber) -> Result<bool, CatalogError> {
        let routing = self.read_routing(id).await?;
        let mut needed: BTreeSet<VersionNumber> = BTreeSet::new();
        if let Some(routing) = &routing {
            needed.extend(routing.value.routing.versions());
            needed.extend(self.rollback_target(id, &routing.value).await?);
        }
        if needed.contains(&number) {
            return Ok(false);
        }
        let unchanged = Batch::new().expect(keys::catalog::routing(id.key()), routing.map(|routing| routing.raw()));
        let Some(batch) = removal(&*self.kv, id, number, unchanged).await? else { return Ok(false) };
        Ok(self.kv.commit(batch).await? == Outcome::Committed)
    }

    /// Removes all versions of a stack, with what `guard` expects.
    pub(super) async fn erase_versions(&self, id: &StackId, guard: &Batch) -> Result<Outcome, CatalogError> {
        loop {
            let range = KeyRange::prefix(keys::catalog::versions(id.key()));
            let limit = ScanLimit { rows: CHUNK_ROWS, bytes: usize::MAX };
            let page = self.kv.scan(Scan { range, order: Order::Ascending, limit, select: Select::Keys }).await?;
            for row in &page.rows {
                let number = keys::catalog::parse_version(id.key(), &row.key).and_then(|number| number.try_into().ok());
                let what = || format!("a version of stack `{id}`");
                let number = number.ok_or_else(|| RecordError::Unreadable { what: what() })?;
                if let Some(batch) = removal(&*self.kv, id, number, guard.clone()).await?
                    && let Outcome::Conflict(conflict) = self.kv.commit(batch).await?
                    && Some(&conflict.key) == guard.expectations().first().map(|expected| &expected.key)
                {
                    return Ok(Outcome::Conflict(conflict));
                }
            }
            if page.cut.is_none() {
                return Ok(Outcome::Committed);
            }
        }
    }
}

/// What removes a version with all that belongs to it; `None` when it is not there.
async fn removal(
    kv: &dyn Kv,
    id: &StackId,
    number: VersionNumber,
    batch: Batch,
) -> Result<Option<Batch>, CatalogError> {
    let key = keys::catalog::version(id.key(), number.get());
    let version = stored::read::<VersionRecord>(kv, &key, || format!("version {number} of stack `{id}`")).await?;
    let Some(version) = version else { return Ok(None) };
    let batch = batch.expect_value(key.clone(), version.raw()).delete(key);
    let batch = batch.delete(keys::catalog::version_stack(id.key(), number.get()));
    let batch = batch.delete(keys::catalog::version_manifest(id.key(), number.get()));
    let hashes: BTreeSet<_> = version.value.artifacts.values().collect();
    Ok(Some(
        hashes.into_iter().fold(batch, |batch, hash| {
            batch.delete(keys::catalog::artifact_use(hash.as_bytes(), id.key(), number.get()))
        }),
    ))
}
