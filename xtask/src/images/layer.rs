//! Layers of images: folders that became archives, the same bytes from the same files, kept until they are made of
//! something else.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::tar;
use crate::failure::{Doing, Failure, Outcome};
use crate::process;

/// Raised whenever layers are made in another way, so that older ones are made again.
const LAYOUT: u32 = 1;

/// How a layer is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
}

/// The layers of a folder of images.
pub(super) struct Layers {
    folder: PathBuf,
    work: tempfile::TempDir,
}

/// A layer, as a manifest names it.
pub(super) struct Layer {
    pub(super) file: PathBuf,
    pub(super) compression: Compression,
    pub(super) bytes: u64,
    /// The hash of the file, and the one of what it unpacks to.
    pub(super) digest: String,
    pub(super) diff_id: String,
}

impl Layers {
    /// Those of a folder of images.
    pub(super) fn of(images: &Path) -> Outcome<Self> {
        let folder = images.join("layers");
        std::fs::create_dir_all(&folder).doing(format_args!("creating {}", folder.display()))?;
        let work = tempfile::Builder::new().prefix(".images-").tempdir_in(images);
        Ok(Self { folder, work: work.doing("creating a temporary folder")? })
    }

    /// A layer of what `make` puts into a folder, unless it was made of the same `inputs` before.
    pub(super) fn layer(
        &self,
        name: &str,
        inputs: &str,
        compression: Compression,
        make: impl FnOnce(&Path) -> Outcome,
    ) -> Outcome<Layer> {
        let inputs = format!("layout {LAYOUT}, {}\n{inputs}", std::env::consts::ARCH);
        let record = self.folder.join(format!("{name}.json"));
        if let Some(layer) = self.known(&record, name, compression, &inputs) {
            return Ok(layer);
        }
        eprintln!("making layer {name}");
        let root = self.empty(name)?;
        make(&root)?;
        let layer = self.pack(&root, name, compression)?;
        let text = json!({"inputs": inputs, "digest": layer.digest, "diff_id": layer.diff_id}).to_string();
        std::fs::write(&record, text).doing(format_args!("writing {}", record.display()))?;
        Ok(layer)
    }

    /// A folder with what these layers hold, for as long as layers are made.
    pub(super) fn unpack(&self, name: &str, layers: &[&Layer]) -> Outcome<PathBuf> {
        let root = self.empty(&format!("{name}-root"))?;
        layers.iter().try_for_each(|layer| unpack(&layer.file, &root))?;
        Ok(root)
    }

    /// A folder for what is only needed on the way.
    pub(super) fn empty(&self, name: &str) -> Outcome<PathBuf> {
        let folder = self.work.path().join(name);
        std::fs::create_dir_all(&folder).doing("creating a temporary folder")?;
        Ok(folder)
    }

    fn known(&self, record: &Path, name: &str, compression: Compression, inputs: &str) -> Option<Layer> {
        let record: Value = serde_json::from_str(&std::fs::read_to_string(record).ok()?).ok()?;
        let text = |field: &str| record[field].as_str().map(str::to_owned);
        let file = self.file(name, compression);
        let bytes = std::fs::metadata(&file).ok()?.len();
        let layer = Layer { file, compression, bytes, digest: text("digest")?, diff_id: text("diff_id")? };
        (text("inputs")? == inputs).then_some(layer)
    }

    fn pack(&self, root: &Path, name: &str, compression: Compression) -> Outcome<Layer> {
        let plain = self.folder.join(format!("{name}.tar"));
        let mut tar = tar();
        // Nothing that only its owner may read: functions are nobody's.
        tar.args(["--mode=go+rX-w", "--file"]).arg(&plain).arg("--directory").arg(root).arg(".");
        process::run_as_talk(&mut tar)?;
        let diff_id = digest(&plain)?;
        let digest = match compression {
            Compression::None => diff_id.clone(),
            Compression::Gzip => {
                process::run_as_talk(Command::new("gzip").args(["-1", "--no-name", "--force"]).arg(&plain))?;
                digest(&self.file(name, compression))?
            }
        };
        let file = self.file(name, compression);
        let bytes = std::fs::metadata(&file).doing(format_args!("looking at {}", file.display()))?.len();
        Ok(Layer { file, compression, bytes, digest, diff_id })
    }

    fn file(&self, name: &str, compression: Compression) -> PathBuf {
        self.folder.join(format!("{name}.tar{}", if compression == Compression::Gzip { ".gz" } else { "" }))
    }
}

/// Unpacks a layer that was made here: no other would be unpacked so carelessly.
pub(super) fn unpack(layer: &Path, root: &Path) -> Outcome {
    let mut tar = Command::new("tar");
    tar.args(["--extract", "--same-permissions", "--keep-directory-symlink", "--file"]).arg(layer);
    process::run_as_talk(tar.arg("--directory").arg(root))
}

/// Where a compressed layer of a folder of images is.
pub(super) fn gzipped(images: &Path, name: &str) -> PathBuf {
    images.join("layers").join(format!("{name}.tar.gz"))
}

/// The hash of a file, as manifests write it.
pub(super) fn digest(file: &Path) -> Outcome<String> {
    let said = process::capture(Command::new("sha256sum").arg(file))?;
    let hash = said.split_whitespace().next().ok_or_else(|| Failure::new("sha256sum said nothing"))?;
    Ok(format!("sha256:{hash}"))
}
