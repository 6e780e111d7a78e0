//! What is removed, and when.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::PoisonError;
use std::time::Duration;

use mu_env::Timestamp;

use super::{Collected, Form, Shared};
use crate::Digest;
use crate::config::ConfigFile;
use crate::manifest::Found;

/// An image, as far as a collection is concerned.
#[derive(Debug)]
struct Candidate {
    image: Digest,
    layers: Vec<Digest>,
    last_use: Timestamp,
    is_held: bool,
}

impl Shared {
    /// Removes what nobody holds and is old, and so much of the rest that it takes no more than `bytes_max`.
    pub(super) fn collect(&self, bytes_max: u64) -> io::Result<Collected> {
        // Two at once would take the same away.
        let _alone = self.collecting.lock().unwrap_or_else(PoisonError::into_inner);
        self.pins.forget_unpinned();
        let images = self.files.list("images")?;
        let (candidates, broken) = self.candidates(images);
        let sizes = self.sizes()?;
        let chosen = choose(&candidates, &sizes, self.env.now(), self.limits.unused_for_max, bytes_max);
        let mut collected = Collected::default();
        for image in chosen.iter().chain(&broken) {
            if let Some(taken_out) = self.pins.unless_pinned(image, || self.files.take_out("images", image)) {
                drop(taken_out?);
                collected.images += 1;
            }
        }
        // Images that came meanwhile have pinned their layers.
        let (left, _) = self.candidates(self.files.list("images")?);
        let used: BTreeSet<_> = left.iter().flat_map(|candidate| &candidate.layers).collect();
        for (layer, bytes) in &sizes {
            let removal = || self.files.take_out("layers", layer);
            match (!used.contains(layer)).then(|| self.pins.unless_pinned(layer, removal)).flatten() {
                Some(taken_out) => {
                    // The disk may be busy with it for a while.
                    drop(taken_out?);
                    collected.bytes += bytes;
                }
                None => collected.left_bytes += bytes,
            }
        }
        for index in self.files.list("indexes")? {
            let leads_to = self.files.index(&index).and_then(|text| match Found::parse(&text) {
                Ok(Found::Index(index)) => index.for_machine().map(|manifest| manifest.digest.clone()),
                _ => None,
            });
            let is_used = leads_to.is_some_and(|image| {
                left.iter().any(|candidate| candidate.image == image) || self.pins.is_pinned(&image)
            });
            if !is_used {
                drop(self.files.take_out("indexes", &index)?);
            }
        }
        Ok(collected)
    }

    /// The images that are here, and those that cannot be read.
    fn candidates(&self, images: Vec<Digest>) -> (Vec<Candidate>, Vec<Digest>) {
        let (mut candidates, mut broken) = (Vec::new(), Vec::new());
        for image in images {
            match self.layers_of(&image) {
                Some(layers) => {
                    let is_held = self.pins.is_pinned(&image);
                    if is_held {
                        // A node that is killed does not say that it stopped using it.
                        self.note_use(&image);
                    }
                    let last_use = self.files.last_use(&image);
                    candidates.push(Candidate { image, layers, last_use, is_held });
                }
                None => broken.push(image),
            }
        }
        (candidates, broken)
    }

    fn layers_of(&self, image: &Digest) -> Option<Vec<Digest>> {
        let (manifest, config) = self.files.image(image)?;
        match self.files.form() {
            Form::Unpacked => Some(serde_json::from_slice::<ConfigFile>(&config).ok()?.rootfs.diff_ids),
            Form::Packed => match Found::parse(&manifest).ok()? {
                Found::Manifest(manifest) => Some(manifest.layers.into_iter().map(|layer| layer.digest).collect()),
                Found::Index(_) => None,
            },
        }
    }

    /// What layers that are here take.
    pub(super) fn sizes(&self) -> io::Result<BTreeMap<Digest, u64>> {
        let layers = self.files.list("layers")?.into_iter();
        Ok(layers.map(|layer| (layer.clone(), self.files.layer(&layer).unwrap_or_default().disk_bytes())).collect())
    }
}

/// The images to remove: none that is held; those that were not in use for long; then those that were not for longest, until
/// what the others take is within the limit.
fn choose(
    candidates: &[Candidate],
    sizes: &BTreeMap<Digest, u64>,
    now: Timestamp,
    unused_for_max: Duration,
    bytes_max: u64,
) -> Vec<Digest> {
    let mut by_use: Vec<_> = candidates.iter().collect();
    by_use.sort_by_key(|candidate| candidate.last_use);
    let taken_without = |removed: &[Digest]| -> u64 {
        let left = candidates.iter().filter(|candidate| !removed.contains(&candidate.image));
        let layers: BTreeSet<_> = left.flat_map(|candidate| &candidate.layers).collect();
        layers.into_iter().filter_map(|layer| sizes.get(layer)).sum()
    };
    let mut removed = Vec::new();
    for candidate in by_use.into_iter().filter(|candidate| !candidate.is_held) {
        let is_old = candidate.last_use.plus(unused_for_max) < now;
        if is_old || taken_without(&removed) > bytes_max {
            removed.push(candidate.image.clone());
        }
    }
    removed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_removed_is_old_or_too_much() {
        let digest = |name: &str| Digest::of(name.as_bytes());
        let image = |name: &str, layers: &[&str], seconds: u64, is_held: bool| Candidate {
            image: digest(name),
            layers: layers.iter().map(|layer| digest(layer)).collect(),
            last_use: Timestamp::from_micros(seconds * 1_000_000),
            is_held,
        };
        let sizes = BTreeMap::from([(digest("base"), 100), (digest("x"), 10), (digest("y"), 20), (digest("z"), 30)]);
        let images = || {
            vec![
                image("c", &["base", "z"], 300, false),
                image("a", &["base", "x"], 100, false),
                image("b", &["base", "y"], 200, false),
            ]
        };
        let held = || vec![image("a", &["base", "x"], 100, true), image("b", &["y"], 200, false)];
        for (name, candidates, age_max, bytes_max, expected) in [
            ("everything fits", images(), 1000, 160, &[][..]),
            ("one is old", images(), 850, 1000, &["a"]),
            ("two are old", images(), 750, 1000, &["a", "b"]),
            ("too much", images(), 1000, 159, &["a"]),
            ("far too much", images(), 1000, 149, &["a", "b"]),
            ("nothing may stay", images(), 1000, 0, &["a", "b", "c"]),
            ("what is held stays", held(), 0, 0, &["b"]),
        ] {
            let now = Timestamp::from_micros(1_000_000_000);
            let removed = choose(&candidates, &sizes, now, Duration::from_secs(age_max), bytes_max);
            let expected: Vec<_> = expected.iter().map(|name| digest(name)).collect();
            assert_eq!(removed, expected, "{name}");
        }
    }
}
