//! The images of a node, in one directory.

mod attempts;
mod collect;
mod files;
mod install;
mod pins;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use mu_env::Env;
use tokio::sync::Semaphore;

use crate::archive::{Archive, wrong_machine};
use crate::image::Held;
use crate::manifest::Found;
use crate::registry::Registry;
use crate::{Digest, Image, ImageError, ImageLimits, ImageRef, Registries};
use attempts::Attempts;
use files::Files;
use install::Source;
pub(crate) use pins::Pin;
use pins::Pins;

/// Layers that are fetched at the same time for one image, and that are unpacked at the same time for all of them.
const LAYERS_AT_ONCE: usize = 4;

/// The images of a node, in one directory. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ImageStore {
    shared: Arc<Shared>,
}

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

#[derive(Debug)]
pub(crate) struct Shared {
    files: Files,
    limits: ImageLimits,
    registries: Registries,
    env: Env,
    pins: Pins,
    attempts: Attempts,
    /// Those that somebody holds.
    held: Mutex<HashMap<Digest, Weak<Held>>>,
    room: Arc<Semaphore>,
    collecting: Mutex<()>,
}

impl ImageStore {
    /// Opens the store of a directory, and clears away what a killed process left: mounts, and what is half-written.
    /// Blocking.
    ///
    /// # Errors
    /// When the directory cannot be used, or another process uses it.
    pub fn open(params: StoreParams) -> Result<Self, ImageError> {
        let shared = Shared {
            files: Files::open(&params.dir, params.form)?,
            limits: params.limits,
            registries: params.registries,
            env: params.env,
            pins: Pins::default(),
            attempts: Attempts::default(),
            held: Mutex::default(),
            room: Arc::new(Semaphore::new(LAYERS_AT_ONCE)),
            collecting: Mutex::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Gets an image from its registry, or what is missing of it. Those who want the same image at the same time wait for
    /// one attempt; it goes on, within its time limit, when they give up waiting. A digest that is here is not asked for.
    ///
    /// # Errors
    /// When it cannot be had, or must not be used.
    pub async fn pull(&self, reference: &ImageRef) -> Result<Image, ImageError> {
        let shared = self.shared.clone();
        let wanted = reference.clone();
        let attempt = || async move {
            let name = wanted.to_string();
            shared.in_time(&name, shared.in_room(|| shared.pull(&wanted))).await
        };
        self.shared.attempts.share(&self.shared.env, &reference.to_string(), attempt).await
    }

    /// Takes an image out of an archive.
    ///
    /// # Errors
    /// When the archive cannot be read, or its image must not be used.
    pub async fn load_archive(&self, archive: ImageArchive) -> Result<Image, ImageError> {
        let limits = self.shared.limits;
        let archive = blocking(move || Archive::open(archive, &limits)).await?;
        let (name, text) = (archive.name().to_owned(), archive.text.clone());
        let source = Source::Archive(Arc::new(archive));
        let install = || self.shared.install(&name, text.clone(), source.clone());
        let held = self.shared.in_time(&name, self.shared.in_room(install)).await?;
        Ok(Image::new(held, None))
    }

    /// Whether an image is here.
    #[must_use]
    pub fn has(&self, image: &Digest) -> bool {
        self.shared.files.has_image(image)
    }

    /// Removes images that nobody holds: those that were not in use for long, then those that were not for longest, until
    /// the rest is within the limit.
    ///
    /// # Errors
    /// When the directory cannot be read or written.
    pub async fn collect(&self) -> Result<Collected, ImageError> {
        self.shared.held().retain(|_, held| held.strong_count() > 0);
        self.shared.collect_to(self.shared.limits.store_bytes_max).await
    }
}

impl Shared {
    async fn in_time<T>(&self, name: &str, work: impl Future<Output = Result<T, ImageError>>) -> Result<T, ImageError> {
        let after = self.limits.pull_timeout;
        let timed_out = |_| Err(ImageError::TimedOut { image: name.to_owned(), after });
        tokio::time::timeout(after, work).await.unwrap_or_else(timed_out)
    }

    /// Does what takes room on the disk. Where that is full, it is done once more without the images that nobody holds.
    async fn in_room<T, W>(self: &Arc<Self>, work: impl Fn() -> W) -> Result<T, ImageError>
    where
        W: Future<Output = Result<T, ImageError>>,
    {
        match work().await {
            Err(error) if error.is_full() => {
                tracing::warn!(%error, "images that nobody holds are removed");
                self.collect_to(0).await?;
                work().await
            }
            other => other,
        }
    }

    async fn collect_to(self: &Arc<Self>, bytes_max: u64) -> Result<Collected, ImageError> {
        let shared = self.clone();
        blocking(move || shared.collect(bytes_max).map_err(ImageError::io("images cannot be collected"))).await
    }

    async fn pull(self: &Arc<Self>, reference: &ImageRef) -> Result<Image, ImageError> {
        let name = reference.to_string();
        if let Some(digest) = reference.digest()
            && let Some(held) = self.find_here(&name, digest).await?
        {
            return Ok(Image::new(held, Some(reference.clone())));
        }
        let registry = Registry::of(reference, &self.registries).await?;
        let text = registry.manifest(reference.wanted(), self.limits.manifest_bytes_max).await?;
        let exact = reference.with_digest(Digest::of(&text));
        let _pin;
        let manifest = match choose(&name, &text)? {
            None => text,
            Some(chosen) => {
                // A collection spares indexes that lead to what is pinned.
                _pin = self.pins.pin(&chosen);
                let shared = self.clone();
                let kept = move || shared.files.keep_index(&Digest::of(&text), &text);
                blocking(move || kept().map_err(ImageError::io("an index cannot be kept"))).await?;
                registry.manifest(chosen.as_str(), self.limits.manifest_bytes_max).await?
            }
        };
        let held = self.install(&name, manifest, Source::Registry(Arc::new(registry))).await?;
        Ok(Image::new(held, Some(exact)))
    }

    /// The image of a manifest or an index that is here, without asking anybody.
    async fn find_here(self: &Arc<Self>, name: &str, digest: &Digest) -> Result<Option<Arc<Held>>, ImageError> {
        let (shared, wanted) = (self.clone(), digest.clone());
        let chosen = match blocking(move || Ok(shared.files.index(&wanted))).await? {
            Some(text) => choose(name, &text)?,
            None => None,
        };
        self.find(name, chosen.as_ref().unwrap_or(digest)).await
    }

    pub(crate) fn files(&self) -> &Files {
        &self.files
    }

    pub(crate) fn note_use(&self, image: &Digest) {
        self.files.note_use(image, self.env.now());
    }

    fn held(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Weak<Held>>> {
        // Every change is one call, so a panic elsewhere leaves the map whole.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What to take of an index; `None` if it is none.
fn choose(name: &str, text: &[u8]) -> Result<Option<Digest>, ImageError> {
    let corrupt = |reason| ImageError::Corrupt { image: name.to_owned(), reason };
    match Found::parse(text).map_err(corrupt)? {
        Found::Manifest(_) => Ok(None),
        Found::Index(index) => match index.for_machine() {
            Some(manifest) => Ok(Some(manifest.digest.clone())),
            None => Err(wrong_machine(name, index.offered())),
        },
    }
}

/// Runs work on the disk or the processor on a thread of its own.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ImageError> + Send + 'static,
) -> Result<T, ImageError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(ImageError::io("work on images ended early")(std::io::Error::other(error))),
    }
}
