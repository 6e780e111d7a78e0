//! How much a stack has in its boxes.

use super::registry::all_objects_prefix;
use super::{Boxes, StackId, StorageError};
use crate::format;

/// Objects of one look at the store.
const PAGE_OBJECTS: usize = 1_000;

impl Boxes {
    /// The bytes of names and contents of all objects of a stack's boxes, found by listing them all. What is written
    /// meanwhile may be counted or not.
    ///
    /// # Errors
    /// [`StorageError::Store`].
    pub async fn stored_bytes(&self, stack: &StackId) -> Result<u64, StorageError> {
        let prefix = all_objects_prefix(stack);
        let (mut bytes, mut after) = (0_u64, None::<String>);
        loop {
            let page = self.blobs.list(&prefix, after.as_deref(), PAGE_OBJECTS).await?;
            for blob in &page {
                // A blob is named by its box, the box's id, and the object's key, which may have slashes.
                let key = blob.key[prefix.len()..].splitn(3, '/').last().unwrap_or_default();
                bytes += key.len() as u64 + format::content_bytes(blob.size_bytes).unwrap_or(0);
            }
            match page.into_iter().last() {
                Some(last) => after = Some(last.key),
                None => return Ok(bytes),
            }
        }
    }
}
