//! mu Storage: the boxes of a stack, as its functions and the gateway see them.

mod error;
mod limits;
mod ops;
mod read;
mod registry;
mod size;
mod write;

use std::fmt;
use std::sync::Arc;

use mu_env::{Env, Random};

pub use self::error::StorageError;
pub use self::limits::Limits;
pub use self::ops::StorageOps;
pub use self::read::ObjectReader;
use self::registry::{OpenBox, Registry};
use crate::format::{self, Identity, ObjectId};
use crate::{BlobInfo, Blobs, RootKey};

/// The id of a stack: the 32 bytes of its key.
pub type StackId = [u8; 32];

/// The object storage of all stacks, on a [`Blobs`].
///
/// Every operation names a stack and a declared box and returns its result together with the [`StorageOps`] it is
/// billed for. Operations that fail are not billed. A put is durable once it is acknowledged; until then readers see
/// the object that was there before.
///
/// The content of objects is encrypted before it reaches the store ([`mod@format`]). Names of boxes and objects, and the
/// sizes of objects, are not.
#[derive(Debug)]
pub struct Boxes {
    blobs: Arc<dyn Blobs>,
    random: Random,
    limits: Limits,
    registry: Registry,
}

/// An entity tag: it changes with every put, also when the content stays the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ETag(ObjectId);

/// What is known about an object without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectMeta {
    /// The size of the content in bytes.
    pub size_bytes: u64,
    /// Strong: two equal tags mean the same bytes.
    pub etag: ETag,
}

/// An entry of a list of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// The key in the box.
    pub key: String,
    /// The size of the content in bytes.
    pub size_bytes: u64,
}

impl Boxes {
    /// Storage with the default [`Limits`].
    #[must_use]
    pub fn open(blobs: Arc<dyn Blobs>, root_key: RootKey, env: &Env) -> Self {
        Self::with_limits(blobs, root_key, env, Limits::default())
    }

    /// Storage with limits of the operator's choice.
    #[must_use]
    pub fn with_limits(blobs: Arc<dyn Blobs>, root_key: RootKey, env: &Env, limits: Limits) -> Self {
        Self { blobs, random: env.random().clone(), limits, registry: Registry::new(root_key) }
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Removes an object. Removing one that does not exist is not an error.
    ///
    /// # Errors
    /// [`StorageError::UnknownBox`], [`StorageError::InvalidKey`], [`StorageError::Store`].
    pub async fn delete(&self, stack: &StackId, box_name: &str, key: &str) -> Result<((), StorageOps), StorageError> {
        self.limits.check_key(key)?;
        let the_box = self.require_box(stack, box_name).await?;
        self.blobs.delete(&the_box.blob_key(key)).await?;
        Ok(((), StorageOps::write(0)))
    }

    /// All objects of a box whose keys begin with `prefix`, in order.
    ///
    /// # Errors
    /// [`StorageError::TooManyObjects`] when there are more than [`Limits::listed_objects`]; see also
    /// [`Boxes::delete`].
    pub async fn list(
        &self,
        stack: &StackId,
        box_name: &str,
        prefix: &str,
    ) -> Result<(Vec<ObjectInfo>, StorageOps), StorageError> {
        self.limits.check_prefix(prefix)?;
        let the_box = self.require_box(stack, box_name).await?;
        let limit = self.limits.listed_objects;
        let blobs = self.blobs.list(&the_box.blob_key(prefix), None, limit + 1).await?;
        if blobs.len() > limit {
            return Err(StorageError::TooManyObjects { box_name: box_name.to_owned(), limit });
        }
        let objects = blobs.into_iter().map(|BlobInfo { key, size_bytes }| ObjectInfo {
            key: the_box.object_key(key),
            // A file that was cut short still has a name; reading it tells what is wrong.
            size_bytes: format::content_bytes(size_bytes).unwrap_or(0),
        });
        Ok((objects.collect(), StorageOps::read(0)))
    }

    fn identity(stack: &StackId, box_name: &str, key: &str) -> Identity {
        Identity { stack: *stack, box_name: box_name.to_owned(), key: key.to_owned() }
    }

    async fn require_box(&self, stack: &StackId, box_name: &str) -> Result<Arc<OpenBox>, StorageError> {
        self.registry.require(&*self.blobs, stack, box_name).await
    }
}

/// 32 lower-case hexadecimal digits, without the quotes that HTTP puts around it.
impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests;
