//! Removing directories that somebody else filled.

use std::ffi::CStr;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, Mode, OFlags, RenameFlags, openat, renameat_with, unlinkat};
use rustix::io::{Errno, Result};
use rustix::path::Arg;

/// Removes a file, or a directory with all that is in it; nothing happens if it is not there. However deep it is, three
/// files are open at once: what lies deeper is moved up first.
pub(crate) fn remove_tree<P: Arg + Copy>(parent: impl AsFd, name: P) -> Result<()> {
    match unlinkat(&parent, name, AtFlags::empty()) {
        Err(Errno::ISDIR) => {}
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(error),
    }
    let top = open(&parent, name)?;
    let mut moved = 0;
    loop {
        let directories = directories_left(&top)?;
        if directories.is_empty() {
            break;
        }
        for directory in directories {
            let directory = directory.as_c_str();
            let inside = open(&top, directory)?;
            for deeper in directories_left(&inside)? {
                lift(&inside, &deeper, &top, &mut moved)?;
            }
            unlinkat(&top, directory, AtFlags::REMOVEDIR)?;
        }
    }
    unlinkat(&parent, name, AtFlags::REMOVEDIR)
}

fn open<P: Arg>(parent: impl AsFd, name: P) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}

/// Removes the files of a directory, and answers its directories.
fn directories_left(directory: &OwnedFd) -> Result<Vec<std::ffi::CString>> {
    let mut directories = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        match unlinkat(directory, name, AtFlags::empty()) {
            Err(Errno::ISDIR) => directories.push(name.to_owned()),
            other => other?,
        }
    }
    Ok(directories)
}

/// Moves a directory to the top, under a name that is free there.
fn lift(from: &OwnedFd, name: &CStr, top: &OwnedFd, moved: &mut u64) -> Result<()> {
    loop {
        *moved += 1;
        match renameat_with(from, name, top, format!("{moved}"), RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::fs::mkdirat;

    use super::*;

    #[test]
    fn what_is_deeper_than_any_path_is_removed() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("kept"), "kept").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let parent = open(rustix::fs::CWD, dir.path()).unwrap();
        let mut at = parent.try_clone().unwrap();
        // Longer than a path may be, and deeper than files may be open.
        for depth in 0..1200 {
            let name = if depth == 0 { "tree" } else { "deep" };
            mkdirat(&at, name, Mode::RWXU).unwrap();
            at = open(&at, name).unwrap();
            rustix::fs::symlinkat(outside.path(), &at, "link").unwrap();
        }
        drop(at);
        fs::create_dir_all(dir.path().join("tree/2/3")).unwrap();
        remove_tree(&parent, "tree").unwrap();
        remove_tree(&parent, "tree").unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert_eq!(fs::read_to_string(outside.path().join("kept")).unwrap(), "kept");
    }
}
