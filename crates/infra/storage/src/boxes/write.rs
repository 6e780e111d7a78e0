//! Putting objects.

use std::fmt::Display;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};

use super::{Boxes, ETag, ObjectMeta, StackId, StorageError, StorageOps};
use crate::BlobWriter;
use crate::format::{CHUNK_BYTES, CHUNK_OVERHEAD_BYTES, Sealer};

impl Boxes {
    /// Stores an object, in place of the one that had its key.
    ///
    /// # Errors
    /// [`StorageError::UnknownBox`], [`StorageError::InvalidKey`], [`StorageError::ObjectTooLarge`],
    /// [`StorageError::Store`]. The object that was there before is then unharmed.
    pub async fn put(
        &self,
        stack: &StackId,
        box_name: &str,
        key: &str,
        content: Bytes,
    ) -> Result<(ObjectMeta, StorageOps), StorageError> {
        let whole = stream::iter([Ok::<_, std::convert::Infallible>(content)]);
        self.put_stream(stack, box_name, key, whole).await
    }

    /// Stores an object whose content comes in pieces of any size. Dropping the future stores nothing.
    ///
    /// # Errors
    /// See [`Boxes::put`]; [`StorageError::Interrupted`] when the stream fails.
    pub async fn put_stream<E: Display>(
        &self,
        stack: &StackId,
        box_name: &str,
        key: &str,
        content: impl Stream<Item = Result<Bytes, E>> + Send,
    ) -> Result<(ObjectMeta, StorageOps), StorageError> {
        self.limits.check_key(key)?;
        let the_box = self.require_box(stack, box_name).await?;
        let sealer = Sealer::new(&the_box.key, &Self::identity(stack, box_name, key), &self.random);
        let etag = ETag(sealer.id());
        let mut writer = self.blobs.create(&the_box.blob_key(key)).await?;
        writer.write(Bytes::copy_from_slice(sealer.header())).await?;
        let mut chunks = ChunkWriter { sealer, writer, chunk: empty_chunk() };
        let mut bytes = 0;
        let mut content = std::pin::pin!(content);
        while let Some(piece) = content.next().await {
            let piece = piece.map_err(|error| StorageError::Interrupted { reason: error.to_string() })?;
            bytes += piece.len() as u64;
            if bytes > self.limits.object_bytes {
                return Err(StorageError::ObjectTooLarge { limit: self.limits.object_bytes });
            }
            chunks.append(piece).await?;
        }
        chunks.finish().await?;
        Ok((ObjectMeta { size_bytes: bytes, etag }, StorageOps::write(bytes)))
    }
}

/// Gathers content into chunks. A full chunk waits until it is known whether it is the last one.
struct ChunkWriter {
    sealer: Sealer,
    writer: Box<dyn BlobWriter>,
    chunk: Vec<u8>,
}

impl ChunkWriter {
    async fn append(&mut self, mut piece: Bytes) -> Result<(), StorageError> {
        while !piece.is_empty() {
            if self.chunk.len() == CHUNK_BYTES {
                let mut full = std::mem::replace(&mut self.chunk, empty_chunk());
                self.sealer.seal_chunk(&mut full);
                self.writer.write(full.into()).await?;
            }
            let taken = piece.split_to(piece.len().min(CHUNK_BYTES - self.chunk.len()));
            self.chunk.extend_from_slice(&taken);
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<(), StorageError> {
        self.sealer.seal_last_chunk(&mut self.chunk);
        self.writer.write(self.chunk.into()).await?;
        Ok(self.writer.finish().await?)
    }
}

fn empty_chunk() -> Vec<u8> {
    Vec::with_capacity(CHUNK_BYTES + CHUNK_OVERHEAD_BYTES)
}
