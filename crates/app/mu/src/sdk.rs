//! The sources of the SDKs, which the binary carries, because they are not published anywhere.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use mu_stack::Language;

use crate::file;
use crate::packed::{
    ABI_SOURCE, SDK_C_SOURCE, SDK_GO_SOURCE, SDK_JS_SOURCE, SDK_MACROS_SOURCE, SDK_PYTHON_SOURCE, SDK_SOURCE,
    SDK_WIT_SOURCE,
};

/// The folder of a project that holds the SDKs' sources.
pub(crate) const SDK_FOLDER: &str = ".mu/sdk";

/// Where `mu-abi` is, seen from `mu-sdk`: in this repository, and below [`SDK_FOLDER`].
const ABI_PATH: (&str, &str) = ("path = \"../../../crates/model/abi\"", "path = \"../abi\"");

/// A folder below [`SDK_FOLDER`], and its files: path within the folder, contents.
type Part = (&'static str, &'static [(&'static str, &'static str)]);

const WIT: Part = ("wit", SDK_WIT_SOURCE);

/// Writes the SDK of a language to [`SDK_FOLDER`] of the project at `root`. Files that are right already are left
/// alone, so that build tools see no change; files of another version are removed.
pub(crate) fn materialise(root: &Path, language: Language) -> io::Result<()> {
    let sdk = root.join(SDK_FOLDER);
    for part in parts(language) {
        let (folder, wanted) = (sdk.join(part.0), files(part));
        for (path, contents) in &wanted {
            let path = folder.join(path);
            if fs::read(&path).ok().as_deref() != Some(contents.as_bytes()) {
                file::create_parent(&path)?;
                file::write_atomically(&path, contents.as_bytes())?;
            }
        }
        remove_others(&folder, &folder, &wanted)?;
    }
    Ok(())
}

const fn parts(language: Language) -> &'static [Part] {
    match language {
        Language::Rust => &[("abi", ABI_SOURCE), ("mu-sdk", SDK_SOURCE), ("mu-sdk-macros", SDK_MACROS_SOURCE)],
        Language::JavaScript => &[("js", SDK_JS_SOURCE), WIT],
        Language::Python => &[("python", SDK_PYTHON_SOURCE), WIT],
        Language::Go => &[("go", SDK_GO_SOURCE)],
        Language::C => &[("c", SDK_C_SOURCE)],
    }
}

/// A part's files as a project has them.
fn files((_, packed): &Part) -> BTreeMap<PathBuf, String> {
    let fitted = |path: &str, text: &str| match path {
        "Cargo.toml" => text.replace(ABI_PATH.0, ABI_PATH.1),
        _ => text.to_owned(),
    };
    packed.iter().map(|(path, text)| (PathBuf::from(path), fitted(path, text))).collect()
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
        for part in Language::ALL.into_iter().flat_map(parts) {
            assert!(!files(part).is_empty(), "{}: nothing is packed", part.0);
            for (path, text) in files(part) {
                let named = format!("{}/{}", part.0, path.display());
                if path.ends_with("Cargo.toml") {
                    assert!(!text.contains("workspace = true"), "{named}: inherits from a workspace");
                }
                assert!(!text.contains("../../"), "{named}: a path leaves the SDK's folder:\n{text}");
                assert!(!named.contains("_test.") && !named.contains("/tests/"), "{named}: a test of the repository");
            }
        }
    }

    #[test]
    fn materialising_again_changes_nothing_but_what_is_wrong() {
        let project = tempfile::tempdir().unwrap();
        materialise(project.path(), Language::Rust).unwrap();
        let folder = project.path().join(SDK_FOLDER);
        let manifest = folder.join("mu-sdk/Cargo.toml");
        let before = fs::metadata(&manifest).unwrap().modified().unwrap();
        let (changed, stray) = (folder.join("abi/src/lib.rs"), folder.join("abi/src/of_another_version.rs"));
        fs::write(&changed, "changed").unwrap();
        fs::write(&stray, "stray").unwrap();
        materialise(project.path(), Language::Rust).unwrap();
        assert_ne!(fs::read(&changed).unwrap(), b"changed");
        assert!(!stray.exists());
        assert_eq!(fs::metadata(&manifest).unwrap().modified().unwrap(), before);
    }
}
