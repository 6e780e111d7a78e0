//! The SDK's source, which the binary carries, because `mu-sdk` is not published anywhere.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::file;
use crate::packed::{ABI_SOURCE, SDK_MACROS_SOURCE, SDK_SOURCE};

/// The folder of a project that holds the SDK's source.
pub(crate) const SDK_FOLDER: &str = ".mu/sdk";

/// Where `mu-abi` is, seen from `mu-sdk`: in this repository, and below [`SDK_FOLDER`].
const ABI_PATH: (&str, &str) = ("path = \"../../../crates/model/abi\"", "path = \"../abi\"");

/// Writes the SDK's source to [`SDK_FOLDER`] of the project at `root`. Files that are right already are left alone, so
/// that cargo sees no change; files of another version are removed.
pub(crate) fn materialise(root: &Path) -> io::Result<()> {
    let folder = root.join(SDK_FOLDER);
    let wanted = files();
    for (path, contents) in &wanted {
        let path = folder.join(path);
        if fs::read(&path).ok().as_deref() != Some(contents.as_bytes()) {
            file::create_parent(&path)?;
            file::write_atomically(&path, contents.as_bytes())?;
        }
    }
    remove_others(&folder, &folder, &wanted)
}

/// The SDK's files: path below [`SDK_FOLDER`], contents.
fn files() -> BTreeMap<PathBuf, String> {
    let crates = [("abi", ABI_SOURCE), ("mu-sdk", SDK_SOURCE), ("mu-sdk-macros", SDK_MACROS_SOURCE)];
    let all = crates.into_iter().flat_map(|(name, files)| files.iter().map(move |(path, text)| (name, *path, *text)));
    all.map(|(name, path, text)| {
        let text = if path == "Cargo.toml" { text.replace(ABI_PATH.0, ABI_PATH.1) } else { text.to_owned() };
        (Path::new(name).join(path), text)
    })
    .collect()
}

fn remove_others(root: &Path, folder: &Path, wanted: &BTreeMap<PathBuf, String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            remove_others(root, &path, wanted)?;
        } else if !path.strip_prefix(root).is_ok_and(|relative| wanted.contains_key(relative)) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sdk_depends_on_nothing_outside_of_its_folder() {
        for (path, text) in files() {
            if path.ends_with("Cargo.toml") {
                assert!(!text.contains("../../"), "{}: a path leaves the SDK's folder:\n{text}", path.display());
                assert!(!text.contains("workspace = true"), "{}: inherits from a workspace", path.display());
            }
        }
    }

    #[test]
    fn materialising_again_changes_nothing_but_what_is_wrong() {
        let project = tempfile::tempdir().unwrap();
        materialise(project.path()).unwrap();
        let folder = project.path().join(SDK_FOLDER);
        let manifest = folder.join("mu-sdk/Cargo.toml");
        let before = fs::metadata(&manifest).unwrap().modified().unwrap();
        let (changed, stray) = (folder.join("abi/src/lib.rs"), folder.join("abi/src/of_another_version.rs"));
        fs::write(&changed, "changed").unwrap();
        fs::write(&stray, "stray").unwrap();
        materialise(project.path()).unwrap();
        assert_ne!(fs::read(&changed).unwrap(), b"changed");
        assert!(!stray.exists());
        assert_eq!(fs::metadata(&manifest).unwrap().modified().unwrap(), before);
    }
}
