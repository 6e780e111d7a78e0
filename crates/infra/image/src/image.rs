//! An image that is here.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, Weak};

use tokio::sync::Mutex;

use crate::layer::shown;
use crate::mount::Mount;
use crate::store::{Form, Pin, Shared, blocking};
use crate::stream::{ArchiveStream, piped};
use crate::{Digest, ImageConfig, ImageError, ImageRef, RootFs};

/// An image that is here. It is not collected as long as this, or a clone of it, lives.
#[derive(Clone, Debug)]
pub struct Image {
    held: Arc<Held>,
    reference: Option<ImageRef>,
}

/// What all who hold the same image share.
pub(crate) struct Held {
    store: Arc<Shared>,
    /// For people: what it was called by who had it fetched.
    name: String,
    digest: Digest,
    config: ImageConfig,
    /// What the store keeps its layers under, from the bottom to the top.
    layers: Vec<Digest>,
    pins: Vec<Pin>,
    size_bytes: u64,
    mount: Mutex<Weak<Mount>>,
}

impl Image {
    pub(crate) fn new(held: Arc<Held>, reference: Option<ImageRef>) -> Self {
        Self { held, reference }
    }

    /// The digest of its manifest: of that for this machine, if there are several.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.held.digest
    }

    /// What it was pulled by, with the digest that the registry has it under; `None` if it came as an archive.
    #[must_use]
    pub fn reference(&self) -> Option<&ImageRef> {
        self.reference.as_ref()
    }

    /// What it takes on disk, layers that it shares with others included.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.held.size_bytes
    }

    /// How its containers are started.
    #[must_use]
    pub fn config(&self) -> &ImageConfig {
        &self.held.config
    }

    /// What its containers run: the entrypoint and the command.
    ///
    /// # Errors
    /// [`ImageError::NoCommand`] when the image says neither.
    pub fn command(&self) -> Result<Vec<String>, ImageError> {
        let command = self.held.config.command();
        if command.is_empty() { Err(ImageError::NoCommand { image: self.held.name.clone() }) } else { Ok(command) }
    }

    /// Refuses an image with volumes, which functions do not have.
    ///
    /// # Errors
    /// [`ImageError::Volumes`].
    pub fn check_volumes(&self) -> Result<(), ImageError> {
        let volumes = &self.held.config.volumes;
        if volumes.is_empty() {
            return Ok(());
        }
        Err(ImageError::Volumes { image: self.held.name.clone(), volumes: shown(volumes.join(" ").as_bytes()) })
    }

    /// Its root filesystem, mounted read-only; all containers of the image share the mount. Of stores of the form
    /// [`Form::Unpacked`].
    ///
    /// # Errors
    /// When it cannot be mounted; that takes root.
    pub async fn rootfs(&self) -> Result<RootFs, ImageError> {
        self.in_form(Form::Unpacked)?;
        let mut mount = self.held.mount.lock().await;
        if let Some(mount) = mount.upgrade() {
            return Ok(RootFs::new(mount));
        }
        let held = self.held.clone();
        let mounted = blocking(move || {
            let layers: Vec<_> = held.layers.iter().map(|layer| held.store.files().layer_path(layer)).collect();
            let mounted = Mount::new(&layers, held.store.files().mount_path(), held.pins.clone());
            let failed =
                ImageError::io(format!("the root filesystem of `{}` cannot be mounted, which takes root", held.name));
            Ok(RootFs::new(Arc::new(mounted.map_err(failed)?)))
        });
        let mounted = mounted.await?;
        *mount = Arc::downgrade(mounted.mount());
        Ok(mounted)
    }

    /// The image as a tar archive that `docker load` takes, under the name `name`. Of stores of the form [`Form::Packed`].
    ///
    /// # Errors
    /// When the store has another form.
    pub fn archive(&self, name: &str) -> Result<ArchiveStream, ImageError> {
        self.in_form(Form::Packed)?;
        let (held, name) = (self.held.clone(), name.to_owned());
        Ok(piped(move |into| held.write_archive(&name, into)))
    }

    fn in_form(&self, form: Form) -> Result<(), ImageError> {
        if self.held.store.files().form() == form {
            return Ok(());
        }
        let reason = "the store of this node keeps images in another form than its containers take".to_owned();
        Err(ImageError::Unsupported { image: self.held.name.clone(), reason })
    }
}

impl Held {
    pub(crate) fn new(
        store: Arc<Shared>,
        name: String,
        digest: Digest,
        config: ImageConfig,
        layers: Vec<Digest>,
        pins: Vec<Pin>,
        size_bytes: u64,
    ) -> Self {
        Self { store, name, digest, config, layers, pins, size_bytes, mount: Mutex::default() }
    }

    /// In the form of `docker save` that every daemon reads. Layers may be compressed there.
    fn write_archive(&self, name: &str, into: &mut dyn Write) -> io::Result<()> {
        let lost = || io::Error::other("the image was removed from its store");
        let (_, config) = self.store.files().image(&self.digest).ok_or_else(lost)?;
        let layer_name = |at: usize| format!("{at}/layer.tar");
        let list = serde_json::json!([{
            "Config": "config.json",
            "RepoTags": [name],
            "Layers": (0..self.layers.len()).map(layer_name).collect::<Vec<_>>(),
        }]);
        let mut tar = tar::Builder::new(into);
        append(&mut tar, "manifest.json", list.to_string().len() as u64, list.to_string().as_bytes())?;
        append(&mut tar, "config.json", config.len() as u64, &*config)?;
        for (at, layer) in self.layers.iter().enumerate() {
            let file = File::open(self.store.files().layer_path(layer))?;
            append(&mut tar, &layer_name(at), file.metadata()?.len(), file)?;
        }
        tar.finish()
    }
}

fn append(tar: &mut tar::Builder<&mut dyn Write>, name: &str, size: u64, content: impl io::Read) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o644);
    tar.append_data(&mut header, name, content)
}

impl Drop for Held {
    fn drop(&mut self) {
        self.store.note_use(&self.digest);
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("name", &self.name).field("digest", &self.digest).finish_non_exhaustive()
    }
}
