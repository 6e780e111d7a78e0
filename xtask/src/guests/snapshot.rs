//! The checked-in modules and what is recorded about them, kept while others take their place.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{below, write};
use crate::failure::{Doing, Outcome};

/// File contents by path relative to the root.
pub(super) struct Snapshot(BTreeMap<PathBuf, Vec<u8>>);

impl Snapshot {
    pub(super) fn take(root: &Path) -> Outcome<Self> {
        let mut files = BTreeMap::new();
        for file in [below(root, "guests")?, below(root, "examples")?].concat() {
            if is_module(&file) || file.ends_with("mu.lock") {
                let bytes = std::fs::read(root.join(&file)).doing(format_args!("reading {}", file.display()))?;
                files.insert(file, bytes);
            }
        }
        Ok(Self(files))
    }

    /// Brings every file back, and removes modules that were not there.
    pub(super) fn restore(&self, root: &Path) -> Outcome {
        let now = Self::take(root)?;
        for file in now.0.keys().filter(|file| !self.contains(file)) {
            std::fs::remove_file(root.join(file)).doing(format_args!("removing {}", file.display()))?;
        }
        for (file, bytes) in self.0.iter().filter(|(file, bytes)| now.0.get(*file) != Some(bytes)) {
            write(&root.join(file), bytes)?;
        }
        Ok(())
    }

    pub(super) fn contains(&self, file: &Path) -> bool {
        self.0.contains_key(file)
    }

    pub(super) fn modules(&self) -> impl Iterator<Item = (&Path, &[u8])> {
        self.0.iter().map(|(file, bytes)| (file.as_path(), bytes.as_slice())).filter(|(file, _)| is_module(file))
    }
}

/// A `.wasm` file in a folder `modules`.
fn is_module(file: &Path) -> bool {
    let in_modules = file.parent().is_some_and(|folder| folder.ends_with("modules"));
    in_modules && file.extension().is_some_and(|extension| extension == "wasm")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_comes_back() {
        let folder = tempfile::tempdir().expect("there is room for a temporary folder");
        let root = folder.path();
        let put = |file: &str, text: &str| write(&root.join(file), text.as_bytes()).expect("the folder can be written");
        put("guests/modules/kit.wasm", "old");
        put("examples/todo/mu.lock", "old");
        put("examples/todo/modules/api.wasm", "old");
        let before = Snapshot::take(root).expect("the folder can be read");
        assert_eq!(before.modules().count(), 2);

        put("guests/modules/kit.wasm", "new");
        put("guests/modules/more.wasm", "new");
        put("examples/todo/mu.lock", "new");
        put("examples/todo/README.md", "not ours to touch");
        before.restore(root).expect("the folder can be written");

        let read = |file: &str| std::fs::read_to_string(root.join(file)).ok();
        assert_eq!(read("guests/modules/kit.wasm").as_deref(), Some("old"));
        assert_eq!(read("guests/modules/more.wasm"), None);
        assert_eq!(read("examples/todo/mu.lock").as_deref(), Some("old"));
        assert_eq!(read("examples/todo/README.md").as_deref(), Some("not ours to touch"));
    }
}
