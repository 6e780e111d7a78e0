//! Manifests, and indexes of manifests.

use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::layer::shown;

pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// What registries are asked for.
pub(crate) const ACCEPTED: [&str; 4] = [OCI_INDEX, OCI_MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST];

/// What a manifest says of content.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    #[serde(default)]
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    #[serde(default, skip_serializing)]
    platform: Option<Platform>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Platform {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    #[serde(default)]
    variant: String,
}

/// The manifest of one image.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
}

/// What is found under a reference.
#[derive(Debug)]
pub(crate) enum Found {
    Manifest(Manifest),
    Index(Index),
}

/// The same image for several machines.
#[derive(Debug)]
pub(crate) struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: u64,
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Option<Vec<Descriptor>>,
}

impl Descriptor {
    pub(crate) fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self { media_type: media_type.to_owned(), digest, size, platform: None }
    }
}

impl Found {
    /// Reads either; the reason is for people.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, String> {
        let document: Document = serde_json::from_slice(text)
            .map_err(|error| format!("its manifest cannot be read: {}", shown(error.to_string().as_bytes())))?;
        match (document.schema_version, document.manifests, document.config, document.layers) {
            (1, ..) => {
                Err("its manifest is of version 1, which registries do not make any more: push it again".to_owned())
            }
            (2, Some(manifests), None, None) => Ok(Self::Index(Index { manifests })),
            (2, None, Some(config), Some(layers)) => Ok(Self::Manifest(Manifest { config, layers })),
            // Two readers must not see two images.
            _ => Err("its manifest is neither that of an image nor an index".to_owned()),
        }
    }
}

impl Index {
    /// The manifest for this machine, or the only one: tools write an index of one around an image, and leave out for
    /// which machine it is. The image itself says that as well.
    pub(crate) fn for_machine(&self) -> Option<&Descriptor> {
        self.for_platform(machine()).or(match &*self.manifests {
            [only] => Some(only),
            _ => None,
        })
    }

    /// What there is, for people.
    pub(crate) fn offered(&self) -> String {
        const SHOWN_MAX: usize = 10;
        let platforms = self.manifests.iter().filter_map(|manifest| manifest.platform.as_ref());
        let offered: Vec<_> = platforms
            .filter(|platform| platform.os != "unknown")
            .map(|platform| shown(format!("{}/{}", platform.os, platform.architecture).as_bytes()))
            .take(SHOWN_MAX)
            .collect();
        if offered.is_empty() { "no machine".to_owned() } else { offered.join(", ") }
    }

    fn for_platform(&self, (os, architecture): (&str, &str)) -> Option<&Descriptor> {
        let fits = |descriptor: &&Descriptor| {
            descriptor.platform.as_ref().is_some_and(|found| found.os == os && found.architecture == architecture)
        };
        // The plain variant runs on every processor of its kind.
        let is_plain = |descriptor: &&Descriptor| {
            descriptor.platform.as_ref().is_some_and(|found| matches!(&*found.variant, "" | "v1" | "v8"))
        };
        self.manifests.iter().filter(fits).find(is_plain).or_else(|| self.manifests.iter().find(fits))
    }
}

/// This machine, as images name it: the system and the architecture.
pub(crate) fn machine() -> (&'static str, &'static str) {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        "loongarch64" => "loong64",
        other => other,
    };
    ("linux", architecture)
}

/// What a manifest calls itself; those of OCI need not.
pub(crate) fn media_type(text: &[u8]) -> String {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Typed {
        media_type: String,
    }
    serde_json::from_slice::<Typed>(text).map_or_else(|_| OCI_MANIFEST.to_owned(), |typed| typed.media_type)
}

/// Whether a layer of this type can be read. Whether it is compressed, and how, its content tells.
pub(crate) fn is_layer(media_type: &str) -> bool {
    media_type.contains("tar") && !media_type.contains("encrypted")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_and_indexes_are_told_apart() {
        let digest = Digest::of(b"");
        let blob = format!(r#"{{"mediaType": "x", "digest": "{digest}", "size": 1}}"#);
        for (text, expected) in [
            (format!(r#"{{"schemaVersion": 2, "config": {blob}, "layers": [{blob}]}}"#), Ok("manifest")),
            (format!(r#"{{"schemaVersion": 2, "manifests": [{blob}]}}"#), Ok("index")),
            (format!(r#"{{"schemaVersion": 2, "manifests": [], "config": {blob}, "layers": []}}"#), Err("neither")),
            (r#"{"schemaVersion": 2}"#.to_owned(), Err("neither")),
            (r#"{"schemaVersion": 1, "fsLayers": []}"#.to_owned(), Err("version 1")),
            (r#"{"schemaVersion": 2, "manifests": [{"digest": "md5:1", "size": 1}]}"#.to_owned(), Err("md5:1")),
            ("<html>".to_owned(), Err("cannot be read")),
        ] {
            let found = Found::parse(text.as_bytes()).map(|found| match found {
                Found::Manifest(_) => "manifest",
                Found::Index(_) => "index",
            });
            match (found, expected) {
                (Err(reason), Err(says)) => assert!(reason.contains(says), "{text}: {reason}"),
                (found, expected) => assert_eq!(found.ok(), expected.ok(), "{text}"),
            }
        }
    }

    #[test]
    fn an_index_has_a_manifest_for_each_machine() {
        let platforms = [
            ("linux", "amd64", "v3"),
            ("linux", "amd64", ""),
            ("linux", "arm64", "v8"),
            ("linux", "arm", "v7"),
            ("windows", "amd64", ""),
            ("unknown", "unknown", ""),
        ];
        let manifests = platforms.iter().enumerate().map(|(at, (os, architecture, variant))| {
            let platform = serde_json::json!({"os": os, "architecture": architecture, "variant": variant});
            serde_json::json!({"digest": Digest::of(b""), "size": at, "platform": platform})
        });
        let text = serde_json::json!({"schemaVersion": 2, "manifests": manifests.collect::<Vec<_>>()}).to_string();
        let Ok(Found::Index(index)) = Found::parse(text.as_bytes()) else { panic!("an index") };
        for (platform, expected) in [
            (("linux", "amd64"), Some(1)),
            (("linux", "arm64"), Some(2)),
            (("linux", "arm"), Some(3)),
            (("windows", "amd64"), Some(4)),
            (("linux", "s390x"), None),
        ] {
            assert_eq!(index.for_platform(platform).map(|found| found.size), expected, "{platform:?}");
        }
        assert_eq!(index.offered(), "linux/amd64, linux/amd64, linux/arm64, linux/arm, windows/amd64");
    }

    #[test]
    fn what_others_wrote_is_shown_short_and_harmless() {
        let long = "\u{1b}[31m".repeat(1000);
        let broken = serde_json::json!({"schemaVersion": long}).to_string();
        let offered = serde_json::json!({"schemaVersion": 2, "manifests": [
            {"digest": Digest::of(b""), "size": 1, "platform": {"os": long, "architecture": long}},
        ]});
        let Ok(Found::Index(index)) = Found::parse(offered.to_string().as_bytes()) else { panic!("it is an index") };
        for shown in [Found::parse(broken.as_bytes()).expect_err("no version"), index.offered()] {
            assert!(shown.len() < 2000 && !shown.contains('\u{1b}'), "{shown}");
        }
    }

    #[test]
    fn layers_are_known_by_their_type() {
        for (media_type, known) in [
            ("application/vnd.oci.image.layer.v1.tar", true),
            ("application/vnd.oci.image.layer.v1.tar+zstd", true),
            ("application/vnd.docker.image.rootfs.diff.tar.gzip", true),
            ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", true),
            ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", false),
            ("application/wasm", false),
        ] {
            assert_eq!(is_layer(media_type), known, "{media_type}");
        }
    }
}
