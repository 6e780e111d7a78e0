//! Uploads of artifacts, which can be continued after an interruption.
//!
//! An upload takes one of a few slots that each principal has, so that no more can be open, whoever counts at the same
//! time. Its id says which slot it is in.

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use mu_db::{Batch, KeyRange, Order, Outcome, Scan, ScanLimit, Select, keys};
use mu_env::Timestamp;
use mu_storage::{AppendError, UploadId};
use serde::{Deserialize, Serialize};

use super::ArtifactHash;
use super::artifacts::{ArtifactError, Artifacts};
use super::limits::{ATTEMPTS_MAX, OPEN_UPLOADS_MAX, PRINCIPAL_BYTES_MAX, UPLOAD_AGE_MAX};
use super::stored::{self, Stored, encode, micros, text};

/// Bytes of a stream that are gathered before they are appended: what goes to the disk at once.
pub const GATHERED_BYTES: usize = 256 * 1024;

/// An upload that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Its id.
    pub id: UploadId,
    /// The hash that its bytes are to have.
    pub hash: ArtifactHash,
    /// How many bytes there are to be, if that was announced.
    pub size_bytes: Option<u64>,
    /// How many have arrived: where to continue.
    pub length: u64,
    /// The largest it may become, in bytes.
    pub bytes_max: u64,
    /// When it is given up.
    pub expires: Timestamp,
}

/// What is stored of an open upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct UploadRecord {
    #[serde(with = "text")]
    pub(super) id: UploadId,
    pub(super) hash: ArtifactHash,
    pub(super) size_bytes: Option<u64>,
    #[serde(with = "micros")]
    pub(super) expires: Timestamp,
}

impl Artifacts {
    /// Opens an upload of an artifact for a principal. When one of the same artifact is open, it is that one: whoever was
    /// interrupted, and lost its id, continues all the same.
    ///
    /// # Errors
    /// [`ArtifactError::TooLarge`], [`ArtifactError::TooManyUploads`], [`ArtifactError::Principal`],
    /// [`ArtifactError::Record`], [`ArtifactError::Blobs`].
    pub async fn create_upload(
        &self,
        principal: &str,
        hash: ArtifactHash,
        size_bytes: Option<u64>,
    ) -> Result<Upload, ArtifactError> {
        if principal.len() > PRINCIPAL_BYTES_MAX {
            return Err(ArtifactError::Principal { limit_bytes: PRINCIPAL_BYTES_MAX });
        }
        if size_bytes.is_some_and(|bytes| bytes > self.bytes_max) {
            return Err(ArtifactError::TooLarge { bytes: size_bytes, limit_bytes: self.bytes_max });
        }
        for _ in 0..ATTEMPTS_MAX {
            let now = self.env.now();
            let slots = self.slots(principal).await?;
            let open = slots.iter().flatten().map(|upload| &upload.value).filter(|upload| upload.expires > now);
            let same = open.clone().find(|upload| upload.hash == hash && upload.size_bytes == size_bytes);
            if let Some(same) = same {
                return self.shown(same).await;
            }
            let is_free =
                |slot: &Option<Stored<UploadRecord>>| slot.as_ref().is_none_or(|upload| upload.value.expires <= now);
            let Some(free) = slots.iter().position(is_free) else { return Err(ArtifactError::TooManyUploads) };
            let slot = u8::try_from(free).expect("there are fewer slots");
            let record = UploadRecord { id: self.new_id(slot), hash, size_bytes, expires: now.plus(UPLOAD_AGE_MAX) };
            let key = keys::catalog::upload(principal, slot);
            let expired = slots.into_iter().nth(free).flatten();
            let batch = Batch::new().expect(key.clone(), expired.as_ref().map(Stored::raw)).put(key, encode(&record));
            if self.kv.commit(batch).await? == Outcome::Committed {
                if let Some(expired) = expired {
                    self.uploads.discard(expired.value.id).await?;
                }
                return self.shown(&record).await;
            }
        }
        Err(ArtifactError::Contended { hash })
    }

    /// An open upload of a principal: how far it has come.
    ///
    /// # Errors
    /// [`ArtifactError::UnknownUpload`], [`ArtifactError::Record`], [`ArtifactError::Blobs`].
    pub async fn upload(&self, principal: &str, id: UploadId) -> Result<Upload, ArtifactError> {
        self.shown(&self.open_upload(principal, id).await?.value).await
    }

    /// The open uploads of a principal.
    ///
    /// # Errors
    /// [`ArtifactError::Record`], [`ArtifactError::Blobs`].
    pub async fn open_uploads(&self, principal: &str) -> Result<Vec<Upload>, ArtifactError> {
        let now = self.env.now();
        let mut open = Vec::new();
        for upload in self.slots(principal).await?.into_iter().flatten() {
            if upload.value.expires > now {
                open.push(self.shown(&upload.value).await?);
            }
        }
        Ok(open)
    }

    /// Appends what a stream yields to an upload that has `offset` bytes, and answers how far it has come. When the
    /// stream fails, what has arrived is kept; when the future is dropped, all but the last [`GATHERED_BYTES`] at most.
    /// Of two that append at the same time, the one that is behind is told so.
    ///
    /// # Errors
    /// [`ArtifactError::Offset`], [`ArtifactError::TooLarge`] (what came before is kept), [`ArtifactError::Interrupted`],
    /// [`ArtifactError::UnknownUpload`], [`ArtifactError::Record`], [`ArtifactError::Blobs`].
    pub async fn append<E: std::fmt::Display>(
        &self,
        principal: &str,
        id: UploadId,
        offset: u64,
        content: impl Stream<Item = Result<Bytes, E>> + Send,
    ) -> Result<u64, ArtifactError> {
        let upload = self.open_upload(principal, id).await?.value;
        let length = self.uploads.length(id).await?;
        if length != offset {
            return Err(ArtifactError::Offset { length });
        }
        let limit_bytes = upload.size_bytes.unwrap_or(self.bytes_max);
        let appended = self.append_within(id, offset, content, limit_bytes).await;
        // What has arrived of a broken stream counts as well.
        self.uploads.flush(id).await?;
        appended
    }

    /// Gives an upload up. One that is not open is no error.
    ///
    /// # Errors
    /// [`ArtifactError::Record`], [`ArtifactError::Blobs`].
    pub async fn cancel_upload(&self, principal: &str, id: UploadId) -> Result<(), ArtifactError> {
        let key = keys::catalog::upload(principal, slot_of(id));
        if let Some(upload) = self.read_upload(principal, id).await? {
            // A conflict means that someone else ended it.
            self.kv.commit(Batch::new().expect_value(key.clone(), upload.raw()).delete(key)).await?;
            self.uploads.discard(id).await?;
        }
        Ok(())
    }

    async fn append_within<E: std::fmt::Display>(
        &self,
        id: UploadId,
        offset: u64,
        content: impl Stream<Item = Result<Bytes, E>> + Send,
        limit_bytes: u64,
    ) -> Result<u64, ArtifactError> {
        let mut length = offset;
        let mut gathered = BytesMut::new();
        let mut content = std::pin::pin!(content);
        let end = loop {
            let piece = match content.next().await {
                Some(Ok(piece)) => piece,
                Some(Err(error)) => break Err(Some(error.to_string())),
                None => break Ok(()),
            };
            if length + (gathered.len() + piece.len()) as u64 > limit_bytes {
                break Err(None);
            }
            gathered.extend_from_slice(&piece);
            if gathered.len() >= GATHERED_BYTES {
                length = self.uploads.append(id, length, gathered.split().freeze()).await?;
            }
        };
        length = self.uploads.append(id, length, gathered.freeze()).await?;
        match end {
            Ok(()) => Ok(length),
            Err(Some(reason)) => Err(ArtifactError::Interrupted { length, reason }),
            Err(None) if limit_bytes < self.bytes_max => Err(ArtifactError::MoreThanSaid { said_bytes: limit_bytes }),
            Err(None) => Err(ArtifactError::TooLarge { bytes: None, limit_bytes }),
        }
    }

    async fn shown(&self, upload: &UploadRecord) -> Result<Upload, ArtifactError> {
        Ok(Upload {
            id: upload.id,
            hash: upload.hash,
            size_bytes: upload.size_bytes,
            length: self.uploads.length(upload.id).await?,
            bytes_max: self.bytes_max,
            expires: upload.expires,
        })
    }

    pub(super) async fn open_upload(
        &self,
        principal: &str,
        id: UploadId,
    ) -> Result<Stored<UploadRecord>, ArtifactError> {
        let upload = self.read_upload(principal, id).await?;
        let now = self.env.now();
        upload.filter(|upload| upload.value.expires > now).ok_or(ArtifactError::UnknownUpload { id })
    }

    async fn read_upload(&self, principal: &str, id: UploadId) -> Result<Option<Stored<UploadRecord>>, ArtifactError> {
        let key = keys::catalog::upload(principal, slot_of(id));
        let upload = stored::read::<UploadRecord>(&*self.kv, &key, || format!("the upload {id}")).await?;
        Ok(upload.filter(|upload| upload.value.id == id))
    }

    /// What is in the slots of a principal.
    async fn slots(&self, principal: &str) -> Result<Vec<Option<Stored<UploadRecord>>>, ArtifactError> {
        let mut slots = vec![None; usize::from(OPEN_UPLOADS_MAX)];
        let range = KeyRange::prefix(keys::catalog::uploads_of(principal));
        let limit = ScanLimit { rows: slots.len(), bytes: usize::MAX };
        let page = self.kv.scan(Scan { range, order: Order::Ascending, limit, select: Select::Rows }).await?;
        for row in page.rows {
            let value = stored::decode(&row.value, || "an upload".to_owned())?;
            let slot = row.key.last().map_or(0, |slot| usize::from(*slot));
            if let Some(place) = slots.get_mut(slot) {
                *place = Some(Stored { value, raw: row.value });
            }
        }
        Ok(slots)
    }

    fn new_id(&self, slot: u8) -> UploadId {
        let mut bytes = *UploadId::new(self.env.random()).as_bytes();
        bytes[0] = slot;
        UploadId::from_bytes(bytes)
    }
}

/// The slot that an upload is in.
pub(super) fn slot_of(id: UploadId) -> u8 {
    id.as_bytes()[0]
}

impl From<AppendError> for ArtifactError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Offset { length } => Self::Offset { length },
            AppendError::Store(error) => Self::Blobs(error),
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
        let hash = ArtifactHash::of(b"");
        for (size_bytes, written) in [(Some(7), "7"), (None, "null")] {
            let record = UploadRecord {
                id: UploadId::from_bytes([1; 16]),
                hash,
                size_bytes,
                expires: Timestamp::from_micros(9),
            };
            let expected = format!(
                "\x01{{\"id\":\"{}\",\"hash\":\"{hash}\",\"size_bytes\":{written},\"expires\":9}}",
                "01".repeat(16)
            );
            assert_eq!(encode(&record), expected);
            assert_eq!(decode::<UploadRecord>(expected.as_bytes(), String::new).unwrap(), record);
        }
    }
}
