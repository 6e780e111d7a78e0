//! The port for uploads: files of others that arrive in pieces, and may be continued after an interruption.

mod fs;
mod mem;

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use bytes::Bytes;
use mu_env::Random;

pub use self::fs::FsUploads;
pub use self::mem::MemUploads;
use crate::BlobError;

/// Names an upload: 16 bytes, as text 32 lower-case hexadecimal digits. An id is never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId([u8; 16]);

/// Holds what has arrived of uploads.
///
/// Every adapter gives the same guarantees, which the `conformance` suite checks:
///
/// - An upload is there from its first byte on, and has the bytes that were appended, in order and without holes.
/// - What was appended is as durable as the adapter can make it once [`UploadStore::flush`] has answered. What was not
///   flushed may be lost or, when the machine loses power, damaged: whoever uses an upload checks a hash of the whole.
/// - Of two appends at the same offset at the same time, one wins.
#[async_trait]
pub trait UploadStore: Send + Sync + fmt::Debug {
    /// How many bytes have arrived; none for an upload that is not there.
    async fn length(&self, id: UploadId) -> Result<u64, BlobError>;

    /// Appends bytes to an upload that has `offset` bytes, and answers how many it has now. When the future is dropped
    /// or an error is answered, some of the bytes may be there, always the first ones.
    async fn append(&self, id: UploadId, offset: u64, bytes: Bytes) -> Result<u64, AppendError>;

    /// Makes durable what has arrived.
    async fn flush(&self, id: UploadId) -> Result<(), BlobError>;

    /// At most `length` bytes from `offset` on: fewer only at the end, and none behind it.
    async fn read(&self, id: UploadId, offset: u64, length: usize) -> Result<Bytes, BlobError>;

    /// Removes an upload. Removing one that is not there is not an error.
    async fn discard(&self, id: UploadId) -> Result<(), BlobError>;

    /// The uploads that are there, in no particular order.
    async fn list(&self) -> Result<Vec<UploadId>, BlobError>;
}

/// Bytes were not appended to an upload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The upload has more or fewer bytes than the caller believed.
    #[error("the upload has {length} bytes: continue there")]
    Offset {
        /// How many bytes it has.
        length: u64,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] BlobError),
}

impl UploadId {
    /// A new id.
    #[must_use]
    pub fn new(random: &Random) -> Self {
        let mut bytes = [0; 16];
        random.fill_secret(&mut bytes);
        Self(bytes)
    }

    /// The id made of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// The text is not the id of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the id of an upload is 32 lower-case hexadecimal digits")]
pub struct InvalidUploadId;

impl FromStr for UploadId {
    type Err = InvalidUploadId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_digits = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let number = is_digits.then(|| u128::from_str_radix(text, 16).ok()).flatten().ok_or(InvalidUploadId)?;
        Ok(Self(number.to_be_bytes()))
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_text() {
        let id = UploadId::from_bytes([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255]);
        assert_eq!(id.to_string(), "000102030405060708090a0b0c0d0eff");
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "00", "../../../../../../../../../../..", &id.to_string().to_uppercase()] {
            assert_eq!(bad.parse::<UploadId>(), Err(InvalidUploadId), "{bad}");
        }
    }
}
