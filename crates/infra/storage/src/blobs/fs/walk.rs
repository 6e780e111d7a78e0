//! Listing: a walk through the directories in the order of the keys.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use super::name::{self, Kind, Piece};
use crate::blobs::BlobInfo;

/// Fewest entries of a directory that are taken in one pass over it.
const PASS_ENTRIES_MIN: usize = 64;

/// The first `limit` blobs under `root` whose keys begin with `prefix` and are greater than `after`, in order.
pub(super) fn list(root: &Path, prefix: &str, after: Option<&str>, limit: usize) -> io::Result<Vec<BlobInfo>> {
    let mut walk = Walk { prefix: prefix.as_bytes(), after: after.map(str::as_bytes), limit, found: Vec::new() };
    if limit > 0 {
        let (path, rest) = name::directory(root, prefix);
        walk.directory(&path, &mut prefix.as_bytes()[..prefix.len() - rest.len()].to_vec())?;
    }
    Ok(walk.found)
}

struct Walk<'a> {
    prefix: &'a [u8],
    after: Option<&'a [u8]>,
    limit: usize,
    found: Vec<BlobInfo>,
}

impl Walk<'_> {
    /// Lists what is in a directory, all of whose keys begin with `key`. Directories nest at most as deep as the
    /// operating system's longest path allows.
    fn directory(&mut self, path: &Path, key: &mut Vec<u8>) -> io::Result<()> {
        let length = key.len();
        let mut last = None;
        // Mostly one pass: another one follows only when directories turned out to hold nothing wanted.
        loop {
            let room = (self.limit - self.found.len()).max(PASS_ENTRIES_MIN);
            let pieces = self.first_pieces(path, key, last.as_ref(), room)?;
            let is_last_pass = pieces.len() < room;
            for piece in pieces {
                key.extend_from_slice(&piece.text);
                match piece.kind {
                    Kind::Directory => self.directory(&name::entry(path, &piece), key)?,
                    Kind::Blob => self.blob(&name::entry(path, &piece), key)?,
                }
                key.truncate(length);
                if self.found.len() >= self.limit {
                    return Ok(());
                }
                last = Some(piece);
            }
            if is_last_pass {
                return Ok(());
            }
        }
    }

    /// The first `count` pieces after `last` that can matter, in order. No more are kept in memory, however many the
    /// directory has.
    fn first_pieces(
        &self,
        path: &Path,
        key: &mut Vec<u8>,
        last: Option<&Piece>,
        count: usize,
    ) -> io::Result<BTreeSet<Piece>> {
        let length = key.len();
        let mut first = BTreeSet::new();
        for entry in unless_gone(fs::read_dir(path))?.into_iter().flatten() {
            let Some(piece) = entry?.file_name().to_str().and_then(name::decode) else { continue };
            key.extend_from_slice(&piece.text);
            let matters = match piece.kind {
                Kind::Directory => self.may_hold(key),
                Kind::Blob => self.wants(key),
            };
            key.truncate(length);
            if matters && last.is_none_or(|last| piece > *last) {
                first.insert(piece);
                if first.len() > count {
                    first.pop_last();
                }
            }
        }
        Ok(first)
    }

    fn blob(&mut self, path: &Path, key: &[u8]) -> io::Result<()> {
        if let (Ok(key), Some(metadata)) = (str::from_utf8(key), unless_gone(fs::symlink_metadata(path))?) {
            self.found.push(BlobInfo { key: key.to_owned(), size_bytes: metadata.len() });
        }
        Ok(())
    }

    fn wants(&self, key: &[u8]) -> bool {
        key.starts_with(self.prefix) && self.after.is_none_or(|after| key > after)
    }

    /// Whether a key that begins with `start` can be wanted.
    fn may_hold(&self, start: &[u8]) -> bool {
        let matches_prefix = start.starts_with(self.prefix) || self.prefix.starts_with(start);
        matches_prefix && self.after.is_none_or(|after| start > after || after.starts_with(start))
    }
}

/// What was removed while it was being listed is not listed.
fn unless_gone<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
