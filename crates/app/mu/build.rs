//! Packs what `mu` writes into projects: the templates of `mu init`, which are the repository's examples, and the
//! source of the SDK, which is not published anywhere. Only files that belong there are taken, so that whatever else a
//! working copy holds (build output, data of `mu run`) stays out of the binary.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Each packed folder: the constant it becomes, and its path from the repository's root.
const PACKS: [(&str, &str); 6] = [
    ("HELLO_TEMPLATE", "examples/hello"),
    ("TODO_TEMPLATE", "examples/todo"),
    ("CHAT_TEMPLATE", "examples/chat"),
    ("ABI_SOURCE", "crates/model/abi"),
    ("SDK_SOURCE", "sdk/rust/mu-sdk"),
    ("SDK_MACROS_SOURCE", "sdk/rust/mu-sdk-macros"),
];

/// Folders that are made, not written.
const SKIPPED_FOLDERS: [&str; 4] = ["target", ".mu", "modules", "tests"];

/// What sources are written in; everything else (modules, locks of another workspace) is left out.
const KEPT_EXTENSIONS: [&str; 3] = ["rs", "toml", "yaml"];

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
        } else if path.extension().is_some_and(|e| KEPT_EXTENSIONS.iter().any(|kept| e == *kept)) {
            files.push(path);
        }
    }
    Ok(())
}

fn variable(name: &str) -> io::Result<String> {
    env::var(name).map_err(|e| io::Error::other(format!("{name}: {e}")))
}
