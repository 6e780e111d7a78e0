//! The blob port, its adapters, and encrypted boxes on top of it.
//!
//! [`Blobs`] stores named byte strings that appear and are replaced whole; [`MemBlobs`] and [`FsBlobs`] implement it.
//! [`UploadStore`] holds what has arrived of a file that comes in pieces; [`MemUploads`] and [`FsUploads`] implement it.
//! [`Boxes`] is mu Storage: the boxes of a stack, whose objects are encrypted before they reach a blob store, each with
//! a key of its own, which is wrapped by the key of its box, which is wrapped by the node's [`RootKey`]. The bytes of
//! an object at rest are described and decoded in [`mod@format`]. A [`Sealer`] encrypts small values that others store.

mod blobs;
mod boxes;
mod cipher;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod format;
mod root_key;
mod sealer;
mod uploads;

pub use blobs::{
    BLOB_KEY_BYTES_MAX, BLOB_KEY_PARTS_MAX, BLOB_PATH_BYTES_MAX, BlobError, BlobInfo, BlobReader, BlobWriter, Blobs,
    FsBlobs, MemBlobs,
};
pub use boxes::{Boxes, ETag, Limits, ObjectInfo, ObjectMeta, ObjectReader, StackId, StorageError, StorageOps};
pub use root_key::{RootKey, RootKeyError};
pub use sealer::{SEAL_BYTES, Sealer, Unsealable};
pub use uploads::{AppendError, FsUploads, InvalidUploadId, MemUploads, UploadId, UploadStore};
