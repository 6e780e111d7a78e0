//! Collecting what nobody uses any more: artifacts, and uploads that took too long.

use std::collections::{BTreeMap, BTreeSet};

use mu_db::{Batch, KeyRange, Order, Outcome, Scan, ScanLimit, Select, keys};
use mu_storage::UploadId;

use super::ArtifactHash;
use super::artifacts::{
    ArtifactError, ArtifactRecord, Artifacts, BLOBS, any_row, blob_key, parse_blob_key, read_artifact,
};
use super::limits::UNUSED_ARTIFACT_AGE_MAX;
use super::stored::{self, RecordError, Stored, encode};
use super::uploads::UploadRecord;

/// Rows or blobs looked at in one step.
const CHUNK: usize = 1_000;

/// What a collection removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Artifacts that no version used for a day.
    pub artifacts: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Uploads that took too long.
    pub uploads: u64,
    /// Blobs and files that a process left behind when it ended.
    pub leftovers: u64,
}

/// Whether an artifact counts as there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condemned {
    No,
    Yes,
}

impl Artifacts {
    /// Removes artifacts that no version has used for a day, uploads that took too long, and what processes that ended
    /// left behind. Safe at any time and by several at once; an interrupted collection goes on with the next one.
    ///
    /// # Errors
    /// [`ArtifactError::Record`], [`ArtifactError::Blobs`].
    pub async fn collect(&self) -> Result<Collected, ArtifactError> {
        let mut collected = Collected::default();
        self.collect_uploads(&mut collected).await?;
        self.collect_artifacts(&mut collected).await?;
        self.collect_blobs(&mut collected).await?;
        Ok(collected)
    }

    async fn collect_uploads(&self, collected: &mut Collected) -> Result<(), ArtifactError> {
        // Files are listed before the records are read: an upload has a record before it has a file, and never again
        // after it lost it.
        let files = self.uploads.list().await?;
        let now = self.env.now();
        let mut open = BTreeSet::new();
        for (key, upload) in self.all_uploads().await? {
            if upload.value.expires > now {
                open.insert(upload.value.id);
                continue;
            }
            let batch = Batch::new().expect_value(key.clone(), upload.raw()).delete(key);
            if self.kv.commit(batch).await? == Outcome::Committed {
                self.uploads.discard(upload.value.id).await?;
                collected.uploads += 1;
            }
        }
        for file in files.into_iter().filter(|file| !open.contains(file)) {
            // Those that have just been collected are gone already, which is no error.
            if self.uploads.length(file).await? > 0 {
                self.uploads.discard(file).await?;
                collected.leftovers += 1;
            }
        }
        Ok(())
    }

    async fn collect_artifacts(&self, collected: &mut Collected) -> Result<(), ArtifactError> {
        let mut range = KeyRange::prefix(keys::catalog::artifacts());
        let end = range.end().cloned().unwrap_or_default();
        loop {
            let limit = ScanLimit { rows: 1, bytes: usize::MAX };
            let scan = Scan { range: range.clone(), order: Order::Ascending, limit, select: Select::Keys };
            let page = self.kv.scan(scan).await?;
            let Some(row) = page.rows.first() else { return Ok(()) };
            let what = || RecordError::Unreadable { what: "an artifact".to_owned() };
            let (hash, _) = keys::catalog::parse_artifact(&row.key).ok_or_else(what)?;
            self.collect_artifact(&ArtifactHash::from_bytes(hash), collected).await?;
            // Behind all rows of this artifact.
            let Some(next) = KeyRange::prefix(keys::catalog::artifact(&hash)).end().cloned() else { return Ok(()) };
            range = KeyRange::new(next, end.clone());
        }
    }

    async fn collect_artifact(&self, hash: &ArtifactHash, collected: &mut Collected) -> Result<(), ArtifactError> {
        let Some(artifact) = read_artifact(&*self.kv, hash).await? else { return Ok(()) };
        let condemned = if artifact.value.condemned {
            artifact
        } else {
            let is_old = artifact.value.touched.plus(UNUSED_ARTIFACT_AGE_MAX) <= self.env.now();
            if !is_old || self.is_used(hash).await? {
                return Ok(());
            }
            // From here on, whoever begins to use it changes its record; whoever has begun before is seen.
            let Some(artifact) = self.change(hash, &artifact, Condemned::No).await? else { return Ok(()) };
            if self.is_used(hash).await? {
                return Ok(());
            }
            match self.change(hash, &artifact, Condemned::Yes).await? {
                Some(condemned) => condemned,
                None => return Ok(()),
            }
        };
        self.blobs.delete(&blob_key(hash, condemned.value.blob)).await?;
        if self.erase(hash, &condemned).await? {
            collected.artifacts += 1;
            collected.bytes += condemned.value.size_bytes;
        }
        Ok(())
    }

    async fn is_used(&self, hash: &ArtifactHash) -> Result<bool, ArtifactError> {
        Ok(any_row(&*self.kv, keys::catalog::artifact_uses(hash.as_bytes())).await?)
    }

    /// Changes a record, so that nobody who has read it before can begin to use the artifact. `None` when someone changed
    /// it meanwhile.
    async fn change(
        &self,
        hash: &ArtifactHash,
        artifact: &Stored<ArtifactRecord>,
        condemned: Condemned,
    ) -> Result<Option<Stored<ArtifactRecord>>, ArtifactError> {
        let key = keys::catalog::artifact(hash.as_bytes());
        let (revision, condemned) = (artifact.value.revision + 1, condemned == Condemned::Yes);
        let value = ArtifactRecord { revision, condemned, ..artifact.value.clone() };
        let raw = encode(&value);
        let batch = Batch::new().expect_value(key.clone(), artifact.raw()).put(key, raw.clone());
        Ok((self.kv.commit(batch).await? == Outcome::Committed).then_some(Stored { value, raw }))
    }

    /// Removes the rows of a condemned artifact, its record last. `false` when it was uploaded anew meanwhile.
    async fn erase(&self, hash: &ArtifactHash, condemned: &Stored<ArtifactRecord>) -> Result<bool, ArtifactError> {
        let key = keys::catalog::artifact(hash.as_bytes());
        let guard = Batch::new().expect_value(key.clone(), condemned.raw());
        let mut range = KeyRange::prefix(key.clone()).after(&key);
        loop {
            let limit = ScanLimit { rows: CHUNK, bytes: usize::MAX };
            let scan = Scan { range: range.clone(), order: Order::Ascending, limit, select: Select::Keys };
            let page = self.kv.scan(scan).await?;
            let batch = page.rows.iter().fold(guard.clone(), |batch, row| batch.delete(row.key.clone()));
            let last = page.rows.last().filter(|_| page.cut.is_some());
            let batch = if last.is_none() { batch.delete(key.clone()) } else { batch };
            if self.kv.commit(batch).await? != Outcome::Committed {
                return Ok(false);
            }
            let Some(last) = last else { return Ok(true) };
            range = range.after(&last.key);
        }
    }

    async fn collect_blobs(&self, collected: &mut Collected) -> Result<(), ArtifactError> {
        let mut after: Option<String> = None;
        loop {
            let blobs = self.blobs.list(BLOBS, after.as_deref(), CHUNK).await?;
            let Some(last) = blobs.last() else { return Ok(()) };
            after = Some(last.key.clone());
            let mut unnamed = BTreeMap::new();
            for blob in &blobs {
                if let Some((hash, upload)) = parse_blob_key(&blob.key)
                    && !self.is_named(&hash, upload).await?
                {
                    unnamed.insert(upload, hash);
                }
            }
            if unnamed.is_empty() {
                continue;
            }
            // An upload is open until the very commit by which the artifact names its blob. Looked at in this order, one
            // that is neither open nor named will never be.
            let open: BTreeSet<_> = self.all_uploads().await?.into_iter().map(|(_, upload)| upload.value.id).collect();
            for (upload, hash) in unnamed.into_iter().filter(|(upload, _)| !open.contains(upload)) {
                if !self.is_named(&hash, upload).await? {
                    self.blobs.delete(&blob_key(&hash, upload)).await?;
                    collected.leftovers += 1;
                }
            }
        }
    }

    /// Whether the record of an artifact names the blob of this upload.
    async fn is_named(&self, hash: &ArtifactHash, upload: UploadId) -> Result<bool, ArtifactError> {
        Ok(read_artifact(&*self.kv, hash).await?.is_some_and(|artifact| artifact.value.blob == upload))
    }

    /// The uploads of everyone, with their keys.
    async fn all_uploads(&self) -> Result<Vec<(bytes::Bytes, Stored<UploadRecord>)>, ArtifactError> {
        let mut range = KeyRange::prefix(keys::catalog::uploads());
        let mut all = Vec::new();
        loop {
            let limit = ScanLimit { rows: CHUNK, bytes: usize::MAX };
            let scan = Scan { range: range.clone(), order: Order::Ascending, limit, select: Select::Rows };
            let page = self.kv.scan(scan).await?;
            for row in &page.rows {
                let value = stored::decode(&row.value, || "an upload".to_owned())?;
                all.push((row.key.clone(), Stored { value, raw: row.value.clone() }));
            }
            let Some(last) = page.rows.last().filter(|_| page.cut.is_some()) else { return Ok(all) };
            range = range.after(&last.key);
        }
    }
}
