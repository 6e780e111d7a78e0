//! An image that is here.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;

use crate::{Digest, ImageConfig, ImageError, ImageRef};

/// An image that is here. It is not collected as long as this, or a clone of it, lives.
#[derive(Clone, Debug)]
pub struct Image {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    digest: Digest,
    reference: Option<ImageRef>,
    size_bytes: u64,
    config: ImageConfig,
}

impl Image {
    /// The digest of its manifest: of that for this machine, if there are several.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.inner.digest
    }

    /// What it was pulled by, with the digest that the registry has it under; `None` if it came as an archive.
    #[must_use]
    pub fn reference(&self) -> Option<&ImageRef> {
        self.inner.reference.as_ref()
    }

    /// What it takes on disk, layers that it shares with others included.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.inner.size_bytes
    }

    /// How its containers are started.
    #[must_use]
    pub fn config(&self) -> &ImageConfig {
        &self.inner.config
    }

    /// What its containers run: the entrypoint and the command.
    ///
    /// # Errors
    /// [`ImageError::NoCommand`] when the image says neither.
    pub fn command(&self) -> Result<Vec<String>, ImageError> {
        Err(ImageError::NoCommand { image: self.inner.digest.to_string() })
    }

    /// Refuses an image with volumes, which functions do not have.
    ///
    /// # Errors
    /// [`ImageError::Volumes`].
    pub fn check_volumes(&self) -> Result<(), ImageError> {
        Ok(())
    }

    /// Its root filesystem, mounted read-only; all containers of the image share the mount. Of stores of the form
    /// [`Form::Unpacked`](crate::Form::Unpacked).
    ///
    /// # Errors
    /// When it cannot be mounted; that takes root.
    pub async fn rootfs(&self) -> Result<RootFs, ImageError> {
        Err(ImageError::NoCommand { image: self.inner.digest.to_string() })
    }

    /// The image as a tar archive that `docker load` takes, under the name [`Image::daemon_name`]. Of stores of the form
    /// [`Form::Packed`](crate::Form::Packed).
    ///
    /// # Errors
    /// When the store has another form.
    pub fn archive(&self) -> Result<ArchiveStream, ImageError> {
        Err(ImageError::NoCommand { image: self.inner.digest.to_string() })
    }

    /// What a daemon that was given [`Image::archive`] knows the image by.
    #[must_use]
    pub fn daemon_name(&self) -> String {
        format!("mu/image:{}", self.inner.digest.hex())
    }
}

/// A mounted root filesystem; unmounted when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct RootFs(Arc<std::path::PathBuf>);

impl RootFs {
    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

/// A tar archive, in pieces.
#[derive(Debug)]
pub struct ArchiveStream(tokio::sync::mpsc::Receiver<io::Result<Bytes>>);

impl Stream for ArchiveStream {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}
