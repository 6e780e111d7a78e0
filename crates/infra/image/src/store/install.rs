//! From a manifest to an image that is here: what is missing of it is fetched, checked and kept.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::files::Temporary;
use super::pins::Pin;
use super::{Form, LAYERS_AT_ONCE, Shared, blocking};
use crate::archive::{Archive, Section, wrong_machine};
use crate::config::ConfigFile;
use crate::image::Held;
use crate::layer::{Budget, Stop, Taken, shown, unpack};
use crate::manifest::{Descriptor, Found, Manifest, is_layer, machine};
use crate::registry::Registry;
use crate::{Digest, ImageConfig, ImageError};

/// Where the content of an image comes from.
#[derive(Clone)]
pub(super) enum Source {
    Registry(Arc<Registry>),
    Archive(Arc<Archive>),
}

/// An image as it is to be.
struct Plan {
    name: String,
    digest: Digest,
    layers: Vec<Layer>,
    config: ImageConfig,
}

#[derive(Clone)]
struct Layer {
    /// What it is kept under.
    kept: Digest,
    packed: Descriptor,
    diff_id: Digest,
}

impl Shared {
    /// Makes an image of a manifest.
    pub(super) async fn install(
        self: &Arc<Self>,
        name: &str,
        manifest_text: Vec<u8>,
        source: Source,
    ) -> Result<Arc<Held>, ImageError> {
        let digest = Digest::of(&manifest_text);
        // Others may be at the same image, by another name or from an archive.
        let pin = self.pins.pin(&digest);
        let turn = pin.turn.clone().lock_owned().await;
        if let Some(held) = self.find(name, &digest).await? {
            return Ok(held);
        }
        let manifest = self.manifest(name, &manifest_text)?;
        let config_text = source.config(&manifest.config, self.limits.config_bytes_max).await?;
        let plan = self.plan(name, digest, &manifest, &config_text)?;
        let pins = self.pins_of(&plan);
        self.make_room(&plan).await?;
        let budget = Arc::new(Budget::new(self.limits.image_bytes_max, self.limits.files_max));
        let different: HashSet<_> = plan.layers.iter().map(|layer| layer.kept.clone()).collect();
        let missing = different.iter().filter_map(|kept| plan.layers.iter().find(|layer| layer.kept == *kept));
        let fetched = missing.map(|layer| self.layer(name, layer.clone(), &source, &budget));
        let fetched: Vec<_> = fetched.collect();
        let sizes: Vec<Taken> = stream::iter(fetched).buffer_unordered(LAYERS_AT_ONCE).try_collect().await?;
        let digest = plan.digest.clone();
        let shared = self.clone();
        blocking(move || {
            let _until_it_is_kept = turn;
            let kept = shared.files.keep_image(&digest, &manifest_text, &config_text);
            kept.map_err(ImageError::io("an image cannot be kept"))
        })
        .await?;
        Ok(self.hold(plan, pins, sizes.iter().map(|taken| taken.disk_bytes()).sum()))
    }

    /// An image that is here with all its layers.
    pub(super) async fn find(self: &Arc<Self>, name: &str, digest: &Digest) -> Result<Option<Arc<Held>>, ImageError> {
        let (shared, name, digest) = (self.clone(), name.to_owned(), digest.clone());
        blocking(move || {
            // What is looked for after it is pinned stays.
            let _pin = shared.pins.pin(&digest);
            let Some((manifest, config)) = shared.files.image(&digest) else { return Ok(None) };
            let plan = shared.plan(&name, digest, &shared.manifest(&name, &manifest)?, &config)?;
            let pins = shared.pins_of(&plan);
            let different: HashSet<_> = plan.layers.iter().map(|layer| &layer.kept).collect();
            let sizes: Option<Vec<_>> = different.into_iter().map(|kept| shared.files.layer(kept)).collect();
            Ok(sizes.map(|sizes| shared.hold(plan, pins, sizes.iter().map(|taken| taken.disk_bytes()).sum())))
        })
        .await
    }

    fn manifest(&self, name: &str, text: &[u8]) -> Result<Manifest, ImageError> {
        let image = || name.to_owned();
        let manifest = match Found::parse(text).map_err(|reason| ImageError::Corrupt { image: image(), reason })? {
            Found::Manifest(manifest) => manifest,
            Found::Index(_) => {
                let reason = "its index leads to another index".to_owned();
                return Err(ImageError::Corrupt { image: image(), reason });
            }
        };
        if manifest.layers.len() > self.limits.layers_max {
            let what = format!("it has {} layers, and may have {}", manifest.layers.len(), self.limits.layers_max);
            return Err(ImageError::TooLarge { image: image(), what });
        }
        for layer in &manifest.layers {
            if !is_layer(&layer.media_type) {
                let reason = format!("`{}` is no layer of files that can be read", shown(layer.media_type.as_bytes()));
                return Err(ImageError::Unsupported { image: image(), reason });
            }
            if layer.size > self.limits.layer_bytes_max {
                let what = format!("a layer of {} bytes is larger than {}", layer.size, self.limits.layer_bytes_max);
                return Err(ImageError::TooLarge { image: image(), what });
            }
        }
        Ok(manifest)
    }

    fn plan(&self, name: &str, digest: Digest, manifest: &Manifest, config: &[u8]) -> Result<Plan, ImageError> {
        let corrupt = |reason: String| ImageError::Corrupt { image: name.to_owned(), reason };
        if Digest::of(config) != manifest.config.digest {
            return Err(corrupt("its configuration is damaged".to_owned()));
        }
        let file: ConfigFile = serde_json::from_slice(config).map_err(|error| {
            corrupt(format!("its configuration cannot be read: {}", shown(error.to_string().as_bytes())))
        })?;
        let (os, architecture) = machine();
        let is_other = |found: &str, wanted| !found.is_empty() && found != wanted;
        if is_other(&file.os, os) || is_other(&file.architecture, architecture) {
            return Err(wrong_machine(name, shown(format!("{}/{}", file.os, file.architecture).as_bytes())));
        }
        let diff_ids = &file.rootfs.diff_ids;
        if diff_ids.len() != manifest.layers.len() {
            return Err(corrupt("its configuration does not fit its layers".to_owned()));
        }
        let layers = manifest.layers.iter().zip(diff_ids).map(|(packed, diff_id)| {
            // Only what was checked may be a name: as it came, a layer's digest unpacked is a claim.
            let kept = match self.files.form() {
                Form::Unpacked => diff_id.clone(),
                Form::Packed => packed.digest.clone(),
            };
            Layer { kept, packed: packed.clone(), diff_id: diff_id.clone() }
        });
        let layers = layers.collect();
        Ok(Plan { name: name.to_owned(), digest, layers, config: file.image_config() })
    }

    fn pins_of(&self, plan: &Plan) -> Vec<Pin> {
        let layers = plan.layers.iter().map(|layer| &layer.kept);
        [&plan.digest].into_iter().chain(layers).map(|digest| self.pins.pin(digest)).collect()
    }

    /// Sees to it that there is room for what is missing of an image, as far as that is known before it is unpacked.
    async fn make_room(self: &Arc<Self>, plan: &Plan) -> Result<(), ImageError> {
        let (shared, name) = (self.clone(), plan.name.clone());
        let wanted: HashMap<_, _> = plan.layers.iter().map(|layer| (layer.kept.clone(), layer.packed.size)).collect();
        blocking(move || {
            let failed = || ImageError::io("images cannot be counted");
            let here = shared.sizes().map_err(failed())?;
            let missing = wanted.iter().filter(|(layer, _)| !here.contains_key(layer));
            let missing: u64 = missing.map(|(_, bytes)| bytes).sum();
            let bytes_max = shared.limits.store_bytes_max;
            let is_enough = |used: u64| missing == 0 || used.saturating_add(missing) <= bytes_max;
            if is_enough(here.values().sum()) {
                return Ok(());
            }
            let used_bytes = shared.collect(bytes_max.saturating_sub(missing)).map_err(failed())?.left_bytes;
            if is_enough(used_bytes) { Ok(()) } else { Err(ImageError::NoRoom { image: name, used_bytes, bytes_max }) }
        })
        .await
    }

    /// Hands out an image; those who hold the same one share it.
    fn hold(self: &Arc<Self>, plan: Plan, pins: Vec<Pin>, size_bytes: u64) -> Arc<Held> {
        self.note_use(&plan.digest);
        let mut held = self.held();
        if let Some(held) = held.get(&plan.digest).and_then(std::sync::Weak::upgrade) {
            return held;
        }
        let layers = plan.layers.into_iter().map(|layer| layer.kept).collect();
        let made = Held::new(self.clone(), plan.name, plan.digest.clone(), plan.config, layers, pins, size_bytes);
        let made = Arc::new(made);
        held.insert(plan.digest, Arc::downgrade(&made));
        made
    }

    /// Gets a layer if it is not here, and takes it from what is left for the image.
    async fn layer(
        self: &Arc<Self>,
        name: &str,
        layer: Layer,
        source: &Source,
        budget: &Arc<Budget>,
    ) -> Result<Taken, ImageError> {
        let pin = self.pins.pin(&layer.kept);
        let turn = pin.turn.clone().lock_owned().await;
        if let Some(taken) = self.files.layer(&layer.kept) {
            budget.take(taken).map_err(|error| error.of(name, &layer.diff_id))?;
            return Ok(taken);
        }
        let failed = || ImageError::io(format!("a layer of `{name}` cannot be kept"));
        let temporary = self.files.temporary().map_err(failed())?;
        if let Source::Registry(registry) = source {
            registry.download(&layer.packed, &temporary.file().map_err(failed())?).await?;
        }
        let archive = match source {
            Source::Registry(_) => None,
            Source::Archive(archive) => Some(archive.clone()),
        };
        // Not before it is here: a registry that is slow keeps no other image from being unpacked.
        let room = self.room.clone().acquire_owned().await;
        let (shared, budget, name) = (self.clone(), budget.clone(), name.to_owned());
        let stop = Stop::default();
        let _waiting = stop.on_drop();
        blocking(move || {
            // The thread may go on for a moment when nobody waits any more.
            let _until_it_ends = (pin, turn, room);
            let taken = shared.make(&name, &layer, archive.as_deref(), &temporary, &budget, &stop)?;
            let kept = shared.files.keep_layer(&temporary, &layer.kept, taken);
            kept.map_err(ImageError::io(format!("a layer of `{name}` cannot be kept")))?;
            Ok(taken)
        })
        .await
    }

    /// Makes a layer in a place of its own, of an archive, or of what was downloaded there. Blocking.
    fn make(
        &self,
        name: &str,
        layer: &Layer,
        archive: Option<&Archive>,
        temporary: &Temporary,
        budget: &Budget,
        stop: &Stop,
    ) -> Result<Taken, ImageError> {
        let failed = || ImageError::io(format!("a layer of `{name}` cannot be kept"));
        let made = self.files.made_path(temporary);
        if self.files.form() == Form::Packed {
            let mut file = temporary.file().map_err(failed())?;
            if let Some(archive) = archive {
                let digest = content(name, archive, &layer.packed)?.copy(&mut file).map_err(failed())?;
                if digest != layer.packed.digest {
                    let reason = format!("layer {} is damaged", layer.packed.digest);
                    return Err(ImageError::Corrupt { image: name.to_owned(), reason });
                }
            }
            file.sync_all().map_err(failed())?;
            let taken = Taken { bytes: layer.packed.size, files: 1 };
            budget.take(taken).map_err(|error| error.of(name, &layer.diff_id))?;
            return Ok(taken);
        }
        std::fs::create_dir(&made).map_err(failed())?;
        let unpacked = match archive {
            Some(archive) => unpack(content(name, archive, &layer.packed)?, &made, &layer.diff_id, budget, stop),
            None => {
                let file = temporary.file().map_err(failed())?;
                let unpacked = unpack(file, &made, &layer.diff_id, budget, stop);
                temporary.remove_file().map_err(failed())?;
                unpacked
            }
        };
        unpacked.map_err(|error| error.of(name, &layer.diff_id))
    }
}

/// The content of a layer in an archive, if it has the size that the manifest says.
fn content(name: &str, archive: &Archive, layer: &Descriptor) -> Result<Section, ImageError> {
    let content = archive.content(&layer.digest)?;
    if content.size() == layer.size {
        return Ok(content);
    }
    let reason = format!("layer {} has {} bytes, not the {} of its manifest", layer.digest, content.size(), layer.size);
    Err(ImageError::Corrupt { image: name.to_owned(), reason })
}

impl Source {
    async fn config(&self, blob: &Descriptor, bytes_max: u64) -> Result<Vec<u8>, ImageError> {
        match self {
            Self::Registry(registry) => registry.small_blob(blob, bytes_max).await,
            Self::Archive(archive) => {
                let (archive, digest) = (archive.clone(), blob.digest.clone());
                blocking(move || archive.small(&digest, bytes_max)).await
            }
        }
    }
}
