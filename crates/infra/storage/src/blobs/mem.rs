//! The in-memory twin: for tests and simulations.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};

use super::{BlobError, BlobInfo, BlobReader, BlobWriter, Blobs, check_key};

/// A blob store in memory. It loses everything when dropped and has no limit but the machine's memory.
#[derive(Clone, Debug, Default)]
pub struct MemBlobs {
    blobs: Arc<RwLock<BTreeMap<String, Bytes>>>,
}

struct MemWriter {
    store: MemBlobs,
    key: String,
    content: BytesMut,
}

#[derive(Debug)]
struct MemReader(Bytes);

impl MemBlobs {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Blobs for MemBlobs {
    async fn create(&self, key: &str) -> Result<Box<dyn BlobWriter>, BlobError> {
        check_key(key)?;
        Ok(Box::new(MemWriter { store: self.clone(), key: key.to_owned(), content: BytesMut::new() }))
    }

    async fn open(&self, key: &str) -> Result<Option<Box<dyn BlobReader>>, BlobError> {
        check_key(key)?;
        let blobs = self.blobs.read().unwrap_or_else(PoisonError::into_inner);
        Ok(blobs.get(key).map(|content| Box::new(MemReader(content.clone())) as Box<dyn BlobReader>))
    }

    async fn delete(&self, key: &str) -> Result<(), BlobError> {
        check_key(key)?;
        self.blobs.write().unwrap_or_else(PoisonError::into_inner).remove(key);
        Ok(())
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<BlobInfo>, BlobError> {
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let blobs = self.blobs.read().unwrap_or_else(PoisonError::into_inner);
        let matching = blobs.range::<str, _>((start, Bound::Unbounded)).take_while(|(key, _)| key.starts_with(prefix));
        Ok(matching
            .take(limit)
            .map(|(key, blob)| BlobInfo { key: key.clone(), size_bytes: blob.len() as u64 })
            .collect())
    }
}

#[async_trait]
impl BlobWriter for MemWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        self.content.extend_from_slice(&bytes);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<(), BlobError> {
        let mut blobs = self.store.blobs.write().unwrap_or_else(PoisonError::into_inner);
        blobs.insert(self.key, self.content.freeze());
        Ok(())
    }
}

#[async_trait]
impl BlobReader for MemReader {
    fn size_bytes(&self) -> u64 {
        self.0.len() as u64
    }

    async fn read(&self, offset: u64, length: usize) -> Result<Bytes, BlobError> {
        let range = usize::try_from(offset).ok().and_then(|start| Some(start..start.checked_add(length)?));
        match range {
            Some(range) if range.end <= self.0.len() => Ok(self.0.slice(range)),
            _ => Err(BlobError::Truncated { store: "the memory store".into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn conforms() {
        crate::conformance::check(Arc::new(MemBlobs::new())).await;
    }
}
