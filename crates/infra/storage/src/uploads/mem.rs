//! The in-memory twin: for tests and simulations.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use super::{AppendError, UploadId, UploadStore};
use crate::BlobError;

/// Uploads in memory. It loses everything when dropped and has no limit but the machine's memory.
#[derive(Clone, Debug, Default)]
pub struct MemUploads {
    uploads: Arc<Mutex<BTreeMap<UploadId, Vec<u8>>>>,
}

impl MemUploads {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<UploadId, Vec<u8>>> {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl UploadStore for MemUploads {
    async fn length(&self, id: UploadId) -> Result<u64, BlobError> {
        Ok(self.lock().get(&id).map_or(0, |content| content.len() as u64))
    }

    async fn append(&self, id: UploadId, offset: u64, bytes: Bytes) -> Result<u64, AppendError> {
        let mut uploads = self.lock();
        let length = uploads.get(&id).map_or(0, |content| content.len() as u64);
        if length != offset {
            return Err(AppendError::Offset { length });
        }
        if !bytes.is_empty() {
            uploads.entry(id).or_default().extend_from_slice(&bytes);
        }
        Ok(length + bytes.len() as u64)
    }

    async fn flush(&self, _: UploadId) -> Result<(), BlobError> {
        Ok(())
    }

    async fn read(&self, id: UploadId, offset: u64, length: usize) -> Result<Bytes, BlobError> {
        let uploads = self.lock();
        let content = uploads.get(&id).map_or(&[][..], |content| content);
        let start = usize::try_from(offset).map_or(content.len(), |offset| offset.min(content.len()));
        let end = start.saturating_add(length).min(content.len());
        Ok(Bytes::copy_from_slice(&content[start..end]))
    }

    async fn discard(&self, id: UploadId) -> Result<(), BlobError> {
        self.lock().remove(&id);
        Ok(())
    }

    async fn list(&self) -> Result<Vec<UploadId>, BlobError> {
        Ok(self.lock().keys().copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn conforms() {
        crate::conformance::uploads::check(Arc::new(MemUploads::new())).await;
    }
}
