//! How an upload becomes an artifact: checked, copied to a blob, entered.

use mu_db::{Batch, Outcome, keys};
use mu_storage::{BlobWriter, UploadId};

use super::ArtifactHash;
use super::artifacts::{
    ArtifactError, ArtifactInfo, ArtifactRecord, Artifacts, PIECE_BYTES, blob_key, held, read_artifact,
};
use super::limits::ATTEMPTS_MAX;
use super::stored::{Stored, encode, encode_bytes};
use super::uploads::{UploadRecord, slot_of};

impl Artifacts {
    /// Ends an upload: checks the hash of the whole, and keeps it as an artifact that this principal may deploy. After an
    /// interruption, [`Artifacts::missing`] tells whether an upload that is not open any more had been ended.
    ///
    /// # Errors
    /// [`ArtifactError::Incomplete`], [`ArtifactError::OtherHash`] (the upload is gone then),
    /// [`ArtifactError::UnknownUpload`], [`ArtifactError::Record`], [`ArtifactError::Blobs`].
    pub async fn finish_upload(&self, principal: &str, id: UploadId) -> Result<ArtifactInfo, ArtifactError> {
        let upload = self.open_upload(principal, id).await?;
        let (hash, length) = (upload.value.hash, self.uploads.length(id).await?);
        if let Some(expected) = upload.value.size_bytes.filter(|expected| *expected != length) {
            return Err(ArtifactError::Incomplete { length, expected });
        }
        for _ in 0..ATTEMPTS_MAX {
            let is_there = read_artifact(&*self.kv, &hash).await?.is_some_and(|artifact| !artifact.value.condemned);
            let own_blob = if is_there { OwnBlob::NotNeeded } else { OwnBlob::Written };
            let Some(actual) = self.check(id, &hash, length, own_blob).await? else {
                return self.ended_already(principal, id, &hash).await;
            };
            if actual != hash {
                self.cancel_upload(principal, id).await?;
                return Err(ArtifactError::OtherHash { expected: hash, actual });
            }
            match self.enter(principal, &upload, length, own_blob).await? {
                Entered::Done => {
                    self.uploads.discard(id).await?;
                    return Ok(ArtifactInfo { hash, size_bytes: length });
                }
                Entered::BlobNeeded => {}
                Entered::UploadGone => return self.ended_already(principal, id, &hash).await,
            }
        }
        Err(ArtifactError::Contended { hash })
    }

    /// The hash of what has arrived; `None` when that is not there any more, because someone else ends the upload at the
    /// same time. With a blob to write, what has the right hash is copied to it on the way.
    async fn check(
        &self,
        id: UploadId,
        hash: &ArtifactHash,
        length: u64,
        own_blob: OwnBlob,
    ) -> Result<Option<ArtifactHash>, ArtifactError> {
        let mut blob: Option<Box<dyn BlobWriter>> = match own_blob {
            OwnBlob::Written => Some(self.blobs.create(&blob_key(hash, id)).await?),
            OwnBlob::NotNeeded => None,
        };
        let mut hasher = blake3::Hasher::new();
        let mut offset = 0;
        while offset < length {
            let piece = self.uploads.read(id, offset, PIECE_BYTES).await?;
            if piece.is_empty() {
                return Ok(None);
            }
            hasher.update(&piece);
            offset += piece.len() as u64;
            if let Some(blob) = &mut blob {
                blob.write(piece).await?;
            }
        }
        let actual = ArtifactHash::from_bytes(*hasher.finalize().as_bytes());
        // Dropping it leaves no trace.
        if let Some(blob) = blob.filter(|_| actual == *hash) {
            blob.finish().await?;
        }
        Ok(Some(actual))
    }

    /// Makes a checked upload an artifact.
    async fn enter(
        &self,
        principal: &str,
        upload: &Stored<UploadRecord>,
        size_bytes: u64,
        own_blob: OwnBlob,
    ) -> Result<Entered, ArtifactError> {
        let UploadRecord { id, hash, .. } = upload.value;
        let key = keys::catalog::artifact(hash.as_bytes());
        let slot = keys::catalog::upload(principal, slot_of(id));
        for _ in 0..ATTEMPTS_MAX {
            let now = self.env.now();
            let old = read_artifact(&*self.kv, &hash).await?;
            let batch = Batch::new().expect_value(slot.clone(), upload.raw()).delete(slot.clone());
            let (batch, blob) = match old {
                Some(old) if !old.value.condemned => (old.used_by(batch, &hash, now), old.value.blob),
                _ if own_blob == OwnBlob::NotNeeded => return Ok(Entered::BlobNeeded),
                condemned => {
                    if let Some(condemned) = condemned.as_ref().filter(|condemned| condemned.value.blob != id) {
                        // Nobody will know of its blob any more.
                        self.blobs.delete(&blob_key(&hash, condemned.value.blob)).await?;
                    }
                    let revision = condemned.as_ref().map_or(0, |condemned| condemned.value.revision) + 1;
                    let record = ArtifactRecord { size_bytes, blob: id, touched: now, revision, condemned: false };
                    let condemned = condemned.map(|condemned| condemned.raw());
                    (batch.expect(key.clone(), condemned).put(key.clone(), encode(&record)), id)
                }
            };
            let uploader = keys::catalog::artifact_uploader(hash.as_bytes(), principal);
            match self.kv.commit(batch.put(uploader, encode_bytes(b""))).await? {
                Outcome::Committed => {
                    if own_blob == OwnBlob::Written && blob != id {
                        // Someone else has stored the same meanwhile.
                        self.blobs.delete(&blob_key(&hash, id)).await?;
                    }
                    return Ok(Entered::Done);
                }
                Outcome::Conflict(conflict) if conflict.key == slot => return Ok(Entered::UploadGone),
                Outcome::Conflict(_) => {}
            }
        }
        Err(ArtifactError::Contended { hash })
    }

    /// The upload was ended, cancelled or given up while it was checked.
    async fn ended_already(
        &self,
        principal: &str,
        id: UploadId,
        hash: &ArtifactHash,
    ) -> Result<ArtifactInfo, ArtifactError> {
        let artifact = held(&*self.kv, hash, None, principal).await?.map(|artifact| artifact.value);
        if artifact.as_ref().is_none_or(|artifact| artifact.blob != id) {
            self.blobs.delete(&blob_key(hash, id)).await?;
        }
        let artifact = artifact.ok_or(ArtifactError::UnknownUpload { id })?;
        Ok(ArtifactInfo { hash: *hash, size_bytes: artifact.size_bytes })
    }
}

/// Whether an upload becomes a blob, or the artifact has one already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OwnBlob {
    Written,
    NotNeeded,
}

/// What became of a checked upload.
enum Entered {
    Done,
    /// The artifact was collected while the upload was checked, and is not there any more.
    BlobNeeded,
    UploadGone,
}
