//! A project: the directory of a `mu.yaml`, and what mu keeps there.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use mu_stack::limits::FILE_BYTES_MAX;
use mu_stack::{Manifest, StackId};

use crate::failure::{Cause, Failure};

/// What a project is described in.
pub(crate) const MANIFEST_FILE: &str = "mu.yaml";

/// Values of secrets for this machine. Not for version control.
pub(crate) const SECRETS_FILE: &str = "mu.secrets";

/// What mu makes in a project and what nobody else needs: data, compiled modules, build output. Not for version control.
pub(crate) const WORK_FOLDER: &str = ".mu";

/// A directory with a `mu.yaml`.
#[derive(Clone, Debug)]
pub(crate) struct Project {
    root: PathBuf,
}

impl Project {
    /// The project that `start` is in: the nearest directory with a `mu.yaml`, from `start` upward.
    pub(crate) fn find(start: &Path) -> Result<Self, Failure> {
        let start = start.canonicalize().map_err(|e| {
            Failure::new(Cause::Manifest, format!("{}: {e}", start.display())).hint("name the directory of a project")
        })?;
        let found = start.ancestors().find(|folder| folder.join(MANIFEST_FILE).is_file());
        let root = found.ok_or_else(|| {
            let message = format!("no {MANIFEST_FILE} in {} or in any directory above it", start.display());
            Failure::new(Cause::Manifest, message).hint("`mu init` makes a project; or name the directory of one")
        })?;
        Ok(Self { root: root.to_owned() })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn manifest_path(&self) -> PathBuf {
        self.root.join(MANIFEST_FILE)
    }

    pub(crate) fn secrets_path(&self) -> PathBuf {
        self.root.join(SECRETS_FILE)
    }

    pub(crate) fn work_dir(&self) -> PathBuf {
        self.root.join(WORK_FOLDER)
    }

    /// Where data is kept: where it was asked for, or in the project.
    pub(crate) fn data_dir(&self, asked: Option<&Path>) -> PathBuf {
        asked.map_or_else(|| self.work_dir().join("data"), Path::to_owned)
    }

    /// Where compiled modules are kept. It can be deleted at any time.
    pub(crate) fn cache_dir(&self) -> PathBuf {
        self.work_dir().join("cache")
    }

    /// Reads the manifest, and fails with everything that is wrong with it.
    pub(crate) fn load(&self) -> Result<Manifest, Failure> {
        let path = self.manifest_path();
        let bytes = read_bounded(&path).map_err(|e| Failure::from_error(Cause::Manifest, path.display(), &e))?;
        // Shown as people would name it from where they are.
        let here = std::env::current_dir().unwrap_or_default();
        let shown = path.strip_prefix(here).unwrap_or(&path).display().to_string();
        Manifest::parse(&shown, &bytes).map_err(|report| {
            let count = report.problems.len() + report.omitted;
            let message = format!("{shown} has {count} problem{}", if count == 1 { "" } else { "s" });
            Failure::new(Cause::Manifest, message)
                .detail(report.to_string())
                .hint("`mu schema` prints what mu.yaml may say, for editors that complete and check it")
        })
    }
}

/// The id of a project's stack on this machine: the one it names, or one made of its name, so that the data of a stack
/// stays its own.
pub(crate) fn stack_id(manifest: &Manifest) -> StackId {
    let derived = || StackId::new(blake3::derive_key("mu 2026 local stack id", manifest.name().as_str().as_bytes()));
    manifest.dev_id().unwrap_or_else(derived)
}

/// Reads a manifest; one that is over the limit is cut just behind it, which the parser then reports.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
