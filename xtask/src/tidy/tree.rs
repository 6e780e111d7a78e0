//! The repository's files, read once; tests make small ones from literals.

use std::collections::BTreeMap;
use std::path::Path;

use crate::failure::{Doing, Outcome};
use crate::repository;

/// Larger files are data, not sources.
const TEXT_BYTES_MAX: u64 = 1 << 20;

/// Paths relative to the root, with `/`, and the text of those that have one.
pub(super) struct Tree {
    files: BTreeMap<String, Option<String>>,
}

impl Tree {
    pub(super) fn read(root: &Path) -> Outcome<Self> {
        let mut files = BTreeMap::new();
        for path in repository::source_files(root)? {
            let file = root.join(&path);
            let name = path.to_string_lossy().into_owned();
            let bytes = std::fs::metadata(&file).doing(format_args!("looking at {name}"))?.len();
            let text = if bytes <= TEXT_BYTES_MAX {
                String::from_utf8(std::fs::read(&file).doing(format_args!("reading {name}"))?).ok()
            } else {
                None
            };
            files.insert(name, text);
        }
        Ok(Self { files })
    }

    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), Some((*text).to_owned())));
        Self { files: files.collect() }
    }

    /// Every file that has a text.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }

    /// Every text whose path ends so.
    pub(super) fn texts_ending(&self, end: &str) -> impl Iterator<Item = (&str, &str)> {
        self.texts().filter(move |(path, _)| path.ends_with(end))
    }

    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.as_deref()
    }

    /// Whether there is such a file, or a folder with files in it.
    pub(super) fn contains(&self, path: &str) -> bool {
        let below = format!("{path}/");
        path.is_empty()
            || self.files.contains_key(path)
            || self.files.range(below.clone()..).next().is_some_and(|(next, _)| next.starts_with(&below))
    }

    /// Names of the folders directly below `folder` that hold a file of this name.
    pub(super) fn folders_with(&self, folder: &str, file: &str) -> Vec<String> {
        let names = self.files.keys().filter_map(|path| {
            let (name, rest) = path.strip_prefix(folder)?.strip_prefix('/')?.split_once('/')?;
            (rest == file).then(|| name.to_owned())
        });
        names.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_files_and_folders() {
        let tree = Tree::of(&[("a/b/c.rs", ""), ("a/b-d.rs", "")]);
        for (path, there) in [("a/b/c.rs", true), ("a/b", true), ("a", true), ("a/c", false), ("a/b-", false)] {
            assert_eq!(tree.contains(path), there, "{path}");
        }
        assert_eq!(tree.folders_with("a", "c.rs"), ["b"]);
    }
}
