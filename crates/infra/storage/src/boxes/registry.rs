//! Which boxes a stack has, and where they are in the store.
//!
//! | blob | content |
//! |---|---|
//! | `boxes/STACK/BOX` | the record of a box: its id and its wrapped key |
//! | `objects/STACK/BOX/BOX_ID/KEY` | an object |
//!
//! `STACK` and `BOX_ID` are hexadecimal. The id is random, so that what is left of a removed box can never appear in a
//! later one of the same name, and with its key gone, nobody can read it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use mu_env::Random;

use super::{Boxes, StackId, StorageError};
use crate::format::{BOX_RECORD_BYTES, BoxId, BoxKey, FormatError, new_box, open_box};
use crate::{Blobs, RootKey};

const NAME_BYTES_MAX: usize = 255;

/// Objects of a removed box that are deleted between two looks at what is left.
const REMOVAL_CHUNK: usize = 1_000;

/// The boxes that this process has opened.
#[derive(Debug)]
pub(super) struct Registry {
    root_key: RootKey,
    open: RwLock<HashMap<StackId, BoxesOfStack>>,
    /// Held while boxes are made, opened or removed, so that none of these sees another one half done.
    changes: tokio::sync::Mutex<()>,
}

type BoxesOfStack = HashMap<Box<str>, Arc<OpenBox>>;

/// A box whose key is at hand.
#[derive(Debug)]
pub(super) struct OpenBox {
    pub(super) key: BoxKey,
    /// What the blobs of its objects begin with.
    prefix: String,
}

impl OpenBox {
    /// The blob of an object.
    pub(super) fn blob_key(&self, key: &str) -> String {
        [&self.prefix, key].concat()
    }

    /// The object of a blob.
    pub(super) fn object_key(&self, mut blob_key: String) -> String {
        blob_key.split_off(self.prefix.len())
    }
}

impl Boxes {
    /// Declares boxes of a stack. Those that exist keep their objects.
    ///
    /// # Errors
    /// [`StorageError::InvalidBoxName`], [`StorageError::Store`]; [`StorageError::OtherRootKey`] or
    /// [`StorageError::CorruptBox`] when a box exists and cannot be opened.
    pub async fn declare_boxes(&self, stack: &StackId, names: &[&str]) -> Result<(), StorageError> {
        for name in names {
            check_name(name)?;
        }
        for name in names {
            self.registry.declare(&*self.blobs, &self.random, stack, name).await?;
        }
        Ok(())
    }

    /// Whether the stack has declared a box of this name.
    ///
    /// # Errors
    /// [`StorageError::Store`]; [`StorageError::OtherRootKey`] or [`StorageError::CorruptBox`] when it cannot be opened.
    pub async fn has_box(&self, stack: &StackId, name: &str) -> Result<bool, StorageError> {
        match self.require_box(stack, name).await {
            Ok(_) => Ok(true),
            Err(StorageError::UnknownBox { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes a box with its objects. A box that does not exist is no error. Once this begins, the objects can no
    /// longer be read; when it fails half way, removing or declaring the box again goes on deleting them.
    ///
    /// # Errors
    /// [`StorageError::InvalidBoxName`], [`StorageError::Store`].
    pub async fn remove_box(&self, stack: &StackId, name: &str) -> Result<(), StorageError> {
        check_name(name)?;
        self.registry.remove(&*self.blobs, stack, name).await
    }

    /// The names of the stack's boxes, in order.
    ///
    /// # Errors
    /// [`StorageError::Store`].
    pub async fn box_list(&self, stack: &StackId) -> Result<Vec<String>, StorageError> {
        let prefix = record_key(stack, "");
        let blobs = self.blobs.list(&prefix, None, usize::MAX).await?;
        Ok(blobs.into_iter().map(|mut blob| blob.key.split_off(prefix.len())).collect())
    }
}

impl Registry {
    pub(super) fn new(root_key: RootKey) -> Self {
        Self { root_key, open: RwLock::default(), changes: tokio::sync::Mutex::new(()) }
    }

    pub(super) async fn require(
        &self,
        blobs: &dyn Blobs,
        stack: &StackId,
        name: &str,
    ) -> Result<Arc<OpenBox>, StorageError> {
        if let Some(open) = self.cached(stack, name) {
            return Ok(open);
        }
        // What cannot have been declared need not be looked for.
        check_name(name).map_err(|_| StorageError::unknown_box(name))?;
        let _changes = self.changes.lock().await;
        self.load(blobs, stack, name).await?.ok_or_else(|| StorageError::unknown_box(name))
    }

    async fn declare(
        &self,
        blobs: &dyn Blobs,
        random: &Random,
        stack: &StackId,
        name: &str,
    ) -> Result<(), StorageError> {
        let _changes = self.changes.lock().await;
        if self.load(blobs, stack, name).await?.is_none() {
            clear(blobs, &objects_prefix(stack, name)).await?;
            let record = new_box(&self.root_key, random, stack, name);
            blobs.put(&record_key(stack, name), Bytes::from(record)).await?;
        }
        Ok(())
    }

    async fn remove(&self, blobs: &dyn Blobs, stack: &StackId, name: &str) -> Result<(), StorageError> {
        let _changes = self.changes.lock().await;
        blobs.delete(&record_key(stack, name)).await?;
        self.forget(stack, name);
        clear(blobs, &objects_prefix(stack, name)).await
    }

    fn cached(&self, stack: &StackId, name: &str) -> Option<Arc<OpenBox>> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.get(stack)?.get(name).cloned()
    }

    fn forget(&self, stack: &StackId, name: &str) {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_stack) = open.get_mut(stack) {
            of_stack.remove(name);
            if of_stack.is_empty() {
                open.remove(stack);
            }
        }
    }

    /// Opens a box that exists. The caller holds `changes`.
    async fn load(&self, blobs: &dyn Blobs, stack: &StackId, name: &str) -> Result<Option<Arc<OpenBox>>, StorageError> {
        if let Some(open) = self.cached(stack, name) {
            return Ok(Some(open));
        }
        let Some(blob) = blobs.open(&record_key(stack, name)).await? else { return Ok(None) };
        if blob.size_bytes() != BOX_RECORD_BYTES as u64 {
            return Err(StorageError::corrupt_box(name, FormatError::ImpossibleSize(blob.size_bytes())));
        }
        let record = blob.read(0, BOX_RECORD_BYTES).await?;
        let opened = open_box(&self.root_key, stack, name, &record);
        let (id, key) = opened.map_err(|reason| StorageError::corrupt_box(name, reason))?;
        let open = Arc::new(OpenBox { key, prefix: object_prefix(stack, name, &id) });
        let mut all = self.open.write().unwrap_or_else(PoisonError::into_inner);
        all.entry(*stack).or_default().insert(name.into(), Arc::clone(&open));
        Ok(Some(open))
    }
}

fn record_key(stack: &StackId, name: &str) -> String {
    format!("boxes/{}/{name}", hex(stack))
}

/// What the objects of all boxes of a stack begin with, also of removed ones.
pub(super) fn all_objects_prefix(stack: &StackId) -> String {
    format!("objects/{}/", hex(stack))
}

/// What the objects of all boxes of this name begin with, also of removed ones.
fn objects_prefix(stack: &StackId, name: &str) -> String {
    format!("{}{name}/", all_objects_prefix(stack))
}

fn object_prefix(stack: &StackId, name: &str, id: &BoxId) -> String {
    format!("{}{}/", objects_prefix(stack, name), hex(id))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn clear(blobs: &dyn Blobs, prefix: &str) -> Result<(), StorageError> {
    loop {
        let chunk = blobs.list(prefix, None, REMOVAL_CHUNK).await?;
        if chunk.is_empty() {
            return Ok(());
        }
        for blob in chunk {
            blobs.delete(&blob.key).await?;
        }
    }
}

fn check_name(name: &str) -> Result<(), StorageError> {
    let is_valid = (1..=NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if is_valid { Ok(()) } else { Err(StorageError::invalid_box_name(name)) }
}
