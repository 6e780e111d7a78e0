//! One hash of everything a function is built from: its source directory, as git would see it, and how it is built.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ignore::WalkBuilder;

/// Folders that hold what tools made of the sources.
const MADE_FOLDERS: [&str; 6] = [".git", ".mu", "target", "node_modules", "__pycache__", ".venv"];

/// Files that build tools write beside the sources, to keep versions as they are.
const LOCK_FILES: [&str; 3] = ["Cargo.lock", "package-lock.json", "go.sum"];

/// The sources of a function at one moment.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sources {
    /// Path within the project (with `/`), hash of the contents; sorted.
    files: Vec<(String, blake3::Hash)>,
}

impl Sources {
    /// Reads the files below `folder` of the project at `root`. Which of them count is decided by the project alone
    /// (its `.gitignore` files), so that the hash is the same in every clone; files and folders that `except` names do not
    /// count.
    pub(crate) fn read(root: &Path, folder: &Path, except: &[PathBuf]) -> io::Result<Self> {
        let mut files = Vec::new();
        let (wanted, unwanted) = (folder.to_owned(), except.to_owned());
        let walk = WalkBuilder::new(root)
            .hidden(false)
            .parents(false)
            .ignore(false)
            .git_global(false)
            .git_exclude(false)
            .require_git(false)
            .filter_entry(move |entry| {
                let is_made = entry.depth() > 0 && MADE_FOLDERS.iter().any(|made| entry.file_name() == *made);
                let is_excepted = unwanted.iter().any(|path| entry.path() == path);
                !is_made && !is_excepted && (entry.path().starts_with(&wanted) || wanted.starts_with(entry.path()))
            })
            .build();
        for entry in walk {
            let entry = entry.map_err(io::Error::other)?;
            let is_source = entry.path().starts_with(folder);
            let Some(kind) = entry.file_type().filter(|kind| is_source && !kind.is_dir()) else { continue };
            let contents = if kind.is_symlink() {
                fs::read_link(entry.path())?.into_os_string().into_encoded_bytes()
            } else {
                fs::read(entry.path())?
            };
            files.push((relative_name(root, entry.path()), blake3::hash(&contents)));
        }
        files.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        Ok(Self { files })
    }

    /// The hash of these sources, built as `definition` says.
    pub(crate) fn hash(&self, definition: &str) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        update_sized(&mut hasher, definition.as_bytes());
        for (name, contents) in &self.files {
            update_sized(&mut hasher, name.as_bytes());
            hasher.update(contents.as_bytes());
        }
        hasher.finalize()
    }

    /// Whether `later` is what a build leaves of `self`: the same files, apart from locks that build tools write.
    pub(crate) fn is_unedited(&self, later: &Self) -> bool {
        fn written(sources: &Sources) -> impl Iterator<Item = &(String, blake3::Hash)> {
            sources.files.iter().filter(|(name, _)| !LOCK_FILES.iter().any(|lock| name.ends_with(lock)))
        }
        written(self).eq(written(later))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The files, by their paths within the project.
    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|(name, _)| name.as_str())
    }
}

/// A path that ends up in a folder of build output or of installed packages, of `.git`, or in mu's own.
pub(crate) fn is_made(path: &Path) -> bool {
    path.components().any(|part| MADE_FOLDERS.iter().any(|made| part.as_os_str() == *made))
}

fn relative_name(root: &Path, path: &Path) -> String {
    let relative: PathBuf = path.strip_prefix(root).unwrap_or(path).into();
    relative.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// Lengths go in before contents, so that no two lists of files run together into the same bytes.
fn update_sized(hasher: &mut blake3::Hasher, bytes: &[u8]) {
    hasher.update(&(bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Tree(tempfile::TempDir);

    impl Tree {
        fn new() -> Self {
            let tree = Self(tempfile::tempdir().unwrap());
            tree.write("mu.yaml", "name: x");
            tree.write("functions/a/src/main.rs", "fn main() {}");
            tree.write("functions/b/src/main.rs", "fn main() {}");
            tree
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            crate::file::create_parent(&path).unwrap();
            fs::write(path, text).unwrap();
        }

        fn sources(&self) -> Sources {
            let root = self.0.path();
            Sources::read(root, &root.join("functions/a"), &[root.join("functions/a/out.wasm")]).unwrap()
        }

        fn hash(&self) -> blake3::Hash {
            self.sources().hash("cargo")
        }
    }

    #[test]
    fn only_sources_and_the_definition_change_the_hash() {
        let tree = Tree::new();
        let first = tree.hash();
        tree.write(".gitignore", "*.log\n");
        for unrelated in [
            "functions/a/target/x",
            "functions/a/.mu/x",
            "functions/a/node_modules/p/x.js",
            "functions/a/__pycache__/x.pyc",
            "functions/a/.venv/x",
            "functions/b/new.rs",
            "functions/a/x.log",
            "functions/a/out.wasm",
        ] {
            tree.write(unrelated, "x");
            assert_eq!(tree.hash(), first, "{unrelated}");
        }
        assert_ne!(tree.sources().hash("make"), first);
        tree.write("functions/a/.cargo/config.toml", "x");
        assert_ne!(tree.hash(), first);
    }

    #[test]
    fn a_name_is_part_of_the_hash() {
        let (one, other) = (Tree::new(), Tree::new());
        one.write("functions/a/x", "text");
        other.write("functions/a/y", "text");
        assert_ne!(one.hash(), other.hash());
    }

    #[test]
    fn a_lock_that_a_build_tool_writes_is_no_edit() {
        let tree = Tree::new();
        let before = tree.sources();
        for lock in ["Cargo.lock", "package-lock.json", "go.sum"] {
            let unlocked = tree.sources();
            tree.write(&format!("functions/a/{lock}"), "version = 4");
            assert!(before.is_unedited(&tree.sources()), "{lock}");
            assert_ne!(unlocked, tree.sources(), "{lock}");
        }
        tree.write("functions/a/src/main.rs", "fn main() { edited() }");
        assert!(!before.is_unedited(&tree.sources()));
    }
}
