//! `mu.lock`: which module was built from which sources.
//!
//! One line per function, sorted by name: `name source-hash module-hash`, both hashes BLAKE3 in hexadecimal. Two
//! branches that build different functions merge without a conflict.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use crate::file;

/// The file's name, beside `mu.yaml`.
pub(crate) const LOCK_FILE: &str = "mu.lock";

const HEADER: &str = "\
# Which module was built from which sources: function, hash of its sources, hash of its module.
# Written by `mu build`; keep it in version control beside the modules.
mu-lock 1
";

/// The most bytes read of a lock file: room for thousands of functions.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What `mu.lock` says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Lock {
    functions: BTreeMap<String, Built>,
}

/// The last build of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Built {
    /// Hash of the sources and the build's definition.
    pub(crate) source: blake3::Hash,
    /// Hash of the module's bytes.
    pub(crate) module: blake3::Hash,
}

/// Why a lock file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    #[error("reading mu.lock")]
    Read(#[source] io::Error),
    #[error("mu.lock is larger than {FILE_BYTES_MAX} bytes")]
    TooLarge,
    #[error("mu.lock, line {line}: not `function source-hash module-hash`")]
    Line { line: usize },
    #[error("mu.lock does not say `mu-lock 1`: another version of mu wrote it")]
    Version,
}

impl Lock {
    /// Reads the lock of the project at `root`; one that is absent is empty.
    pub(crate) fn read(root: &Path) -> Result<Self, LockError> {
        let path = root.join(LOCK_FILE);
        match fs::metadata(&path) {
            Ok(found) if found.len() > FILE_BYTES_MAX => return Err(LockError::TooLarge),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            _ => {}
        }
        Self::parse(&fs::read_to_string(&path).map_err(LockError::Read)?)
    }

    fn parse(text: &str) -> Result<Self, LockError> {
        let lines = text.lines().zip(1..).filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
        let mut lines = lines.peekable();
        if lines.next_if(|(line, _)| *line == "mu-lock 1").is_none() {
            return Err(LockError::Version);
        }
        let functions = lines.map(|(text, line)| parse_line(text).ok_or(LockError::Line { line }));
        Ok(Self { functions: functions.collect::<Result<_, _>>()? })
    }

    /// Replaces the lock of the project at `root`, unless it says the same already.
    pub(crate) fn write(&self, root: &Path) -> io::Result<()> {
        let (path, text) = (root.join(LOCK_FILE), self.to_text());
        if fs::read(&path).ok().as_deref() == Some(text.as_bytes()) {
            return Ok(());
        }
        file::write_atomically(&path, text.as_bytes())
    }

    pub(crate) fn record(&mut self, function: &str, built: Built) {
        self.functions.insert(function.to_owned(), built);
    }

    /// Forgets functions that `keep` does not know.
    pub(crate) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.functions.retain(|name, _| keep(name));
    }

    pub(crate) fn built(&self, function: &str) -> Option<&Built> {
        self.functions.get(function)
    }

    fn to_text(&self) -> String {
        let lines = self.functions.iter().map(|(name, built)| format!("{name} {} {}\n", built.source, built.module));
        HEADER.to_owned() + &lines.collect::<String>()
    }
}

fn parse_line(text: &str) -> Option<(String, Built)> {
    let mut words = text.split_whitespace();
    let (name, source, module) = (words.next()?, words.next()?, words.next()?);
    let built = Built { source: source.parse().ok()?, module: module.parse().ok()? };
    words.next().is_none().then(|| (name.to_owned(), built))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(text: &str) -> Built {
        Built { source: blake3::hash(text.as_bytes()), module: blake3::hash(b"module") }
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Lock::read(folder.path()).unwrap(), Lock::default());
        let mut lock = Lock::default();
        lock.record("todo", built("a"));
        lock.record("mail", built("b"));
        lock.write(folder.path()).unwrap();
        assert_eq!(Lock::read(folder.path()).unwrap(), lock);
        lock.retain(|name| name == "mail");
        assert_eq!((lock.built("todo"), lock.built("mail")), (None, Some(&built("b"))));
    }

    #[test]
    fn a_broken_lock_is_named_by_its_line() {
        for (text, expected) in [
            ("", "mu.lock does not say `mu-lock 1`: another version of mu wrote it"),
            ("mu-lock 2\n", "mu.lock does not say `mu-lock 1`: another version of mu wrote it"),
            ("mu-lock 1\n# note\n\n<<<<<<< HEAD\n", "mu.lock, line 4: not `function source-hash module-hash`"),
            ("mu-lock 1\nf 00 11\n", "mu.lock, line 2: not `function source-hash module-hash`"),
        ] {
            assert_eq!(Lock::parse(text).unwrap_err().to_string(), expected, "{text:?}");
        }
    }
}
