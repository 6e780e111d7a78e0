//! Reading objects, whole or in part.

use std::fmt;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};

use super::error::shortened;
use super::{Boxes, ETag, ObjectMeta, StackId, StorageError, StorageOps};
use crate::BlobReader;
use crate::format::{CHUNK_BYTES, CHUNK_OVERHEAD_BYTES, FormatError, HEADER_BYTES, Opener};

/// Chunks fetched from the store at once: 256 KiB.
const CHUNKS_AT_ONCE: u64 = 4;

const CONTENT: u64 = CHUNK_BYTES as u64;
const STORED: u64 = (CHUNK_BYTES + CHUNK_OVERHEAD_BYTES) as u64;

/// An object that is being read. It stays as it was when it was opened, also when it is replaced or deleted meanwhile.
pub struct ObjectReader {
    blob: Box<dyn BlobReader>,
    opener: Opener,
    box_name: String,
    key: String,
}

impl Boxes {
    /// The content of an object.
    ///
    /// # Errors
    /// [`StorageError::ReadTooLarge`] when it is over [`Limits::read_bytes`](super::Limits::read_bytes); see also
    /// [`Boxes::open_object`].
    pub async fn get(&self, stack: &StackId, box_name: &str, key: &str) -> Result<(Bytes, StorageOps), StorageError> {
        let (object, _) = self.open_object(stack, box_name, key).await?;
        let whole = 0..object.meta().size_bytes;
        self.read_range(object, whole).await
    }

    /// The bytes of an object from `range.start` to before `range.end`. Reads and decrypts only the chunks that hold
    /// them.
    ///
    /// # Errors
    /// [`StorageError::InvalidRange`] when the object has no such bytes; see also [`Boxes::get`].
    pub async fn get_range(
        &self,
        stack: &StackId,
        box_name: &str,
        key: &str,
        range: Range<u64>,
    ) -> Result<(Bytes, StorageOps), StorageError> {
        let (object, _) = self.open_object(stack, box_name, key).await?;
        self.read_range(object, range).await
    }

    /// The size and the entity tag of an object.
    ///
    /// # Errors
    /// See [`Boxes::open_object`].
    pub async fn head(
        &self,
        stack: &StackId,
        box_name: &str,
        key: &str,
    ) -> Result<(ObjectMeta, StorageOps), StorageError> {
        let (object, ops) = self.open_object(stack, box_name, key).await?;
        Ok((object.meta(), ops))
    }

    /// Opens an object for reading. Counts one read; the caller adds the bytes it takes.
    ///
    /// # Errors
    /// [`StorageError::UnknownBox`], [`StorageError::InvalidKey`], [`StorageError::NotFound`],
    /// [`StorageError::CorruptObject`], [`StorageError::Store`].
    pub async fn open_object(
        &self,
        stack: &StackId,
        box_name: &str,
        key: &str,
    ) -> Result<(ObjectReader, StorageOps), StorageError> {
        self.limits.check_key(key)?;
        let the_box = self.require_box(stack, box_name).await?;
        let Some(blob) = self.blobs.open(&the_box.blob_key(key)).await? else {
            return Err(StorageError::NotFound { box_name: box_name.to_owned(), key: shortened(key) });
        };
        // A blob that is shorter than a header is for the decoder to refuse.
        let header_bytes = usize::try_from(blob.size_bytes()).unwrap_or(HEADER_BYTES).min(HEADER_BYTES);
        let header = blob.read(0, header_bytes).await?;
        let opener = Opener::new(&header, blob.size_bytes(), &the_box.key, &Self::identity(stack, box_name, key));
        let opener = opener.map_err(|reason| corrupt(box_name, key, reason))?;
        let object = ObjectReader { blob, opener, box_name: box_name.to_owned(), key: key.to_owned() };
        Ok((object, StorageOps::read(0)))
    }

    async fn read_range(
        &self,
        mut object: ObjectReader,
        range: Range<u64>,
    ) -> Result<(Bytes, StorageOps), StorageError> {
        object.check_range(&range)?;
        let (bytes, limit) = (range.end - range.start, self.limits.read_bytes);
        if bytes > limit {
            return Err(StorageError::ReadTooLarge { key: shortened(&object.key), bytes, limit });
        }
        let mut content = BytesMut::with_capacity(usize::try_from(bytes).unwrap_or_default());
        let mut rest = range;
        while !rest.is_empty() {
            content.extend_from_slice(&object.next_piece(&mut rest).await?);
        }
        Ok((content.freeze(), StorageOps::read(bytes)))
    }
}

impl ObjectReader {
    /// The size and the entity tag.
    #[must_use]
    pub fn meta(&self) -> ObjectMeta {
        ObjectMeta { size_bytes: self.opener.content_bytes(), etag: ETag(self.opener.id()) }
    }

    /// The bytes from `range.start` to before `range.end`, in pieces of at most 256 KiB. The stream ends after an
    /// error.
    ///
    /// # Errors
    /// [`StorageError::InvalidRange`] when the object has no such bytes. The stream's items:
    /// [`StorageError::CorruptObject`], [`StorageError::Store`].
    pub fn stream(
        self,
        range: Range<u64>,
    ) -> Result<impl Stream<Item = Result<Bytes, StorageError>> + Send + 'static, StorageError> {
        self.check_range(&range)?;
        Ok(stream::try_unfold((self, range), |(mut object, mut rest)| async move {
            if rest.is_empty() {
                return Ok(None);
            }
            let piece = object.next_piece(&mut rest).await?;
            Ok(Some((piece, (object, rest))))
        }))
    }

    fn check_range(&self, range: &Range<u64>) -> Result<(), StorageError> {
        let bytes = self.opener.content_bytes();
        if range.start <= range.end && range.end <= bytes {
            return Ok(());
        }
        Err(StorageError::InvalidRange { start: range.start, end: range.end, bytes })
    }

    /// Fetches and decrypts the next few chunks of a range that is not empty, and takes what they hold off it.
    async fn next_piece(&mut self, rest: &mut Range<u64>) -> Result<Bytes, StorageError> {
        let first = rest.start / CONTENT;
        let end = ((rest.end - 1) / CONTENT + 1).min(first + CHUNKS_AT_ONCE);
        let stored = chunk_start(first)..chunk_start(end).min(self.blob.size_bytes());
        let length = usize::try_from(stored.end - stored.start).unwrap_or_default();
        let mut sealed = BytesMut::from(self.blob.read(stored.start, length).await?);
        let mut content = BytesMut::with_capacity(sealed.len());
        for (index, chunk) in (first..).zip(sealed.chunks_mut(CHUNK_BYTES + CHUNK_OVERHEAD_BYTES)) {
            let opened = self.opener.open_chunk(index, chunk);
            content.extend_from_slice(opened.map_err(|reason| corrupt(&self.box_name, &self.key, reason))?);
        }
        let content_start = first * CONTENT;
        let piece_end = rest.end.min(content_start + content.len() as u64);
        let inside = |position: u64| usize::try_from(position - content_start).unwrap_or_default();
        let piece = content.freeze().slice(inside(rest.start)..inside(piece_end));
        rest.start = piece_end;
        Ok(piece)
    }
}

/// Where a chunk begins in the blob.
fn chunk_start(index: u64) -> u64 {
    HEADER_BYTES as u64 + index * STORED
}

impl fmt::Debug for ObjectReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { box_name, key, .. } = self;
        f.debug_struct("ObjectReader").field("box_name", box_name).field("key", key).finish_non_exhaustive()
    }
}

fn corrupt(box_name: &str, key: &str, reason: FormatError) -> StorageError {
    StorageError::CorruptObject { box_name: box_name.to_owned(), key: shortened(key), reason }
}
