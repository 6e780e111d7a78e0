//! Versions of a stack: written once, prepared or failed, read.

use std::collections::{BTreeMap, BTreeSet};

use mu_db::{Batch, Cut, KeyRange, Order, Outcome, Scan, ScanLimit, Select, keys};
use mu_stack::limits::FILE_BYTES_MAX;
use mu_stack::{FunctionName, Stack, StackId};

use super::artifacts::held;
use super::error::{at_most, cut_failure};
use super::limits::{
    ATTEMPTS_MAX, MANIFEST_BYTES_MAX, MESSAGE_BYTES_MAX, PAGE_MAX, PRINCIPAL_BYTES_MAX, VERSIONS_KEPT,
};
use super::stored::{self, RecordError, Stored, decode_bytes, encode, encode_bytes};
use super::{
    ArtifactHash, Catalog, CatalogError, StackRecord, StoredVersion, VersionNumber, VersionRecord, VersionState,
};

/// A version to be made.
#[derive(Clone, Debug)]
pub struct NewVersion {
    /// The stack. What it says about where the code of its functions is does not count: `artifacts` does.
    pub stack: Stack,
    /// The artifact of each function.
    pub artifacts: BTreeMap<FunctionName, ArtifactHash>,
    /// The manifest it was made from, as its author wrote it.
    pub manifest: Option<String>,
    /// What its author says about it.
    pub message: String,
    /// Who makes it: the text form of a principal. They uploaded the artifacts, or the stack uses them already.
    pub by: String,
}

/// A version that was made, and is to be prepared.
#[derive(Clone, Debug, PartialEq)]
pub struct BegunVersion {
    /// The version.
    pub version: StoredVersion,
    /// The revision of the stack's routing at that moment, 0 when it has none: what [`Catalog::activate`] is to expect,
    /// so that of two deploys at once one is told about the other.
    pub routing_revision: u64,
}

/// A page of the versions of a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionPage {
    /// The versions, newest first.
    pub versions: Vec<VersionRecord>,
    /// The next page begins before this number. `None` when there is none.
    pub next: Option<VersionNumber>,
}

impl Catalog {
    /// Writes a new version of a stack. It cannot be routed before it is prepared. Old versions that are not routed are
    /// removed, so that with the new one [`VERSIONS_KEPT`] are left.
    ///
    /// # Errors
    /// [`CatalogError::MissingArtifacts`], [`CatalogError::Artifacts`], [`CatalogError::TooLarge`],
    /// [`CatalogError::UnknownStack`], [`CatalogError::Deleted`], [`CatalogError::Record`].
    pub async fn begin_version(&self, id: &StackId, new: NewVersion) -> Result<BegunVersion, CatalogError> {
        let written = Written::check(new)?;
        for _ in 0..ATTEMPTS_MAX {
            let stack = self.active(id).await?;
            let routing_revision = self.routing(id).await?.map_or(0, |routing| routing.revision);
            let record = written.record(stack.value.next_version, self.env.now());
            let batch = written.batch(id, &stack, &record);
            let batch = self.use_artifacts(batch, id, &record).await?;
            // Only now that nothing stands against the version.
            self.prune(id, VERSIONS_KEPT - 1).await?;
            if self.kv.commit(batch).await? == Outcome::Committed {
                let version = StoredVersion { stack_id: *id, record, stack: written.stack };
                return Ok(BegunVersion { version, routing_revision });
            }
        }
        Err(CatalogError::Contended { what: format!("stack `{id}`") })
    }

    /// Notes that a version can be routed.
    ///
    /// # Errors
    /// [`CatalogError::UnknownVersion`], [`CatalogError::VersionDecided`], [`CatalogError::UnknownStack`],
    /// [`CatalogError::Deleted`], [`CatalogError::Record`].
    pub async fn version_prepared(&self, id: &StackId, number: VersionNumber) -> Result<VersionRecord, CatalogError> {
        self.decide(id, number, VersionState::Ready).await
    }

    /// Notes that a version can never be routed, and why. The reason may be cut.
    ///
    /// # Errors
    /// As of [`Catalog::version_prepared`].
    pub async fn version_failed(
        &self,
        id: &StackId,
        number: VersionNumber,
        failure: &str,
    ) -> Result<VersionRecord, CatalogError> {
        self.decide(id, number, VersionState::Failed { failure: cut_failure(failure).to_owned() }).await
    }

    /// A version with all that is needed to run it.
    ///
    /// # Errors
    /// [`CatalogError::UnknownStack`], [`CatalogError::UnknownVersion`], [`CatalogError::Record`].
    pub async fn version(&self, id: &StackId, number: VersionNumber) -> Result<StoredVersion, CatalogError> {
        let Some(record) = self.read_version(id, number).await? else {
            return Err(self.unknown_version(id, number).await);
        };
        // Both are written and removed together; between the two reads the version may be removed.
        let Some(raw) = self.kv.get(&keys::catalog::version_stack(id.key(), number.get())).await? else {
            return Err(self.unknown_version(id, number).await);
        };
        let stack = decode_bytes(&raw).and_then(|proto| Stack::from_proto_bytes(&proto).ok());
        let what = || format!("version {number} of stack `{id}`");
        let stack = stack.ok_or_else(|| RecordError::Unreadable { what: what() })?;
        Ok(StoredVersion { stack_id: *id, record: record.value, stack })
    }

    /// The manifest that a version was made from, if it was given.
    ///
    /// # Errors
    /// [`CatalogError::UnknownStack`], [`CatalogError::UnknownVersion`], [`CatalogError::Record`].
    pub async fn manifest(&self, id: &StackId, number: VersionNumber) -> Result<Option<String>, CatalogError> {
        if self.read_version(id, number).await?.is_none() {
            return Err(self.unknown_version(id, number).await);
        }
        let Some(raw) = self.kv.get(&keys::catalog::version_manifest(id.key(), number.get())).await? else {
            return Ok(None);
        };
        let text = decode_bytes(&raw).and_then(|text| String::from_utf8(text.to_vec()).ok());
        let what = || format!("the manifest of version {number} of stack `{id}`");
        Ok(Some(text.ok_or_else(|| RecordError::Unreadable { what: what() })?))
    }

    /// A page of the versions of a stack, newest first, those before the number `before`. `limit` is 1 to [`PAGE_MAX`],
    /// else the nearest of these. A stack that does not exist has none.
    ///
    /// # Errors
    /// [`CatalogError::Record`].
    pub async fn versions(
        &self,
        id: &StackId,
        before: Option<VersionNumber>,
        limit: usize,
    ) -> Result<VersionPage, CatalogError> {
        let mut range = KeyRange::prefix(keys::catalog::versions(id.key()));
        if let Some(before) = before {
            range = range.before(&keys::catalog::version(id.key(), before.get()));
        }
        let limit = ScanLimit { rows: limit.clamp(1, PAGE_MAX), bytes: 8 << 20 };
        let scan = Scan { range, order: Order::Descending, limit, select: Select::Rows };
        let page = self.kv.scan(scan).await?;
        let versions = page.rows.iter().map(|row| stored::decode(&row.value, || format!("a version of stack `{id}`")));
        let versions = versions.collect::<Result<Vec<VersionRecord>, _>>()?;
        let next = page.cut.and_then(|_: Cut| versions.last()).map(|last| last.number);
        Ok(VersionPage { versions, next })
    }

    pub(super) async fn read_version(
        &self,
        id: &StackId,
        number: VersionNumber,
    ) -> Result<Option<Stored<VersionRecord>>, CatalogError> {
        let key = keys::catalog::version(id.key(), number.get());
        Ok(stored::read(&*self.kv, &key, || format!("version {number} of stack `{id}`")).await?)
    }

    /// Why a version is not there.
    async fn unknown_version(&self, id: &StackId, number: VersionNumber) -> CatalogError {
        match self.any_state(id).await {
            Ok(stack) => CatalogError::UnknownVersion { stack: stack.value.name, number },
            Err(error) => error,
        }
    }

    /// The expectations and writes by which a version uses its artifacts, or an error when it may not.
    async fn use_artifacts(&self, batch: Batch, id: &StackId, version: &VersionRecord) -> Result<Batch, CatalogError> {
        let mut batch = batch;
        let mut missing = BTreeSet::new();
        for hash in version.artifacts.values().copied().collect::<BTreeSet<_>>() {
            let Some(artifact) = held(&*self.kv, &hash, Some(id), &version.by).await? else {
                missing.insert(hash);
                continue;
            };
            batch = artifact.used_by(batch, &hash, self.env.now());
            let used = keys::catalog::artifact_use(hash.as_bytes(), id.key(), version.number.get());
            batch = batch.put(used, encode_bytes(b""));
        }
        if missing.is_empty() {
            return Ok(batch);
        }
        let functions = version.artifacts.iter().filter(|(_, hash)| missing.contains(hash));
        Err(CatalogError::MissingArtifacts { missing: functions.map(|(name, hash)| (name.clone(), *hash)).collect() })
    }

    async fn decide(
        &self,
        id: &StackId,
        number: VersionNumber,
        state: VersionState,
    ) -> Result<VersionRecord, CatalogError> {
        for _ in 0..ATTEMPTS_MAX {
            let stack = self.active(id).await?;
            let name = || stack.value.name.clone();
            let Some(old) = self.read_version(id, number).await? else {
                return Err(CatalogError::UnknownVersion { stack: name(), number });
            };
            if old.value.state == state {
                return Ok(old.value);
            }
            if old.value.state != VersionState::Unprepared {
                return Err(CatalogError::VersionDecided { stack: name(), number });
            }
            let record = VersionRecord { state: state.clone(), ..old.value.clone() };
            let key = keys::catalog::version(id.key(), number.get());
            let batch = Batch::new().expect_value(keys::catalog::stack(id.key()), stack.raw());
            let batch = batch.expect_value(key.clone(), old.raw()).put(key, encode(&record));
            if self.kv.commit(batch).await? == Outcome::Committed {
                return Ok(record);
            }
        }
        Err(CatalogError::Contended { what: format!("version {number} of stack `{id}`") })
    }
}

/// A version whose parts were checked and are in their stored forms, all but its number.
struct Written {
    stack: Stack,
    proto: Vec<u8>,
    artifacts: BTreeMap<FunctionName, ArtifactHash>,
    manifest: Option<String>,
    message: String,
    by: String,
}

impl Written {
    fn check(new: NewVersion) -> Result<Self, CatalogError> {
        let NewVersion { stack, artifacts, manifest, message, by } = new;
        at_most("a principal's text", by.len(), PRINCIPAL_BYTES_MAX)?;
        at_most("the message of a version", message.len(), MESSAGE_BYTES_MAX)?;
        at_most("the manifest of a version", manifest.as_ref().map_or(0, String::len), MANIFEST_BYTES_MAX)?;
        if let Some(function) = stack.functions().find(|function| !artifacts.contains_key(&function.name)) {
            return Err(CatalogError::Artifacts { function: function.name.clone(), declared: true });
        }
        if let Some(function) = artifacts.keys().find(|name| stack.function(name.as_str()).is_none()) {
            return Err(CatalogError::Artifacts { function: function.clone(), declared: false });
        }
        let stack = stack.with_binaries(|function| artifacts[&function.name].binary_id());
        let proto = stack.to_proto_bytes().expect("every function has just got a binary");
        at_most("a stack", proto.len(), FILE_BYTES_MAX)?;
        Ok(Self { stack, proto, artifacts, manifest, message, by })
    }

    fn record(&self, number: VersionNumber, created: mu_env::Timestamp) -> VersionRecord {
        VersionRecord {
            number,
            state: VersionState::Unprepared,
            created,
            by: self.by.clone(),
            message: self.message.clone(),
            declared: self.stack.version().to_owned(),
            artifacts: self.artifacts.clone(),
        }
    }

    fn batch(&self, id: &StackId, stack: &Stored<StackRecord>, version: &VersionRecord) -> Batch {
        let (number, key) = (version.number.get(), keys::catalog::stack(id.key()));
        let next = StackRecord { next_version: version.number.next(), ..stack.value.clone() };
        let batch = Batch::new().expect_value(key.clone(), stack.raw()).put(key, encode(&next));
        let batch = batch.put(keys::catalog::version(id.key(), number), encode(version));
        let batch = batch.put(keys::catalog::version_stack(id.key(), number), encode_bytes(&self.proto));
        match &self.manifest {
            Some(text) => batch.put(keys::catalog::version_manifest(id.key(), number), encode_bytes(text.as_bytes())),
            None => batch,
        }
    }
}
