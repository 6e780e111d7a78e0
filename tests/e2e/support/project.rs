//! A project in a temporary directory.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Deleted when dropped.
pub(crate) struct Project(TempDir);

impl Project {
    pub(crate) fn empty() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// A project of one function `f` of the module `module`, whose handler `f` answers all methods' `/`.
    pub(crate) fn of_module(module: &[u8]) -> Self {
        Self::of_modules(&[("f", module)])
    }

    /// A project of functions made of finished modules. `GET /NAME` and `POST /NAME` lead to `NAME.NAME`.
    pub(crate) fn of_modules(functions: &[(&str, &[u8])]) -> Self {
        let project = Self::empty();
        let (mut services, mut endpoints) = (String::new(), String::new());
        for (name, module) in functions {
            project.write(&format!("{name}.wasm"), module);
            services.push_str(&format!(
                "  - type: Function\n    name: {name}\n    runtime: wasi1.0\n    module: {name}.wasm\n    memory_limit: 16MiB\n"
            ));
            endpoints.push_str(&format!("      /{name}: {{ get: {name}.{name}, post: {name}.{name} }}\n"));
        }
        let manifest = format!(
            "name: test\nversion: 1.0.0\nservices:\n{services}  - type: Gateway\n    name: web\n    endpoints:\n{endpoints}"
        );
        project.write("mu.yaml", manifest);
        project
    }

    /// A project of containers: name, archive, and what else `mu.yaml` says of a function, as in `timeout: 1s`. Any method
    /// at `/NAME` leads to it.
    pub(crate) fn of_containers(functions: &[(&str, &Path, &str)]) -> Self {
        let project = Self::empty();
        let (mut services, mut endpoints) = (String::new(), String::new());
        for (name, archive, keys) in functions {
            let module = Path::new(archive.file_name().unwrap());
            if !project.path().join(module).exists() {
                fs::copy(archive, project.path().join(module)).unwrap();
            }
            let module = module.display();
            let keys = if keys.is_empty() { String::new() } else { format!(", {keys}") };
            services.push_str(&format!(
                "  - {{type: Function, name: {name}, runtime: container, module: {module}{keys}}}\n"
            ));
            endpoints.push_str(&format!("      /{name}: {{any: {name}.handle}}\n"));
        }
        project.write(
            "mu.yaml",
            format!(
                "name: test\nversion: 1.0.0\nservices:\n{services}  - type: Gateway\n    name: web\n    endpoints:\n{endpoints}"
            ),
        );
        project
    }

    /// A copy of an example of the repository, with its checked-in modules.
    pub(crate) fn of_example(name: &str) -> Self {
        let project = Self::empty();
        copy(&repository().join("examples").join(name), project.path());
        project
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, path: &str, contents: impl AsRef<[u8]>) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    /// Changes a text of a file that is there exactly once.
    pub(crate) fn replace(&self, path: &str, old: &str, new: &str) {
        let text = self.read(path);
        assert_eq!(text.matches(old).count(), 1, "{path}: `{old}` in\n{text}");
        self.write(path, text.replace(old, new));
    }
}

/// Every file below `folder`.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files
}

/// The repository's root.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..").canonicalize().unwrap()
}

/// A module of the guests, built and checked in.
pub(crate) fn guest(name: &str) -> Vec<u8> {
    let path = repository().join("guests/modules").join(name);
    fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap_or_else(|e| panic!("{}: {e}", from.display())) {
        let (path, name) = entry.map(|e| (e.path(), e.file_name())).unwrap();
        if name == "target" || name == ".mu" {
            continue;
        }
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            fs::copy(&path, to.join(name)).unwrap();
        }
    }
}
