//! Reading what a registry sends, within bounds.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};

use bytes::Bytes;
use reqwest::Response;
use tokio::sync::mpsc;

use super::{Registry, answer};
use crate::digest::Hasher;
use crate::manifest::Descriptor;
use crate::{ImageError, ImageRef};

/// Pieces between the network and the disk.
const PIECES_WAITING: usize = 16;

/// A body; `None` if it is larger than it may be.
pub(super) async fn bounded(
    image: &ImageRef,
    mut response: Response,
    bytes_max: u64,
) -> Result<Option<Vec<u8>>, ImageError> {
    let mut body = Vec::new();
    while let Some(piece) = answer::in_time(image, response.chunk()).await? {
        if (body.len() + piece.len()) as u64 > bytes_max {
            return Ok(None);
        }
        body.extend_from_slice(&piece);
    }
    Ok(Some(body))
}

/// A body that is small, or must not be used.
pub(super) async fn in_memory(
    registry: &Registry,
    what: &str,
    response: Response,
    bytes_max: u64,
) -> Result<Vec<u8>, ImageError> {
    let body = bounded(&registry.image, response, bytes_max).await?;
    body.ok_or_else(|| ImageError::TooLarge {
        image: registry.image.to_string(),
        what: format!("{what} is larger than {bytes_max} bytes"),
    })
}

/// Writes a body to a file from its start, and checks its size and digest. Hashing and writing have a thread of their
/// own.
pub(super) async fn to_file(
    registry: &Registry,
    blob: &Descriptor,
    mut response: Response,
    file: &File,
) -> Result<(), ImageError> {
    let action = || format!("a layer of `{}` cannot be written", registry.image);
    let mut file = file.try_clone().map_err(ImageError::io(action()))?;
    let (sender, mut pieces) = mpsc::channel::<Bytes>(PIECES_WAITING);
    let writing = tokio::task::spawn_blocking(move || {
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        let mut hasher = Hasher::default();
        while let Some(piece) = pieces.blocking_recv() {
            hasher.update(&piece);
            file.write_all(&piece)?;
        }
        Ok(hasher.finish())
    });
    // However that ends, writing has ended before anybody begins anew: it is the same file, and the same place in it.
    let received = receive(registry, blob, &mut response, sender).await;
    let written = writing.await.map_err(std::io::Error::other).and_then(|written| written);
    let digest = written.map_err(ImageError::io(action()))?;
    let received = received?;
    if received < blob.size {
        return Err(registry.misbehaves(&format!("it sent {received} of {} bytes of a layer", blob.size)));
    }
    if received > blob.size || digest != blob.digest {
        return Err(registry.wrong_content(&blob.digest));
    }
    Ok(())
}

/// Passes on what comes, up to the first piece too many, and answers how much came.
async fn receive(
    registry: &Registry,
    blob: &Descriptor,
    response: &mut Response,
    sender: mpsc::Sender<Bytes>,
) -> Result<u64, ImageError> {
    let mut received = 0;
    while let Some(piece) = answer::in_time(&registry.image, response.chunk()).await? {
        received += piece.len() as u64;
        // When nobody takes them any more, writing failed, and says why.
        if received > blob.size || sender.send(piece).await.is_err() {
            break;
        }
    }
    Ok(received)
}
