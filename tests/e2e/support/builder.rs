//! `buildah` with a store of its own, so that nobody's images are touched.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// A store of images; unmounted and deleted when dropped.
pub(crate) struct Builder(TempDir);

impl Builder {
    /// An empty one.
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let (store, run) = (path("store"), path("run"));
        let builder = Self(folder);
        // Copying every layer takes long, and works everywhere.
        for driver in ["overlay", "vfs"] {
            let configuration =
                format!("[storage]\ndriver = \"{driver}\"\ngraphroot = \"{store}\"\nrunroot = \"{run}\"\n");
            fs::write(builder.0.path().join("storage.conf"), configuration).unwrap();
            if builder.buildah(&["info"]).status.success() {
                break;
            }
        }
        builder
    }

    /// Makes a command, and what it starts, use this store.
    pub(crate) fn prepare<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        // The steps of a build run without a runtime of containers, which may refuse to be nested.
        command.env("BUILDAH_ISOLATION", "chroot").env("CONTAINERS_STORAGE_CONF", self.0.path().join("storage.conf"))
    }

    /// Takes an image out of an archive, and returns its id.
    pub(crate) fn load(&self, archive: &Path) -> String {
        let output = self.buildah(&["pull", "--quiet", &format!("oci-archive:{}", archive.display())]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Puts the image of an archive into a registry, with credentials if there are any.
    pub(crate) fn push(&self, archive: &Path, reference: &str, credentials: Option<(&str, &str)>) -> Output {
        let image = self.load(archive);
        let credentials = credentials.map(|(user, password)| format!("--creds={user}:{password}"));
        let to = format!("docker://{reference}");
        let arguments = ["push", "--quiet", "--tls-verify=false"].into_iter().chain(credentials.as_deref());
        self.buildah(&arguments.chain([&*image, &to]).collect::<Vec<_>>())
    }

    fn buildah(&self, arguments: &[&str]) -> Output {
        self.prepare(Command::new("buildah").args(arguments)).output().expect("Debian's buildah is installed")
    }
}

impl Drop for Builder {
    fn drop(&mut self) {
        // A build that failed leaves its container, with what is mounted for it.
        let _ = self.prepare(Command::new("buildah").args(["rm", "--all"])).output();
    }
}
