//! Images in archives: OCI layouts in a tar archive, and what `docker save` writes.
//!
//! An archive is read where it is: first the places of its entries are noted, then content is read from there. Whatever is
//! taken out of it is checked against a digest, so that it does not matter who wrote it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;

use crate::config::ConfigFile;
use crate::digest::Hashing;
use crate::layer::{Entries, GZIP, Kind, LayerError, shown};
use crate::manifest::{Descriptor, Found, Manifest, OCI_MANIFEST, machine};
use crate::store::ImageArchive;
use crate::{Digest, ImageError, ImageLimits};

const ENTRIES_MAX: usize = 10_000;
/// An index around an index is what some tools write.
const DEPTH_MAX: usize = 3;
const LINKS_MAX: usize = 8;

/// An archive with one image.
pub(crate) struct Archive {
    contents: Contents,
    /// The manifest, as it is written.
    pub(crate) text: Vec<u8>,
    pub(crate) manifest: Manifest,
}

struct Contents {
    /// For people.
    name: String,
    bytes: Source,
    places: HashMap<String, Place>,
    /// Where content is that does not have its digest for a name.
    named: HashMap<Digest, String>,
}

#[derive(Clone)]
enum Source {
    File(Arc<File>),
    Bytes(Bytes),
}

enum Place {
    At { offset: u64, size: u64 },
    Link(String),
}

impl Archive {
    /// Notes what an archive has, and finds its image: the one for this machine, if there are several. Blocking.
    pub(crate) fn open(archive: ImageArchive, limits: &ImageLimits) -> Result<Self, ImageError> {
        let (name, bytes) = match archive {
            ImageArchive::Path(path) => {
                let name =
                    path.file_name().map_or_else(|| path.display().to_string(), |name| name.display().to_string());
                (name, Source::File(Arc::new(open(&path)?)))
            }
            ImageArchive::Bytes(bytes) => ("the archive".to_owned(), Source::Bytes(bytes)),
        };
        let places = note_places(&bytes).map_err(|error| match error {
            LayerError::Io { source, .. } => ImageError::io(format!("`{name}` cannot be read"))(source),
            error => ImageError::Corrupt { image: name.clone(), reason: error.to_string() },
        })?;
        let mut contents = Contents { name, bytes, places, named: HashMap::new() };
        let (text, manifest) = contents.find_image(limits)?;
        Ok(Self { contents, text, manifest })
    }

    /// For people.
    pub(crate) fn name(&self) -> &str {
        &self.contents.name
    }

    /// Content to be read, unchecked.
    pub(crate) fn content(&self, digest: &Digest) -> Result<Section, ImageError> {
        self.contents.content(digest)
    }

    /// Content that is small, checked.
    pub(crate) fn small(&self, digest: &Digest, bytes_max: u64) -> Result<Vec<u8>, ImageError> {
        self.contents.small(digest, bytes_max)
    }
}

impl Contents {
    fn content(&self, digest: &Digest) -> Result<Section, ImageError> {
        let named = format!("blobs/sha256/{}", digest.hex());
        let name = self.named.get(digest).unwrap_or(&named);
        self.entry(name).ok_or_else(|| self.corrupt(format!("it lacks {digest}")))
    }

    fn small(&self, digest: &Digest, bytes_max: u64) -> Result<Vec<u8>, ImageError> {
        let content = self.in_memory(self.content(digest)?, bytes_max)?;
        if Digest::of(&content) == *digest { Ok(content) } else { Err(self.corrupt(format!("{digest} is damaged"))) }
    }

    fn find_image(&mut self, limits: &ImageLimits) -> Result<(Vec<u8>, Manifest), ImageError> {
        if let Some(index) = self.entry("index.json") {
            let text = self.in_memory(index, limits.manifest_bytes_max)?;
            return self.find_in_layout(text, limits);
        }
        if let Some(list) = self.entry("manifest.json") {
            let text = self.in_memory(list, limits.manifest_bytes_max)?;
            return self.find_in_saved(&text, limits);
        }
        Err(self.corrupt("it is neither an OCI archive nor one by `docker save`".to_owned()))
    }

    fn find_in_layout(&self, mut text: Vec<u8>, limits: &ImageLimits) -> Result<(Vec<u8>, Manifest), ImageError> {
        for _ in 0..=DEPTH_MAX {
            match Found::parse(&text).map_err(|reason| self.corrupt(reason))? {
                Found::Manifest(manifest) => return Ok((text, manifest)),
                Found::Index(index) => {
                    let Some(manifest) = index.for_machine() else {
                        return Err(wrong_machine(&self.name, index.offered()));
                    };
                    text = self.small(&manifest.digest, limits.manifest_bytes_max)?;
                }
            }
        }
        Err(self.corrupt("its indexes lead to indexes".to_owned()))
    }

    /// What `docker save` wrote before it wrote OCI layouts: there is no manifest as registries have it, so one is made.
    fn find_in_saved(&mut self, text: &[u8], limits: &ImageLimits) -> Result<(Vec<u8>, Manifest), ImageError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Saved {
            config: String,
            layers: Vec<String>,
        }
        let unreadable = |error: serde_json::Error| {
            self.corrupt(format!("its manifest cannot be read: {}", shown(error.to_string().as_bytes())))
        };
        let lacks = |name: &str| self.corrupt(format!("it lacks {}", shown(name.as_bytes())));
        let saved: Vec<Saved> = serde_json::from_slice(text).map_err(unreadable)?;
        let [saved] = &*saved else {
            return Err(self.corrupt(format!("it has {} images, and has to have one", saved.len())));
        };
        let config = self.entry(&saved.config).ok_or_else(|| lacks(&saved.config))?;
        let config = self.in_memory(config, limits.config_bytes_max)?;
        let file: ConfigFile = serde_json::from_slice(&config).map_err(unreadable)?;
        let diff_ids = file.rootfs.diff_ids;
        if diff_ids.len() != saved.layers.len() {
            return Err(self.corrupt("its configuration does not fit its layers".to_owned()));
        }
        let mut layers = Vec::new();
        let mut named = HashMap::from([(Digest::of(&config), saved.config.clone())]);
        for (diff_id, path) in diff_ids.iter().zip(&saved.layers) {
            let layer = self.entry(path).ok_or_else(|| lacks(path))?;
            layers.push(Descriptor::new("application/vnd.oci.image.layer.v1.tar", diff_id.clone(), layer.size()));
            named.insert(diff_id.clone(), path.clone());
        }
        let config_type = "application/vnd.oci.image.config.v1+json";
        let config = Descriptor::new(config_type, Digest::of(&config), config.len() as u64);
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": &config, "layers": &layers,
        });
        self.named = named;
        Ok((manifest.to_string().into_bytes(), Manifest { config, layers }))
    }

    fn entry(&self, name: &str) -> Option<Section> {
        let mut name = normal("", name)?;
        for _ in 0..LINKS_MAX {
            match self.places.get(&name)? {
                Place::At { offset, size } => {
                    return Some(Section { bytes: self.bytes.clone(), at: *offset, end: offset.checked_add(*size)? });
                }
                Place::Link(target) => name.clone_from(target),
            }
        }
        None
    }

    fn in_memory(&self, section: Section, bytes_max: u64) -> Result<Vec<u8>, ImageError> {
        if section.size() > bytes_max {
            let what = format!("its manifest or configuration is larger than {bytes_max} bytes");
            return Err(ImageError::TooLarge { image: self.name.clone(), what });
        }
        let (mut section, mut content) = (section, Vec::new());
        section.read_to_end(&mut content).map_err(ImageError::io(format!("`{}` cannot be read", self.name)))?;
        Ok(content)
    }

    fn corrupt(&self, reason: String) -> ImageError {
        ImageError::Corrupt { image: self.name.clone(), reason }
    }
}

/// An image that is not for this machine.
pub(crate) fn wrong_machine(image: &str, offered: String) -> ImageError {
    let (os, architecture) = machine();
    ImageError::Architecture { image: image.to_owned(), wanted: format!("{os}/{architecture}"), offered }
}

fn open(path: &Path) -> Result<File, ImageError> {
    File::open(path).map_err(ImageError::io(format!("`{}` cannot be read", path.display())))
}

fn note_places(bytes: &Source) -> Result<HashMap<String, Place>, LayerError> {
    let whole = Section { bytes: bytes.clone(), at: 0, end: u64::MAX };
    let mut start = Vec::new();
    Section { end: GZIP.len() as u64, ..whole.clone() }.read_to_end(&mut start)?;
    if start == GZIP {
        return Err(LayerError::Corrupt("it is compressed by gzip: decompress it first".to_owned()));
    }
    let mut entries = Entries::new(whole);
    let mut places = HashMap::new();
    while let Some(entry) = entries.next()? {
        let size = entry.stored;
        let offset = entries.leap(|section, over| {
            let offset = section.at;
            section.at = offset.saturating_add(over);
            offset
        });
        let name = String::from_utf8_lossy(&entry.name).into_owned();
        let place = match entry.kind {
            Kind::File if entry.sparse.is_none() => Some(Place::At { offset, size }),
            Kind::Symlink => normal(&name, &String::from_utf8_lossy(&entry.link)).map(Place::Link),
            _ => None,
        };
        if let (Some(name), Some(place)) = (normal("", &name), place) {
            places.insert(name, place);
        }
        if places.len() > ENTRIES_MAX {
            return Err(LayerError::TooLarge(format!("it has more than {ENTRIES_MAX} entries")));
        }
    }
    Ok(places)
}

/// A name without detours, as seen from beside another one; `None` if it leads out.
fn normal(beside: &str, name: &str) -> Option<String> {
    let mut parts: Vec<_> = beside.split('/').collect();
    parts.pop();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// A part of an archive, read on its own.
#[derive(Clone)]
pub(crate) struct Section {
    bytes: Source,
    at: u64,
    end: u64,
}

impl Section {
    pub(crate) fn size(&self) -> u64 {
        self.end - self.at
    }

    /// Copies it to its end, and answers its digest.
    pub(crate) fn copy(self, into: &mut (impl io::Write + ?Sized)) -> io::Result<Digest> {
        let mut content = Hashing::new(self);
        io::copy(&mut content, into)?;
        content.finish()
    }
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.end - self.at).unwrap_or(usize::MAX));
        let count = match &self.bytes {
            Source::File(file) => file.read_at(&mut buffer[..wanted], self.at)?,
            Source::Bytes(bytes) => {
                let rest = usize::try_from(self.at).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
                let count = wanted.min(rest.len());
                buffer[..count].copy_from_slice(&rest[..count]);
                count
            }
        };
        self.at += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ImageSource, Tar};

    fn open(archive: Vec<u8>) -> Result<Archive, ImageError> {
        Archive::open(ImageArchive::Bytes(archive.into()), &ImageLimits::default())
    }

    fn image() -> ImageSource {
        ImageSource::new(&[Tar::default().file("a", b"1").finish(), Tar::default().file("b", b"2").finish()])
    }

    #[test]
    fn an_oci_archive_is_read() {
        let image = image();
        let archive = open(image.archive()).unwrap();
        assert_eq!(archive.text, image.manifest);
        let mut layer = Vec::new();
        archive.content(&archive.manifest.layers[1].digest).unwrap().read_to_end(&mut layer).unwrap();
        assert_eq!(layer, image.layers[1]);
        assert_eq!(archive.small(&archive.manifest.config.digest, 1 << 20).unwrap(), image.config);
        assert!(matches!(archive.small(&archive.manifest.config.digest, 3), Err(ImageError::TooLarge { .. })));
    }

    #[test]
    fn what_docker_saved_before_is_read() {
        let layers = [Tar::default().file("a", b"1").finish(), Tar::default().file("b", b"2").finish()];
        let config = ImageSource::new(&layers).config;
        let list = br#"[{"Config": "c.json", "RepoTags": ["a:1"], "Layers": ["1/layer.tar", "2/layer.tar"]}]"#;
        let saved = Tar::default()
            .file("1/layer.tar", &layers[0])
            .symlink("2/layer.tar", "../3/layer.tar")
            .file("./3/layer.tar", &layers[1])
            .file("c.json", &config)
            .file("manifest.json", list);
        let archive = open(saved.finish()).unwrap();
        let Ok(Found::Manifest(manifest)) = Found::parse(&archive.text) else { panic!("a manifest was made") };
        assert_eq!(archive.small(&manifest.config.digest, 1 << 20).unwrap(), config);
        for (descriptor, layer) in manifest.layers.iter().zip(&layers) {
            assert_eq!((descriptor.size, &descriptor.digest), (layer.len() as u64, &Digest::of(layer)));
            assert_eq!(archive.small(&descriptor.digest, 1 << 20).unwrap(), *layer);
        }
    }

    #[test]
    fn what_is_no_archive_of_an_image_is_refused() {
        let image = image();
        let (manifest, digest) = (&image.manifest, image.digest());
        let blob = |digest: &Digest| format!("blobs/sha256/{}", digest.hex());
        let index = |manifests: serde_json::Value| {
            serde_json::json!({"schemaVersion": 2, "manifests": manifests}).to_string().into_bytes()
        };
        let only = |digest: &Digest| index(serde_json::json!([{"digest": digest, "size": 1}]));
        let other = |name: &str| serde_json::json!({"digest": digest, "size": 1, "platform": {"os": "linux", "architecture": name}});
        let endless = only(&digest);
        for (name, archive, says) in [
            ("empty", Tar::default().finish(), "neither an OCI archive nor one by `docker save`"),
            ("text", b"FROM scratch\n".repeat(100), "not a tar archive"),
            ("gzip", crate::testing::gzip(&image.archive()), "decompress it first"),
            ("cut", image.archive()[..700].to_vec(), "neither"),
            ("no manifest", Tar::default().file("index.json", &only(&digest)).finish(), "it lacks sha256:"),
            (
                "another manifest",
                Tar::default().file("index.json", &only(&digest)).file(&blob(&digest), b"{}").finish(),
                "is damaged",
            ),
            (
                "other machines",
                Tar::default()
                    .file("index.json", &index(serde_json::json!([other("pdp11"), other("vax")])))
                    .file(&blob(&digest), manifest)
                    .finish(),
                "is for linux/pdp11, linux/vax, and this machine is linux/",
            ),
            (
                "indexes",
                {
                    let deep = (0..5).fold((Tar::default(), endless), |(tar, inner), _| {
                        (tar.file(&blob(&Digest::of(&inner)), &inner), only(&Digest::of(&inner)))
                    });
                    deep.0.file("index.json", &deep.1).finish()
                },
                "its indexes lead to indexes",
            ),
            ("two images", Tar::default().file("manifest.json", br#"[]"#).finish(), "it has 0 images"),
            ("a circle", Tar::default().symlink("index.json", "./index.json").finish(), "neither"),
            ("a link out", Tar::default().symlink("index.json", "../../index.json").finish(), "neither"),
        ] {
            let error = open(archive).map(|_| ()).expect_err(name).to_string();
            assert!(error.contains(says), "{name}: {error}");
        }
    }
}
