//! The modules that tests and examples run: built from source, and checked in beside it.
//!
//! They are checked in so that `cargo test` and a newcomer's first `cargo run` need no wasm compiler. That the sources
//! still make them is proven by `--check`: everything is rebuilt in place, tested, and what was checked in comes back.
//! A rebuilt module need not be equal byte for byte; it depends on the compiler.

mod build;
mod snapshot;

use std::path::{Path, PathBuf};

use crate::failure::{Doing, Failure, Outcome};
use crate::wasm_toolchain::Compiler;
use crate::{process, repository};
use snapshot::Snapshot;

/// Where the modules of test functions are checked in.
const GUEST_MODULES: &str = "guests/modules";

/// What becomes of rebuilt modules.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// They replace the checked-in ones.
    Install,
    /// They replace the checked-in ones while the tests run.
    Check,
}

/// Rebuilds every module of `guests/` and `examples/`.
pub(crate) fn run(mode: Mode) -> Outcome {
    let root = repository::root();
    let compiler = Compiler::find()?;
    match mode {
        Mode::Install => rebuild(&root, &compiler).map(drop),
        Mode::Check => {
            let before = Snapshot::take(&root)?;
            let outcome =
                rebuild(&root, &compiler).and_then(|built| compare_and_test(&root, &compiler, &before, &built));
            before.restore(&root)?;
            outcome
        }
    }
}

/// Modules of test functions go to `guests/modules`; an example's go where its `mu.yaml` says, and its `mu.lock` is
/// written anew. Returns the modules of test functions.
fn rebuild(root: &Path, compiler: &Compiler) -> Outcome<Vec<PathBuf>> {
    let mut built = Vec::new();
    for project in guest_projects(root)? {
        eprintln!("building {}", project.display());
        for (name, bytes) in build::guests(compiler, root, &project)? {
            let module = Path::new(GUEST_MODULES).join(format!("{name}.wasm"));
            write(&root.join(&module), &bytes)?;
            built.push(module);
        }
    }
    build::examples(compiler, root, &examples(root)?)?;
    for (file, bytes) in Snapshot::take(root)?.modules() {
        if names_machine(bytes, root) {
            return Err(Failure::new(format!("{} names a folder of this machine", file.display()))
                .hint("strip debug information in the release profile of its workspace"));
        }
        println!("{} {} bytes", file.display(), bytes.len());
    }
    Ok(built)
}

/// A module that is only on one side would be tested on one side only.
fn compare_and_test(root: &Path, compiler: &Compiler, before: &Snapshot, built: &[PathBuf]) -> Outcome {
    let after = Snapshot::take(root)?;
    if let Some(module) = after.modules().map(|(file, _)| file).find(|file| !before.contains(file)) {
        return Err(Failure::new(format!("{} is built from source but not checked in", module.display()))
            .hint("run `cargo xtask guests` and commit it"));
    }
    let mut guests = after.modules().map(|(file, _)| file).filter(|file| file.starts_with(GUEST_MODULES));
    if let Some(module) = guests.find(|file| !built.iter().any(|built| built == file)) {
        return Err(Failure::new(format!("{} is checked in, but no source builds it", module.display()))
            .hint("remove it, or add its source to guests/"));
    }
    // What the modules do not touch was tested without them; nothing but the modules differs.
    let mut test = process::cargo();
    process::run(compiler.name_to_mu(test.arg("test").current_dir(root)))
        .map_err(|_| Failure::new("the tests fail with modules rebuilt from source"))
}

/// Cargo workspaces below `guests/`, relative to the root.
fn guest_projects(root: &Path) -> Outcome<Vec<PathBuf>> {
    let mut projects = Vec::new();
    for file in below(root, "guests")?.into_iter().filter(|file| file.ends_with("Cargo.toml")) {
        let text = std::fs::read_to_string(root.join(&file)).doing(format_args!("reading {}", file.display()))?;
        if text.lines().any(|line| line.trim() == "[workspace]") {
            projects.extend(file.parent().map(Path::to_owned));
        }
    }
    Ok(projects)
}

/// Folders of examples in Rust, relative to the root: those with a `mu.yaml` and a cargo package. `languages` sees to the
/// others, whose modules are too large to be checked in.
pub(crate) fn examples(root: &Path) -> Outcome<Vec<PathBuf>> {
    let files = below(root, "examples")?;
    let is_rust = |folder: &Path| files.iter().any(|file| file.starts_with(folder) && file.ends_with("Cargo.toml"));
    let manifests = files.iter().filter(|file| file.ends_with("mu.yaml"));
    Ok(manifests.filter_map(|file| file.parent()).filter(|folder| is_rust(folder)).map(Path::to_owned).collect())
}

/// Source files below a folder of the root, relative to the root; none if there is no such folder.
pub(crate) fn below(root: &Path, folder: &str) -> Outcome<Vec<PathBuf>> {
    if !root.join(folder).is_dir() {
        return Ok(Vec::new());
    }
    let files = repository::source_files(&root.join(folder))?;
    Ok(files.into_iter().map(|file| Path::new(folder).join(file)).collect())
}

/// Whether a module holds the path of this checkout or of the user's home.
fn names_machine(bytes: &[u8], root: &Path) -> bool {
    let home = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.iter().count() > 1);
    let holds = |path: &Path| {
        let needle = format!("{}/", path.display()).into_bytes();
        bytes.windows(needle.len()).any(|window| window == needle)
    };
    holds(root) || home.is_some_and(|home| holds(&home))
}

fn write(file: &Path, bytes: &[u8]) -> Outcome {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).doing(format_args!("creating {}", folder.display()))?;
    }
    std::fs::write(file, bytes).doing(format_args!("writing {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_to_be_built() {
        let root = tempfile::tempdir().expect("there is room for a temporary folder");
        for (file, text) in [
            ("guests/Cargo.toml", "[workspace]\nmembers = [\"kit\"]\n"),
            ("guests/kit/Cargo.toml", "[package]\nname = \"kit\"\n"),
            ("guests/target/Cargo.toml", "[workspace]\n"),
            ("examples/todo/mu.yaml", ""),
            ("examples/todo/functions/api/Cargo.toml", "[workspace]\n"),
            ("examples/other/mu.yaml", ""),
            ("examples/other/functions/api/go.mod", ""),
        ] {
            write(&root.path().join(file), text.as_bytes()).expect("the folder can be written");
        }
        assert_eq!(guest_projects(root.path()), Ok(vec![PathBuf::from("guests")]));
        assert_eq!(examples(root.path()), Ok(vec![PathBuf::from("examples/todo")]));
        assert_eq!(examples(&root.path().join("guests")), Ok(vec![]), "no such folder");
    }

    #[test]
    fn a_module_must_not_name_this_machine() {
        let root = Path::new("/somewhere/mu");
        assert!(names_machine(b"\0asm...panicked at /somewhere/mu/guests/kit.rs", root));
        assert!(!names_machine(b"\0asm...panicked at /somewhere/mumble.rs", root));
    }
}
