//! Images for containers: those that `cargo xtask images` makes, and others that are written byte by byte.

use std::path::PathBuf;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Names the folder of the images. Where it is not set, no test runs a container: that takes root, programs of Debian and
/// images, which `cargo xtask ci` sees to.
const FOLDER_VARIABLE: &str = "MU_TEST_IMAGES";

/// The folder of images, where containers are to be tested.
#[derive(Clone)]
pub(crate) struct Images(PathBuf);

impl Images {
    /// `None`, with a word on it, where containers are left out.
    #[expect(clippy::print_stdout, reason = "whoever runs the tests is told what they left out")]
    pub(crate) fn named() -> Option<Self> {
        let folder = std::env::var_os(FOLDER_VARIABLE).filter(|value| !value.is_empty());
        if folder.is_none() {
            println!("left out: {FOLDER_VARIABLE} does not name a folder of images (`cargo xtask images`)");
        }
        folder.map(|folder| Self(folder.into()))
    }

    /// The path of `NAME.tar`.
    pub(crate) fn archive(&self, name: &str) -> PathBuf {
        let path = self.0.join(format!("{name}.tar"));
        assert!(path.is_file(), "{} is missing: run `cargo xtask images`", path.display());
        path
    }

    /// The program of `fn-test`, which is all that an image needs.
    pub(crate) fn program(&self) -> Vec<u8> {
        std::fs::read(self.0.join("fn-test")).unwrap()
    }
}

/// An image of a test's own.
pub(crate) struct Image {
    config: Value,
    layers: Vec<Vec<u8>>,
}

impl Image {
    /// One that runs a program at `/fn-test`.
    pub(crate) fn of_program(program: &[u8]) -> Self {
        let layer = Layer::default().with(Entry::file("fn-test", program)).bytes();
        let config = json!({
            "created": "1970-01-01T00:00:00Z",
            "architecture": architecture(),
            "os": "linux",
            "config": { "Entrypoint": ["/fn-test"] },
        });
        Self { config, layers: vec![layer] }
    }

    pub(crate) fn with_layer(mut self, layer: Vec<u8>) -> Self {
        self.layers.push(layer);
        self
    }

    /// Says something else than it did, at a path like `/config/Entrypoint`.
    pub(crate) fn saying(mut self, path: &str, value: Value) -> Self {
        let (folder, key) = path.rsplit_once('/').unwrap();
        self.config.pointer_mut(folder).unwrap()[key] = value;
        self
    }

    /// The archive.
    pub(crate) fn archive(self) -> Vec<u8> {
        self.archive_with(|_| {})
    }

    /// The archive, whose manifest was changed before it was written.
    pub(crate) fn archive_with(mut self, change: impl FnOnce(&mut Value)) -> Vec<u8> {
        let mut archive = Layer::default();
        let mut blob = |media_type: &str, bytes: &[u8]| {
            let hash = hash(bytes);
            let name = format!("blobs/sha256/{hash}");
            archive = std::mem::take(&mut archive).with(Entry::file(&name, bytes));
            json!({ "mediaType": media_type, "digest": format!("sha256:{hash}"), "size": bytes.len() })
        };
        let layers: Vec<_> =
            self.layers.iter().map(|layer| blob("application/vnd.oci.image.layer.v1.tar", layer)).collect();
        let diff_ids: Vec<_> = layers.iter().map(|layer| layer["digest"].clone()).collect();
        self.config["rootfs"] = json!({ "type": "layers", "diff_ids": diff_ids });
        let config = blob("application/vnd.oci.image.config.v1+json", self.config.to_string().as_bytes());
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": config,
            "layers": layers,
        });
        change(&mut manifest);
        let manifest = blob(media_type, manifest.to_string().as_bytes());
        let index = json!({ "schemaVersion": 2, "manifests": [manifest] }).to_string();
        archive
            .with(Entry::file("index.json", index.as_bytes()))
            .with(Entry::file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#))
            .bytes()
    }
}

/// A tar file, written as it is told to be, whatever that leads to.
#[derive(Default)]
pub(crate) struct Layer(Vec<u8>);

/// What stands in a tar file.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a str,
    /// `0` a file, `1` a hard link, `2` a symbolic one, `3` and `4` a device, `5` a folder.
    pub(crate) kind: u8,
    pub(crate) target: &'a str,
    pub(crate) mode: u32,
    pub(crate) bytes: &'a [u8],
}

impl<'a> Entry<'a> {
    /// A file that everybody may run.
    pub(crate) fn file(name: &'a str, bytes: &'a [u8]) -> Self {
        Self { name, kind: b'0', target: "", mode: 0o755, bytes }
    }

    pub(crate) fn link(name: &'a str, kind: u8, target: &'a str) -> Self {
        Self { name, kind, target, mode: 0o777, bytes: b"" }
    }
}

impl Layer {
    pub(crate) fn with(mut self, entry: Entry<'_>) -> Self {
        let mut header = [0_u8; 512];
        let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
        put(0, entry.name);
        put(100, &format!("{:07o}", entry.mode));
        put(108, "0000000");
        put(116, "0000000");
        put(124, &format!("{:011o}", entry.bytes.len()));
        put(136, "00000000000");
        put(148, "        ");
        put(157, entry.target);
        put(257, "ustar\u{0}00");
        // Of a device: that of `/dev/sda` or `/dev/mem`.
        put(329, "0000001");
        put(337, "0000001");
        header[156] = entry.kind;
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend(header);
        self.0.extend(entry.bytes);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(crate) fn bytes(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As images call it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
