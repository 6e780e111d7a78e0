//! What tests make layers and images of.

use std::io::Write;

use tar::{EntryType, Header};

use crate::Digest;

/// A tar archive, made entry by entry, of names that no tool would write.
#[derive(Default)]
pub(crate) struct Tar(Vec<u8>);

impl Tar {
    pub(crate) fn file(self, name: &str, content: &[u8]) -> Self {
        self.entry(EntryType::Regular, name, "", 0o644, content)
    }

    pub(crate) fn dir(self, name: &str) -> Self {
        self.entry(EntryType::Directory, name, "", 0o755, b"")
    }

    pub(crate) fn symlink(self, name: &str, target: &str) -> Self {
        self.entry(EntryType::Symlink, name, target, 0o777, b"")
    }

    pub(crate) fn hard_link(self, name: &str, target: &str) -> Self {
        self.entry(EntryType::Link, name, target, 0o644, b"")
    }

    pub(crate) fn entry(self, kind: EntryType, name: &str, link: &str, mode: u32, content: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        header.set_mode(mode);
        header.set_mtime(1_700_000_000);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(content.len() as u64);
        header.set_entry_type(kind);
        fill(&mut header.as_old_mut().name, name);
        fill(&mut header.as_old_mut().linkname, link);
        self.raw(header, content)
    }

    /// An entry with a header that is as it is, but for its checksum.
    pub(crate) fn raw(mut self, mut header: Header, content: &[u8]) -> Self {
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.bytes(content)
    }

    /// Content in whole blocks.
    pub(crate) fn bytes(mut self, content: &[u8]) -> Self {
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    /// Extended headers in the manner of POSIX for the next entry.
    pub(crate) fn records(self, records: &[(&str, &str)]) -> Self {
        let mut text = String::new();
        for (key, value) in records {
            let rest = format!(" {key}={value}\n");
            let length = (1..).find(|digits| (rest.len() + digits).to_string().len() == *digits);
            let length = rest.len() + length.expect("some length has its own number of digits");
            text.push_str(&format!("{length}{rest}"));
        }
        self.entry(EntryType::XHeader, "PaxHeaders/x", "", 0o644, text.as_bytes())
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

fn fill(field: &mut [u8; 100], text: &str) {
    field[..text.len()].copy_from_slice(text.as_bytes());
}

pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).expect("writing into memory");
    encoder.finish().expect("writing into memory")
}

/// Whether tests may mount, give files away and make whiteouts. What takes that says so and is skipped, unless
/// `MU_TEST_CONTAINERS=1` demands it.
pub(crate) fn is_root_or_skipped(test: &str) -> bool {
    available_or_skipped(test, rustix::process::geteuid().is_root(), "root")
}

pub(crate) fn available_or_skipped(test: &str, is_available: bool, what: &str) -> bool {
    if !is_available {
        let is_demanded = std::env::var_os("MU_TEST_CONTAINERS").is_some_and(|value| value == "1");
        assert!(!is_demanded, "{test} takes {what}, and MU_TEST_CONTAINERS=1 demands it");
        // Not by a macro: tests that pass keep what those write to themselves.
        let _ = writeln!(std::io::stderr(), "SKIPPED: {test} takes {what}");
    }
    is_available
}

/// An image to make: its layers as tar archives.
pub(crate) struct ImageSource {
    pub(crate) config: Vec<u8>,
    pub(crate) layers: Vec<Vec<u8>>,
    pub(crate) manifest: Vec<u8>,
}

impl ImageSource {
    /// An image for this machine, its layers compressed by gzip.
    pub(crate) fn new(layers: &[Vec<u8>]) -> Self {
        Self::with_config(layers, &serde_json::json!({"Cmd": ["/bin/hello"]}), crate::manifest::machine().1)
    }

    pub(crate) fn with_config(layers: &[Vec<u8>], config: &serde_json::Value, architecture: &str) -> Self {
        let diff_ids: Vec<_> = layers.iter().map(|layer| Digest::of(layer)).collect();
        let config = serde_json::json!({
            "architecture": architecture, "os": "linux", "config": config,
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let config = config.to_string().into_bytes();
        let layers: Vec<_> = layers.iter().map(|layer| gzip(layer)).collect();
        let descriptor = |media_type: &str, content: &[u8]| serde_json::json!({"mediaType": media_type, "digest": Digest::of(content), "size": content.len()});
        let described = layers.iter().map(|layer| descriptor("application/vnd.oci.image.layer.v1.tar+gzip", layer));
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
            "layers": described.collect::<Vec<_>>(),
        });
        Self { config, layers, manifest: manifest.to_string().into_bytes() }
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest::of(&self.manifest)
    }

    /// Everything that a registry has of it by its digest, the manifest excepted.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.layers.iter().chain([&self.config])
    }

    /// As an OCI archive.
    pub(crate) fn archive(&self) -> Vec<u8> {
        let index = serde_json::json!({"schemaVersion": 2, "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": self.digest(), "size": self.manifest.len(),
        }]});
        let mut tar = Tar::default().file("oci-layout", br#"{"imageLayoutVersion": "1.0.0"}"#);
        for blob in self.blobs().chain([&self.manifest]) {
            tar = tar.file(&format!("blobs/sha256/{}", Digest::of(blob).hex()), blob);
        }
        tar.file("index.json", index.to_string().as_bytes()).finish()
    }
}
