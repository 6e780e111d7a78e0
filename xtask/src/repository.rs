//! Where things are in this repository.

use std::path::{Path, PathBuf};

use crate::failure::{Doing, Outcome};

/// Folders that hold results and caches, never sources.
const NOT_SOURCES: [&str; 7] = [".git", ".mu", ".venv", "__pycache__", "dist", "node_modules", "target"];

/// The root of the checkout: the folder above this crate.
pub(crate) fn root() -> PathBuf {
    // Cargo says it to whatever it runs. The folder in which this was compiled may be another checkout, when several share
    // a target folder.
    let here = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    here.parent().unwrap_or(&here).to_owned()
}

/// Where cargo puts its results: `CARGO_TARGET_DIR`, else `target` in the root.
pub(crate) fn target_folder() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// Where downloads and tools are kept between runs: `XDG_CACHE_HOME`, else `~/.cache`, and in it `mu`.
pub(crate) fn cache_folder() -> PathBuf {
    let named = |variable| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    named("XDG_CACHE_HOME")
        .or_else(|| named("HOME").map(|home| home.join(".cache")))
        .unwrap_or_else(std::env::temp_dir)
        .join("mu")
}

/// Every source file below a folder, relative to it and sorted; results, caches and links are left out.
pub(crate) fn source_files(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(current) = folders.pop() {
        let listing = std::fs::read_dir(&current).doing(format_args!("listing {}", current.display()))?;
        for entry in listing {
            let entry = entry.doing(format_args!("listing {}", current.display()))?;
            let kind = entry.file_type().doing(format_args!("looking at {}", entry.path().display()))?;
            if kind.is_dir() && !NOT_SOURCES.iter().any(|name| entry.file_name() == *name) {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path().strip_prefix(folder).map(Path::to_owned).unwrap_or(entry.path()));
            }
        }
    }
    files.sort();
    Ok(files)
}
