//! The code of functions, under the hash of its bytes.
//!
//! An artifact is a blob and a record of it. The record names the blob, so that one artifact can be stored, collected
//! and stored again while the blob of its former life is still being removed:
//!
//! - A blob is written before the record names it, under the id of the upload it comes from. A blob that no record names
//!   and whose upload is not open any more is garbage.
//! - An artifact is collected by condemning its record first, then removing the blob, then the record. Every version
//!   that begins to use an artifact, and every upload, expects its record as it found it, so that many can at once, and
//!   changes it only when it was not used for a minute. Whoever condemns changes it first, then looks whether somebody
//!   uses it, and expects it as they left it: uses from before the look are seen, and later ones find an old record.
//!
//! Whether an artifact is there is nobody's business but of those who have its bytes: an artifact counts as there for
//! the stack that uses it, and for whoever uploaded it whole. Everyone else has to upload it, and is told nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use mu_db::{Batch, KeyRange, Kv, KvError, Order, Scan, ScanLimit, Select, keys};
use mu_env::{Env, Timestamp};
use mu_stack::StackId;
use mu_storage::{BlobError, BlobReader, Blobs, InvalidUploadId, UploadId, UploadStore};
use serde::{Deserialize, Serialize};

use super::ArtifactHash;
use super::limits::{ARTIFACT_BYTES_MAX, ASKED_ARTIFACTS_MAX, OPEN_UPLOADS_MAX};
use super::stored::{self, RecordError, Stored, encode, micros, text};

/// What all blobs of artifacts begin with.
pub(super) const BLOBS: &str = "artifacts/";

/// Bytes that are read of a blob or an upload at once.
pub(super) const PIECE_BYTES: usize = 1 << 20;

/// How often a record is changed by those who use the artifact.
const TOUCHED_EVERY: Duration = Duration::from_secs(60);

/// The artifacts of a node, and the uploads they come from. Cloning is cheap.
#[derive(Clone)]
pub struct Artifacts {
    pub(super) kv: Arc<dyn Kv>,
    pub(super) blobs: Arc<dyn Blobs>,
    pub(super) uploads: Arc<dyn UploadStore>,
    pub(super) env: Env,
    pub(super) bytes_max: u64,
}

/// An artifact that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArtifactInfo {
    /// The hash of its bytes.
    pub hash: ArtifactHash,
    /// How many they are.
    pub size_bytes: u64,
}

/// Something was not done with artifacts or uploads.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The database failed, or a record in it cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The store of artifacts or of uploads failed.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// There is no such artifact.
    #[error("the artifact {hash} is not there")]
    UnknownArtifact {
        /// Its hash.
        hash: ArtifactHash,
    },
    /// An artifact is too large.
    #[error("an artifact has at most {limit_bytes} bytes, this one has {}", Size(*.bytes))]
    TooLarge {
        /// How many it has, if that is known.
        bytes: Option<u64>,
        /// The limit.
        limit_bytes: u64,
    },
    /// More bytes came than the upload was begun for.
    #[error("the upload was begun for {said_bytes} bytes, and more came: begin it anew with the right size")]
    MoreThanSaid {
        /// How many it was begun for.
        said_bytes: u64,
    },
    /// A question about too many artifacts.
    #[error("ask about at most {ASKED_ARTIFACTS_MAX} artifacts at once, not {count}")]
    TooMany {
        /// How many.
        count: usize,
    },
    /// The principal has too many open uploads.
    #[error("there are {OPEN_UPLOADS_MAX} open uploads of yours already: finish or cancel one")]
    TooManyUploads,
    /// The text form of a principal is too long.
    #[error("the name of a principal has at most {limit_bytes} bytes")]
    Principal {
        /// The limit.
        limit_bytes: usize,
    },
    /// There is no such upload, or it is of someone else.
    #[error("there is no open upload {id} of yours: it was finished, cancelled, or took too long; begin a new one")]
    UnknownUpload {
        /// Its id.
        id: UploadId,
    },
    /// A piece of an upload begins elsewhere than the part that is there ends.
    #[error("the upload has {length} bytes: continue there")]
    Offset {
        /// How many bytes have arrived.
        length: u64,
    },
    /// Less has arrived than was announced.
    #[error("the upload has {length} of {expected} bytes: continue there")]
    Incomplete {
        /// How many bytes have arrived.
        length: u64,
        /// How many were announced.
        expected: u64,
    },
    /// What has arrived is not what was announced. The upload is gone.
    #[error("the uploaded bytes have the hash {actual}, and not {expected}: upload them again")]
    OtherHash {
        /// The hash that was announced.
        expected: ArtifactHash,
        /// That of the bytes.
        actual: ArtifactHash,
    },
    /// The sender broke off. What has arrived is kept.
    #[error("the upload was interrupted after {length} bytes ({reason}): continue there")]
    Interrupted {
        /// How many bytes have arrived.
        length: u64,
        /// What failed.
        reason: String,
    },
    /// Others changed the same thing again and again.
    #[error("the artifact {hash} is being changed by many at once: try again in a moment")]
    Contended {
        /// Its hash.
        hash: ArtifactHash,
    },
}

/// What is stored of an artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ArtifactRecord {
    /// Its size in bytes.
    pub(super) size_bytes: u64,
    /// The upload that its blob is named after.
    #[serde(with = "text")]
    pub(super) blob: UploadId,
    /// When it was last uploaded, or a version began to use it, to [`TOUCHED_EVERY`].
    #[serde(with = "micros")]
    pub(super) touched: Timestamp,
    /// Counts these, so that no two states of a record are equal.
    pub(super) revision: u64,
    /// Whether it is being collected. Then it is not there any more.
    pub(super) condemned: bool,
}

impl Stored<ArtifactRecord> {
    /// What makes a batch a use of the artifact: it must be as it was found, and is not old from then on.
    pub(super) fn used_by(&self, batch: Batch, hash: &ArtifactHash, now: Timestamp) -> Batch {
        let key = keys::catalog::artifact(hash.as_bytes());
        let batch = batch.expect_value(key.clone(), self.raw());
        if now < self.value.touched.plus(TOUCHED_EVERY) {
            return batch;
        }
        let touched = ArtifactRecord { touched: now, revision: self.value.revision + 1, ..self.value.clone() };
        batch.put(key, encode(&touched))
    }
}

impl Artifacts {
    /// Artifacts with their records in `kv`, their bytes in `blobs`, and what has arrived of them in `uploads`.
    #[must_use]
    pub fn new(kv: Arc<dyn Kv>, blobs: Arc<dyn Blobs>, uploads: Arc<dyn UploadStore>, env: Env) -> Self {
        Self { kv, blobs, uploads, env, bytes_max: ARTIFACT_BYTES_MAX }
    }

    /// The same with another limit on the size of an artifact.
    #[must_use]
    pub fn with_bytes_max(self, bytes_max: u64) -> Self {
        Self { bytes_max, ..self }
    }

    /// Which of some artifacts a principal has to upload before it can deploy them to a stack, in their order. Without
    /// a stack, for a stack that does not exist yet. At most [`ASKED_ARTIFACTS_MAX`] can be asked about.
    ///
    /// # Errors
    /// [`ArtifactError::TooMany`], [`ArtifactError::Record`].
    pub async fn missing(
        &self,
        principal: &str,
        stack: Option<&StackId>,
        hashes: &[ArtifactHash],
    ) -> Result<Vec<ArtifactHash>, ArtifactError> {
        if hashes.len() > ASKED_ARTIFACTS_MAX {
            return Err(ArtifactError::TooMany { count: hashes.len() });
        }
        let mut missing = Vec::new();
        for hash in hashes {
            if held(&*self.kv, hash, stack, principal).await?.is_none() {
                missing.push(*hash);
            }
        }
        Ok(missing)
    }

    /// Opens an artifact, whoever asks. A reader goes on when the artifact is collected meanwhile.
    ///
    /// # Errors
    /// [`ArtifactError::UnknownArtifact`], [`ArtifactError::Record`], [`ArtifactError::Blobs`].
    pub async fn open(&self, hash: &ArtifactHash) -> Result<Box<dyn BlobReader>, ArtifactError> {
        let unknown = || ArtifactError::UnknownArtifact { hash: *hash };
        let record = read_artifact(&*self.kv, hash).await?.filter(|artifact| !artifact.value.condemned);
        let blob = self.blobs.open(&blob_key(hash, record.ok_or_else(unknown)?.value.blob)).await?;
        blob.ok_or_else(unknown)
    }

    /// All bytes of an artifact, whoever asks. Its hash is for whoever runs it to check.
    ///
    /// # Errors
    /// As of [`Artifacts::open`].
    pub async fn read(&self, hash: &ArtifactHash) -> Result<Bytes, ArtifactError> {
        let blob = self.open(hash).await?;
        let mut content = BytesMut::new();
        while (content.len() as u64) < blob.size_bytes() {
            let left = blob.size_bytes() - content.len() as u64;
            let length = usize::try_from(left).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
            content.extend_from_slice(&blob.read(content.len() as u64, length).await?);
        }
        Ok(content.freeze())
    }
}

impl fmt::Debug for Artifacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Artifacts").field("kv", &self.kv).field("blobs", &self.blobs).finish_non_exhaustive()
    }
}

impl From<KvError> for ArtifactError {
    fn from(error: KvError) -> Self {
        Self::Record(error.into())
    }
}

/// The artifact, if it counts as there for a stack or for a principal.
pub(super) async fn held(
    kv: &dyn Kv,
    hash: &ArtifactHash,
    stack: Option<&StackId>,
    principal: &str,
) -> Result<Option<Stored<ArtifactRecord>>, RecordError> {
    let Some(artifact) = read_artifact(kv, hash).await? else { return Ok(None) };
    if artifact.value.condemned {
        return Ok(None);
    }
    let is_held = kv.get(&keys::catalog::artifact_uploader(hash.as_bytes(), principal)).await?.is_some()
        || match stack {
            Some(stack) => any_row(kv, keys::catalog::artifact_uses_of_stack(hash.as_bytes(), stack.key())).await?,
            None => false,
        };
    Ok(is_held.then_some(artifact))
}

pub(super) async fn read_artifact(
    kv: &dyn Kv,
    hash: &ArtifactHash,
) -> Result<Option<Stored<ArtifactRecord>>, RecordError> {
    stored::read(kv, &keys::catalog::artifact(hash.as_bytes()), || format!("the artifact {hash}")).await
}

/// Whether any key begins with `prefix`.
pub(super) async fn any_row(kv: &dyn Kv, prefix: Bytes) -> Result<bool, KvError> {
    let limit = ScanLimit { rows: 1, bytes: usize::MAX };
    let range = KeyRange::prefix(prefix);
    Ok(!kv.scan(Scan { range, order: Order::Ascending, limit, select: Select::Keys }).await?.rows.is_empty())
}

/// The blob of an artifact that came by an upload.
pub(super) fn blob_key(hash: &ArtifactHash, upload: UploadId) -> String {
    format!("{BLOBS}{hash}-{upload}")
}

/// What a blob is named after.
pub(super) fn parse_blob_key(key: &str) -> Option<(ArtifactHash, UploadId)> {
    let (hash, upload) = key.strip_prefix(BLOBS)?.split_once('-')?;
    Some((hash.parse().ok()?, upload.parse().map_err(|_: InvalidUploadId| ()).ok()?))
}

struct Size(Option<u64>);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(bytes) => write!(f, "{bytes}"),
            None => f.write_str("more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::stored::decode;
    use super::*;

    /// Changing one of these strands the data of every node: add a version instead.
    #[test]
    fn golden() {
        let record = ArtifactRecord {
            size_bytes: 7,
            blob: UploadId::from_bytes([0xab; 16]),
            touched: Timestamp::from_micros(5),
            revision: 2,
            condemned: false,
        };
        let expected = format!(
            "\x01{{\"size_bytes\":7,\"blob\":\"{}\",\"touched\":5,\"revision\":2,\"condemned\":false}}",
            "ab".repeat(16)
        );
        assert_eq!(encode(&record), expected);
        assert_eq!(decode::<ArtifactRecord>(expected.as_bytes(), String::new).unwrap(), record);
        let hash = ArtifactHash::of(b"");
        let key = blob_key(&hash, record.blob);
        assert_eq!(key, format!("artifacts/{hash}-{}", "ab".repeat(16)));
        assert_eq!(parse_blob_key(&key), Some((hash, record.blob)));
        for other in ["artifacts/", "artifacts/x-y", &key[1..], &format!("{key}0")] {
            assert_eq!(parse_blob_key(other), None, "{other}");
        }
    }
}
