//! An image as an archive: a tar file of an image layout, with one manifest.

use std::path::Path;

use serde_json::{Value, json};

use super::layer::{Compression, Layer, digest};
use super::{read, tar, write};
use crate::failure::{Doing, Outcome};
use crate::process;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// Of what is found on machines of every kind; a function's own are added.
const PATH: &str = "PATH=/usr/bin:/bin:/usr/sbin:/sbin";

/// What an image says of itself.
#[derive(Default)]
pub(super) struct Image {
    /// The archive is `NAME.tar`.
    pub(super) name: &'static str,
    /// The name that a builder gives it when it loads the archive.
    pub(super) reference: &'static str,
    pub(super) entrypoint: &'static [&'static str],
    pub(super) env: &'static [&'static str],
    pub(super) directory: &'static str,
}

impl Image {
    /// Writes the archive, unless the one that is there is the same.
    pub(super) fn write(&self, folder: &Path, layers: &[&Layer]) -> Outcome {
        let archive = folder.join(format!("{}.tar", self.name));
        let config = self.config(layers).to_string();
        let record = folder.join("layers").join(format!("{}.image", self.name));
        let contents = format!("{config}\n{}", descriptors(layers));
        if archive.is_file() && read(&record).is_ok_and(|recorded| recorded == contents) {
            return Ok(());
        }
        eprintln!("writing {}", archive.display());
        let work = tempfile::tempdir_in(folder).doing("creating a temporary folder")?;
        self.lay_out(work.path(), &config, layers)?;
        let half = work.path().join("image.tar");
        let mut tar = tar();
        // Followed, so that layers need not be copied first.
        tar.args(["--dereference", "--file"]).arg(&half).arg("--directory").arg(work.path());
        process::run_as_talk(tar.args(["oci-layout", "index.json", "blobs"]))?;
        std::fs::rename(&half, &archive).doing(format_args!("moving {} into place", archive.display()))?;
        write(&record, &contents)
    }

    fn lay_out(&self, folder: &Path, config: &str, layers: &[&Layer]) -> Outcome {
        let blobs = folder.join("blobs/sha256");
        let config = blob(&blobs, CONFIG, config)?;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config,
            "layers": descriptors(layers),
        });
        let mut manifest = blob(&blobs, MANIFEST, &manifest.to_string())?;
        manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": self.reference });
        for layer in layers {
            let link = blobs.join(hash(&layer.digest));
            std::os::unix::fs::symlink(&layer.file, &link).doing("linking a layer")?;
        }
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [manifest] });
        write(&folder.join("index.json"), &index.to_string())?;
        write(&folder.join("oci-layout"), &json!({ "imageLayoutVersion": "1.0.0" }).to_string())
    }

    fn config(&self, layers: &[&Layer]) -> Value {
        let env: Vec<_> = std::iter::once(&PATH).chain(self.env).collect();
        json!({
            "created": "1970-01-01T00:00:00Z",
            "architecture": architecture(),
            "os": "linux",
            "config": { "Entrypoint": self.entrypoint, "Env": env, "WorkingDir": self.directory },
            // One entry for each layer: a builder counts them before it adds its own.
            "history": layers.iter().map(|_| json!({ "created_by": "cargo xtask images" })).collect::<Vec<_>>(),
            "rootfs": {
                "type": "layers",
                "diff_ids": layers.iter().map(|layer| &layer.diff_id).collect::<Vec<_>>(),
            },
        })
    }
}

fn descriptors(layers: &[&Layer]) -> Value {
    let descriptors = layers.iter().map(|layer| {
        let media_type = format!("{LAYER}{}", if layer.compression == Compression::Gzip { "+gzip" } else { "" });
        json!({ "mediaType": media_type, "digest": layer.digest, "size": layer.bytes })
    });
    descriptors.collect()
}

/// Writes a blob, and describes it.
fn blob(blobs: &Path, media_type: &str, text: &str) -> Outcome<Value> {
    let unnamed = blobs.join("unnamed");
    write(&unnamed, text)?;
    let digest = digest(&unnamed)?;
    std::fs::rename(&unnamed, blobs.join(hash(&digest))).doing("naming a blob")?;
    Ok(json!({ "mediaType": media_type, "digest": digest, "size": text.len() }))
}

fn hash(digest: &str) -> &str {
    digest.trim_start_matches("sha256:")
}

/// As images call it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
