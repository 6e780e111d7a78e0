//! Listing: a walk through the directories in the order of the keys.

use std::fs;
use std::io;
use std::path::Path;

use super::name::{self, Kind, Piece};
use crate::blobs::BlobInfo;

/// The first `limit` blobs under `root` whose keys begin with `prefix` and are greater than `after`, in order.
pub(super) fn list(root: &Path, prefix: &str, after: Option<&str>, limit: usize) -> io::Result<Vec<BlobInfo>> {
    let mut walk = Walk { prefix: prefix.as_bytes(), after: after.map(str::as_bytes), limit, found: Vec::new() };
    if limit > 0 {
        walk.directory(root, &mut Vec::new())?;
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
        let mut pieces: Vec<(Piece, fs::DirEntry)> = Vec::new();
        for entry in unless_gone(fs::read_dir(path))?.into_iter().flatten() {
            let entry = entry?;
            if let Some(piece) = entry.file_name().to_str().and_then(name::decode) {
                pieces.push((piece, entry));
            }
        }
        pieces.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let length = key.len();
        for (piece, entry) in pieces {
            if self.found.len() >= self.limit {
                break;
            }
            key.extend_from_slice(&piece.text);
            match piece.kind {
                Kind::Directory if self.may_hold(key) => self.directory(&entry.path(), key)?,
                Kind::Blob if self.wants(key) => self.blob(&entry, key)?,
                Kind::Directory | Kind::Blob => {}
            }
            key.truncate(length);
        }
        Ok(())
    }

    fn blob(&mut self, entry: &fs::DirEntry, key: &[u8]) -> io::Result<()> {
        if let (Ok(key), Some(metadata)) = (str::from_utf8(key), unless_gone(entry.metadata())?) {
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
