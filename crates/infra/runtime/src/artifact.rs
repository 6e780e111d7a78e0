//! What a program is made from.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

/// The BLAKE3 hash of an artifact's bytes; as text, 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    /// The hash of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// A hash that was computed before.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where an artifact's bytes can be had again, when its compiled form was evicted from memory and lost on disk.
pub trait ArtifactSource: Send + Sync {
    /// Reads the whole artifact. Blocking.
    ///
    /// # Errors
    /// When the bytes cannot be read.
    fn read(&self) -> io::Result<Bytes>;
}

impl ArtifactSource for Bytes {
    fn read(&self) -> io::Result<Bytes> {
        Ok(self.clone())
    }
}

impl ArtifactSource for PathBuf {
    fn read(&self) -> io::Result<Bytes> {
        std::fs::read(self).map(Bytes::from)
    }
}

/// A function's code: a hash that names it for ever, and where its bytes are.
#[derive(Clone)]
pub struct Artifact {
    /// The hash of the bytes; checked whenever they are read.
    pub hash: ContentHash,
    /// Where the bytes are.
    pub source: Arc<dyn ArtifactSource>,
}

impl Artifact {
    /// An artifact that stays in memory.
    #[must_use]
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { hash: ContentHash::of(&bytes), source: Arc::new(bytes) }
    }

    /// Reads the bytes and checks that they are still those that were named.
    ///
    /// # Errors
    /// When they cannot be read, or have changed ([`io::ErrorKind::InvalidData`]).
    pub fn read(&self) -> io::Result<Bytes> {
        let bytes = self.source.read()?;
        if ContentHash::of(&bytes) == self.hash {
            return Ok(bytes);
        }
        Err(io::Error::new(io::ErrorKind::InvalidData, "the artifact's bytes have changed since it was deployed"))
    }
}

impl fmt::Debug for Artifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Artifact").field("hash", &self.hash).finish_non_exhaustive()
    }
}
