//! Packs what `mu` writes into projects: the templates of `mu init`, which are the repository's examples, and the
//! source of the SDKs, which are not published anywhere. Only files that belong there are taken, so that whatever else a
//! working copy holds (build output, data of `mu run`) stays out of the binary.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Each packed folder: the constant it becomes, and its path from the repository's root.
const PACKS: [(&str, &str); 20] = [
    ("HELLO_TEMPLATE", "examples/hello"),
    ("HELLO_JS_TEMPLATE", "examples/hello-js"),
    ("HELLO_PYTHON_TEMPLATE", "examples/hello-python"),
    ("HELLO_GO_TEMPLATE", "examples/hello-go"),
    ("HELLO_C_TEMPLATE", "examples/hello-c"),
    ("TODO_TEMPLATE", "examples/todo"),
    ("CHAT_TEMPLATE", "examples/chat"),
    ("CONTAINER_PYTHON_TEMPLATE", "examples/containers/python"),
    ("CONTAINER_NODE_TEMPLATE", "examples/containers/node"),
    ("CONTAINER_GO_TEMPLATE", "examples/containers/go"),
    ("CONTAINER_JAVA_TEMPLATE", "examples/containers/java"),
    ("CONTAINER_DOCKER_TEMPLATE", "examples/containers/docker"),
    ("ABI_SOURCE", "crates/model/abi"),
    ("SDK_SOURCE", "sdk/rust/mu-sdk"),
    ("SDK_MACROS_SOURCE", "sdk/rust/mu-sdk-macros"),
    ("SDK_JS_SOURCE", "sdk/js"),
    ("SDK_PYTHON_SOURCE", "sdk/python"),
    ("SDK_GO_SOURCE", "sdk/go"),
    ("SDK_C_SOURCE", "sdk/c"),
    ("SDK_WIT_SOURCE", "sdk/wit"),
];

/// Folders that are made, not written.
const SKIPPED_FOLDERS: [&str; 7] = ["target", ".mu", "modules", "tests", "node_modules", "__pycache__", ".venv"];

/// What sources are written in; everything else (modules, locks of another workspace) is left out.
const KEPT_EXTENSIONS: [&str; 15] =
    ["rs", "toml", "yaml", "js", "ts", "json", "py", "go", "mod", "c", "h", "wit", "java", "xml", "txt"];

/// Sources without an extension.
const KEPT_NAMES: [&str; 2] = ["Dockerfile", ".dockerignore"];

/// What is left out although it is a source: tests that stand beside what they test, and locks of npm.
const SKIPPED_ENDINGS: [&str; 3] = ["_test.go", "_test.c", "package-lock.json"];

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let repository = Path::new(&variable("CARGO_MANIFEST_DIR")?).join("../../..").canonicalize()?;
    let mut generated = String::new();
    for (constant, folder) in PACKS {
        let root = repository.join(folder);
        let mut files = Vec::new();
        collect(&root, &mut files)?;
        files.sort();
        writeln!(generated, "/// The files of `{folder}`: path within the folder, contents.")
            .map_err(io::Error::other)?;
        writeln!(generated, "pub(crate) const {constant}: &[(&str, &str)] = &[").map_err(io::Error::other)?;
        for file in files {
            let relative = file.strip_prefix(&root).map_err(io::Error::other)?;
            writeln!(generated, "    ({relative:?}, include_str!({file:?})),").map_err(io::Error::other)?;
        }
        generated.push_str("];\n");
    }
    fs::write(Path::new(&variable("OUT_DIR")?).join("packed.rs"), generated)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    // Cargo compares the modification times of everything below a named folder, so only folders that are packed are
    // named: one of build output would make every build a new one.
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let (path, name) = entry.map(|e| (e.path(), e.file_name()))?;
        if path.is_dir() {
            if !SKIPPED_FOLDERS.iter().any(|skipped| name == *skipped) {
                collect(&path, files)?;
            }
        } else if is_kept(&path) {
            files.push(path);
        }
    }
    Ok(())
}

fn is_kept(path: &Path) -> bool {
    let name = path.to_string_lossy();
    let is_named = path.file_name().is_some_and(|name| KEPT_NAMES.iter().any(|kept| name == *kept));
    let is_source = path.extension().is_some_and(|e| KEPT_EXTENSIONS.iter().any(|kept| e == *kept));
    (is_named || is_source) && !SKIPPED_ENDINGS.iter().any(|skipped| name.ends_with(skipped))
}

fn variable(name: &str) -> io::Result<String> {
    env::var(name).map_err(|e| io::Error::other(format!("{name}: {e}")))
}
