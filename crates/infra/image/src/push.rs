//! For the command line: from an archive to a registry, and from a tag to a digest.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::StreamExt;

use crate::archive::Archive;
use crate::manifest::{Descriptor, media_type};
use crate::registry::Registry;
use crate::store::{ImageArchive, blocking};
use crate::stream::piped;
use crate::{Digest, ImageError, ImageLimits, ImageRef, Registries};

/// How far a push is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PushProgress {
    /// Sent so far, in bytes.
    pub sent_bytes: u64,
    /// What the registry lacked when the push began, in bytes.
    pub total_bytes: u64,
}

/// The same image by its digest: what its tag leads to now.
///
/// # Errors
/// When the registry does not say.
pub async fn resolve(reference: &ImageRef, registries: &Registries) -> Result<ImageRef, ImageError> {
    let registry = Registry::of(reference, registries).await?;
    let manifest = registry.manifest(reference.wanted(), ImageLimits::default().manifest_bytes_max).await?;
    Ok(reference.with_digest(Digest::of(&manifest)))
}

/// Sends the image of an OCI archive, or of one by `docker save`, to a registry: only the layers that it lacks. Answers the
/// reference with the digest that it has there now.
///
/// # Errors
/// When the archive cannot be read, or the registry does not take it.
pub async fn push(
    archive: &Path,
    reference: &ImageRef,
    registries: &Registries,
    progress: impl Fn(PushProgress) + Send + Sync + 'static,
) -> Result<ImageRef, ImageError> {
    let path = ImageArchive::Path(archive.to_owned());
    let archive = Arc::new(blocking(move || Archive::open(path, &ImageLimits::default())).await?);
    let registry = Registry::of(reference, registries).await?;
    let lacking = lacking(&archive, &registry).await?;
    let total_bytes = lacking.iter().map(|blob| blob.size).sum();
    let sent_bytes = Arc::new(AtomicU64::new(0));
    let progress = Arc::new(progress);
    progress(PushProgress { sent_bytes: 0, total_bytes });
    for blob in lacking {
        let (content, expected) = (archive.content(&blob.digest)?, blob.digest.clone());
        let pieces = piped(move |into| match content.copy(into)? {
            found if found == expected => Ok(()),
            _ => Err(io::Error::other(format!("{expected} is damaged in the archive"))),
        });
        let (progress, sent_bytes) = (progress.clone(), sent_bytes.clone());
        let counted = pieces.inspect(move |piece| {
            let count = piece.as_ref().map_or(0, bytes::Bytes::len) as u64;
            let sent_bytes = sent_bytes.fetch_add(count, Ordering::Relaxed) + count;
            progress(PushProgress { sent_bytes, total_bytes });
        });
        registry.upload(&blob, counted).await?;
    }
    let digest = Digest::of(&archive.text);
    let wanted = reference.tag().map_or_else(|| digest.to_string(), str::to_owned);
    registry.put_manifest(&wanted, &media_type(&archive.text), &archive.text).await?;
    Ok(reference.with_digest(digest))
}

/// What the registry does not have yet, each once.
async fn lacking(archive: &Archive, registry: &Registry) -> Result<Vec<Descriptor>, ImageError> {
    let mut lacking: Vec<Descriptor> = Vec::new();
    for blob in archive.manifest.layers.iter().chain([&archive.manifest.config]) {
        let is_known = lacking.iter().any(|known| known.digest == blob.digest);
        if !is_known && !registry.has(blob).await? {
            lacking.push(blob.clone());
        }
    }
    Ok(lacking)
}
