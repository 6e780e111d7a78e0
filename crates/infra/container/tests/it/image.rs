//! Images made of the machine's own programs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use mu_env::Env;
use mu_image::{Form, Image, ImageArchive, ImageLimits, ImageStore, Registries, StoreParams};
use serde_json::json;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// What tests run inside.
const PROGRAMS: [&str; 13] =
    ["cat", "chmod", "dd", "head", "id", "ls", "mkdir", "mount", "sh", "sleep", "tail", "touch", "unshare"];

/// A store of images with a shell and a few tools, and nothing else: no `/proc` to mount on, no `/etc/hosts`.
pub(crate) struct Images {
    dir: PathBuf,
    store: ImageStore,
    _temporary: Option<TempDir>,
}

impl Images {
    pub(crate) fn new(form: Form) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let images = Self::at(dir.path(), form);
        Self { _temporary: Some(dir), ..images }
    }

    /// In a directory, where others may have been before.
    pub(crate) fn at(dir: &Path, form: Form) -> Self {
        let store = ImageStore::open(StoreParams {
            dir: dir.join("store"),
            form,
            limits: ImageLimits::default(),
            registries: Registries::default(),
            env: Env::system(),
        });
        Self { store: store.unwrap(), dir: dir.to_owned(), _temporary: None }
    }

    /// An image that runs `command`.
    pub(crate) async fn image(&self, command: &[&str]) -> Image {
        let dir = tempfile::tempdir_in(&self.dir).unwrap();
        let layer = dir.path().join("layer.tar");
        tar(&layer, &lay_programs(&dir.path().join("root")), &["."]);
        let diff_id = format!("sha256:{:x}", Sha256::digest(fs::read(&layer).unwrap()));
        let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        let config = json!({
            "architecture": architecture,
            "os": "linux",
            "config": { "Cmd": command, "Env": ["FROM=image"] },
            "rootfs": { "type": "layers", "diff_ids": [diff_id] },
        });
        let manifest = json!([{ "Config": "config.json", "RepoTags": [], "Layers": ["layer.tar"] }]);
        fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
        fs::write(dir.path().join("manifest.json"), manifest.to_string()).unwrap();
        let archive = dir.path().join("image.tar");
        tar(&archive, dir.path(), &["manifest.json", "config.json", "layer.tar"]);
        self.store.load_archive(ImageArchive::Path(archive)).await.unwrap()
    }
}

/// Copies programs and the libraries that they ask for.
fn lay_programs(root: &Path) -> PathBuf {
    let mut files = BTreeSet::new();
    for program in PROGRAMS {
        let path = ["/bin", "/usr/bin"].map(|dir| Path::new(dir).join(program)).into_iter().find(|path| path.exists());
        let path = path.unwrap_or_else(|| panic!("`{program}` is needed by this test"));
        let ldd = Command::new("ldd").arg(&path).output().unwrap();
        let libraries = String::from_utf8(ldd.stdout).unwrap();
        files.extend(libraries.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from));
        copy(&path, &root.join("bin").join(program));
    }
    for file in files {
        copy(&file, &root.join(file.strip_prefix("/").unwrap()));
    }
    root.to_owned()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(from, to).unwrap();
}

fn tar(archive: &Path, dir: &Path, names: &[&str]) {
    let tar = Command::new("tar").arg("-cf").arg(archive).arg("-C").arg(dir).args(names).status().unwrap();
    assert!(tar.success());
}
