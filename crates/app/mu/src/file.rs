//! Files that are whole or absent, never half written.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::NamedTempFile;

/// Replaces `path` with `contents`: another process sees the old file or the new one.
pub(crate) fn write_atomically(path: &Path, contents: &[u8]) -> io::Result<()> {
    // A temporary file is private by default; what is written here is as readable as any other file.
    written(path, contents, 0o644)?.persist(path).map_err(|e| e.error)?;
    Ok(())
}

/// The same for a file that nobody but its owner may read.
pub(crate) fn write_privately(path: &Path, contents: &[u8]) -> io::Result<()> {
    written(path, contents, 0o600)?.persist(path).map_err(|e| e.error)?;
    Ok(())
}

/// Makes a file that nobody but its owner may read; one that is there is left as it is, and an error.
pub(crate) fn create_privately(path: &Path, contents: &[u8]) -> io::Result<()> {
    written(path, contents, 0o600)?.persist_noclobber(path).map_err(|e| e.error)?;
    Ok(())
}

/// Moves a file to where another may be, which it replaces, also from another file system.
pub(crate) fn move_to(from: &Path, to: &Path) -> io::Result<()> {
    if fs::rename(from, to).is_ok() {
        return Ok(());
    }
    let mut beside = written(to, &[], 0o644)?;
    io::copy(&mut fs::File::open(from)?, &mut beside)?;
    beside.persist(to).map_err(|e| e.error)?;
    fs::remove_file(from)
}

/// A file with these contents beside `path`.
fn written(path: &Path, contents: &[u8], mode: u32) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let permissions = fs::Permissions::from_mode(mode);
    let mut file = tempfile::Builder::new().prefix(".mu-").permissions(permissions).tempfile_in(folder)?;
    file.write_all(contents)?;
    Ok(file)
}

/// Creates the folder of `path`.
pub(crate) fn create_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}
