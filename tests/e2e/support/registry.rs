//! Debian's `docker-registry` on a free port of this machine.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;

use tempfile::TempDir;

use super::http::{self, Answer};

/// The user of a registry that asks for one, and their password.
pub(crate) const USER: (&str, &str) = ("me", "open sesame");
/// The password as `htpasswd -B` writes it.
const PASSWORD_HASH: &str = "$2a$05$qX0qaWeMuubfE7uiM8mfweqHEnh5kcDNmBHgcsVSd87fNEzMEfGR.";

/// A registry with nothing in it; killed when dropped.
pub(crate) struct Registry {
    // Dropped last.
    child: Child,
    address: String,
    _folder: TempDir,
}

impl Registry {
    /// One that everybody may read and write.
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// One that only [`USER`] may read and write.
    pub(crate) fn with_password() -> Self {
        Self::start_with("auth: {htpasswd: {realm: test, path: USERS}}\n")
    }

    fn start_with(auth: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("users"), format!("{}:{PASSWORD_HASH}\n", USER.0)).unwrap();
        let configuration = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: 127.0.0.1:0}}\n{}",
            path("images").display(),
            auth.replace("USERS", path("users").to_str().unwrap()),
        );
        fs::write(path("config.yml"), configuration).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(path("config.yml")).stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn().expect("Debian's docker-registry is installed");
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let listens = lines.find_map(|line| line.split_once("listening on ").map(|(_, rest)| rest.to_owned()));
        let listens = listens.expect("the registry says where it listens before it ends");
        let address = listens.split('"').next().unwrap().to_owned();
        // It goes on talking, and would wait for a reader.
        thread::spawn(move || lines.for_each(drop));
        Self { child, address, _folder: folder }
    }

    /// `127.0.0.1:40123`, as it stands in names of images.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// What a node is told with `--set` so that it asks a registry of its own machine.
    pub(crate) fn setting(&self) -> String {
        format!("containers.insecure_registries={}", self.address)
    }

    /// What it answers to anybody.
    pub(crate) fn get(&self, path: &str) -> Answer {
        http::send(self.address.parse().unwrap(), "GET", path, &[], b"").unwrap()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
