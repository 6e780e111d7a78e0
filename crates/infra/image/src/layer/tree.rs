//! The directory that a layer is unpacked into, and how nothing gets out of it.
//!
//! Parents of an entry are looked up by `openat2` with the directory as the root: links in them are followed as in a
//! container, and lead no further. The last part of a name is never followed. Nobody else writes there meanwhile.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use rustix::fd::OwnedFd;
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, XattrFlags, chmodat, chownat,
    fchmod, fchown, fsetxattr, futimens, linkat, makedev, mkdirat, mknodat, openat, openat2, statat, symlinkat, syncfs,
    unlinkat, utimensat,
};
use rustix::io::Errno;

use super::budget::Meter;
use super::entries::{Entry, cut_off, shown};
use super::extensions::NAME_BYTES_MAX;
use super::{LayerError, remove_tree};

const PART_BYTES_MAX: usize = 255;
/// How overlayfs knows that a directory hides what is below it.
const OPAQUE: &str = "trusted.overlay.opaque";
/// Directories that no entry speaks of.
const DIRECTORY_MODE: u32 = 0o755;
/// Permissions: not to become somebody else by running a file.
const MODE_BITS: u32 = 0o1777;

/// The name of an entry in parts, none of which leads upward. A slash in front means nothing: some tools write one, and
/// mean the root of the container.
pub(super) struct Name<'a> {
    parts: Vec<&'a [u8]>,
    whole: &'a [u8],
}

impl<'a> Name<'a> {
    pub(super) fn parse(whole: &'a [u8]) -> Result<Self, LayerError> {
        let parts: Vec<_> = whole.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b".")).collect();
        let name = Self { parts, whole };
        let reason = if name.parts.contains(&&b".."[..]) {
            "has `..` in its name"
        } else if whole.contains(&0) {
            "has a NUL in its name"
        } else if whole.len() > NAME_BYTES_MAX || name.parts.iter().any(|part| part.len() > PART_BYTES_MAX) {
            "has a name that is too long"
        } else {
            return Ok(name);
        };
        Err(name.hostile(reason))
    }

    /// The last part; `None` for the root.
    pub(super) fn last(&self) -> Option<&'a [u8]> {
        self.parts.last().copied()
    }

    pub(super) fn hostile(&self, reason: impl Into<String>) -> LayerError {
        LayerError::Hostile { entry: shown(self.whole), reason: reason.into() }
    }

    fn parents(&self) -> &[&'a [u8]] {
        &self.parts[..self.parts.len().saturating_sub(1)]
    }
}

/// What stood where an entry is to be made.
#[derive(PartialEq, Eq)]
enum Found {
    Nothing,
    Directory,
    /// What hid the entries of lower layers, and does so no more.
    Hiding,
}

pub(super) struct Tree<'a> {
    root: OwnedFd,
    meter: &'a Meter<'a>,
    /// Whether files may be given to their owners. Who may not has them all, and cannot mount them anyway.
    is_privileged: bool,
}

impl<'a> Tree<'a> {
    pub(super) fn open(path: &Path, meter: &'a Meter<'a>) -> Result<Self, LayerError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, path, flags, Mode::empty()).map_err(io(path.display()))?;
        // Whatever the process makes directories with by default.
        fchmod(&root, Mode::from_raw_mode(DIRECTORY_MODE)).map_err(io(path.display()))?;
        Ok(Self { root, meter, is_privileged: rustix::process::geteuid().is_root() })
    }

    pub(super) fn root_metadata(&self, entry: &Entry) -> Result<(), LayerError> {
        self.metadata(&self.root, entry).map_err(io("the root"))
    }

    pub(super) fn directory(&self, name: &Name<'_>, entry: &Entry) -> Result<(), LayerError> {
        let (parent, last) = self.place(name)?;
        let found = make_room(&parent, last, FileType::Directory).map_err(write(name))?;
        let directory = self.make_directory(&parent, last, &found).map_err(write(name))?;
        self.metadata(&directory, entry).map_err(write(name))
    }

    pub(super) fn file(&self, name: &Name<'_>, entry: &Entry, content: &mut impl Read) -> Result<(), LayerError> {
        let (parent, last) = self.place(name)?;
        make_room(&parent, last, FileType::RegularFile).map_err(write(name))?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&parent, last, flags, Mode::RUSR | Mode::WUSR).map_err(write(name))?;
        let mut file = File::from(file);
        match &entry.sparse {
            None => copy(content, entry.stored, &mut file, name)?,
            Some(sparse) => {
                // Holes take no room here, but may in whoever reads them.
                self.meter.take_bytes(sparse.real_size.saturating_sub(entry.stored))?;
                for (offset, length) in &sparse.segments {
                    file.seek(SeekFrom::Start(*offset)).map_err(write_io(name))?;
                    copy(content, *length, &mut file, name)?;
                }
                file.set_len(sparse.real_size).map_err(write_io(name))?;
            }
        }
        self.metadata(&file.into(), entry).map_err(write(name))
    }

    pub(super) fn symlink(&self, name: &Name<'_>, entry: &Entry) -> Result<(), LayerError> {
        if entry.link.is_empty() || entry.link.len() > NAME_BYTES_MAX || entry.link.contains(&0) {
            return Err(name.hostile("links to what is no name"));
        }
        let (parent, last) = self.place(name)?;
        make_room(&parent, last, FileType::Symlink).map_err(write(name))?;
        symlinkat(&*entry.link, &parent, last).map_err(write(name))?;
        if self.is_privileged {
            let (user, group) = owner(entry);
            chownat(&parent, last, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW).map_err(write(name))?;
        }
        utimensat(&parent, last, &times(entry), AtFlags::SYMLINK_NOFOLLOW).map_err(write(name))
    }

    pub(super) fn hard_link(&self, name: &Name<'_>, target: &Name<'_>) -> Result<(), LayerError> {
        let missing = || name.hostile(format!("links to `{}`, which is no file of its layer", shown(target.whole)));
        let target_last = target.last().ok_or_else(missing)?;
        let target_parent = match self.look_up(target.parents()) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Err(missing()),
            other => other.map_err(write(target))?,
        };
        match statat(&target_parent, target_last, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Err(missing()),
            Err(error) => return Err(write(target)(error)),
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => return Err(missing()),
            Ok(_) => {}
        }
        let (parent, last) = self.place(name)?;
        make_room(&parent, last, FileType::RegularFile).map_err(write(name))?;
        match linkat(&target_parent, target_last, &parent, last, AtFlags::empty()) {
            // Making room took the target away.
            Err(Errno::NOENT) => Err(missing()),
            other => other.map_err(write(name)),
        }
    }

    pub(super) fn fifo(&self, name: &Name<'_>, entry: &Entry) -> Result<(), LayerError> {
        let (parent, last) = self.place(name)?;
        make_room(&parent, last, FileType::Fifo).map_err(write(name))?;
        mknodat(&parent, last, FileType::Fifo, Mode::empty(), 0).map_err(write(name))?;
        chmodat(&parent, last, mode(entry), AtFlags::empty()).map_err(write(name))?;
        if self.is_privileged {
            let (user, group) = owner(entry);
            chownat(&parent, last, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW).map_err(write(name))?;
        }
        Ok(())
    }

    /// Hides what lower layers have under the name `hidden` beside `name`. A directory of that name in this layer stays,
    /// and is all there is of it.
    pub(super) fn whiteout(&self, name: &Name<'_>, hidden: &[u8]) -> Result<(), LayerError> {
        let (parent, _) = self.place(name)?;
        match kind_of(&parent, hidden).map_err(write(name))? {
            None => mknodat(&parent, hidden, FileType::CharacterDevice, Mode::empty(), makedev(0, 0)),
            Some((FileType::Directory, _)) => {
                open_directory(&parent, hidden).and_then(|directory| hide_below(&directory))
            }
            // A file hides what is below it as it is.
            Some(_) => Ok(()),
        }
        .map_err(write(name))
    }

    /// Hides all that lower layers have in the directory that holds `name`.
    pub(super) fn opaque(&self, name: &Name<'_>) -> Result<(), LayerError> {
        let parent = self.place(name)?.0;
        let directory = openat(&parent, c".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        directory.and_then(|directory| hide_below(&directory)).map_err(write(name))
    }

    /// Makes everything durable.
    pub(super) fn sync(&self) -> Result<(), LayerError> {
        syncfs(&self.root).map_err(io("the layer"))
    }

    /// The directory that an entry belongs into, made if it is not there, and the last part of its name.
    fn place<'n>(&self, name: &Name<'n>) -> Result<(OwnedFd, &'n [u8]), LayerError> {
        let last = name.last().ok_or_else(|| name.hostile("takes the place of the root"))?;
        let parent = match self.look_up(name.parents()) {
            Err(Errno::NOENT | Errno::NOTDIR) => self.make_parents(name)?,
            other => other.map_err(write(name))?,
        };
        Ok((parent, last))
    }

    fn look_up(&self, parts: &[&[u8]]) -> Result<OwnedFd, Errno> {
        let path = if parts.is_empty() { b".".to_vec() } else { parts.join(&b'/') };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
        loop {
            match openat2(&self.root, &*path, flags, Mode::empty(), resolve) {
                // Something was renamed somewhere while the kernel followed a `..` of a link.
                Err(Errno::AGAIN) => {}
                other => return other,
            }
        }
    }

    fn make_parents(&self, name: &Name<'_>) -> Result<OwnedFd, LayerError> {
        let mut parent = self.look_up(&[]).map_err(write(name))?;
        for (at, part) in name.parents().iter().enumerate() {
            parent = match self.look_up(&name.parents()[..=at]) {
                Err(Errno::NOENT | Errno::NOTDIR) => {
                    let found = match kind_of(&parent, part).map_err(write(name))? {
                        None => Found::Nothing,
                        Some((FileType::CharacterDevice, _)) => {
                            unlinkat(&parent, *part, AtFlags::empty()).map_err(write(name))?;
                            Found::Hiding
                        }
                        Some(_) => {
                            return Err(name.hostile(format!("goes through `{}`, which is no directory", shown(part))));
                        }
                    };
                    self.meter.take_file()?;
                    self.make_directory(&parent, part, &found).map_err(write(name))?
                }
                other => other.map_err(write(name))?,
            };
        }
        Ok(parent)
    }

    fn make_directory(&self, parent: &OwnedFd, name: &[u8], found: &Found) -> Result<OwnedFd, Errno> {
        if *found == Found::Directory {
            return open_directory(parent, name);
        }
        mkdirat(parent, name, Mode::RWXU)?;
        let directory = open_directory(parent, name)?;
        fchmod(&directory, Mode::from_raw_mode(DIRECTORY_MODE))?;
        if *found == Found::Hiding {
            hide_below(&directory)?;
        }
        Ok(directory)
    }

    /// Owner, permissions and time of what is open. Times of directories stay those of being unpacked: what is made in
    /// them later would change them again.
    fn metadata(&self, made: &OwnedFd, entry: &Entry) -> Result<(), Errno> {
        if self.is_privileged {
            let (user, group) = owner(entry);
            fchown(made, Some(user), Some(group))?;
        }
        fchmod(made, mode(entry))?;
        futimens(made, &times(entry))
    }
}

/// Takes away what stands where an entry of this kind is to be made, unless both are directories.
fn make_room(parent: &OwnedFd, name: &[u8], wanted: FileType) -> Result<Found, Errno> {
    match kind_of(parent, name)? {
        None => Ok(Found::Nothing),
        Some((FileType::Directory, _)) if wanted == FileType::Directory => Ok(Found::Directory),
        Some(_) => {
            remove_tree(parent, name)?;
            Ok(Found::Hiding)
        }
    }
}

fn kind_of(parent: &OwnedFd, name: &[u8]) -> Result<Option<(FileType, u64)>, Errno> {
    match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some((FileType::from_raw_mode(stat.st_mode), stat.st_rdev))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

fn open_directory(parent: &OwnedFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}

fn hide_below(directory: &OwnedFd) -> Result<(), Errno> {
    fsetxattr(directory, OPAQUE, b"y", XattrFlags::empty())
}

/// Whether a directory hides what is below it.
pub(crate) fn is_opaque(directory: &OwnedFd) -> bool {
    let mut value = [0_u8; 4];
    rustix::fs::fgetxattr(directory, OPAQUE, &mut value).is_ok_and(|length| value[..length] == *b"y")
}

fn copy(content: &mut impl Read, length: u64, file: &mut File, name: &Name<'_>) -> Result<(), LayerError> {
    let mut buffer = [0; 16 << 10];
    let mut left = length;
    while left > 0 {
        let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let count = content.read(&mut buffer[..wanted]).map_err(cut_off)?;
        if count == 0 {
            return Err(cut_off(io::ErrorKind::UnexpectedEof.into()));
        }
        io::Write::write_all(file, &buffer[..count]).map_err(write_io(name))?;
        left -= count as u64;
    }
    Ok(())
}

fn owner(entry: &Entry) -> (Uid, Gid) {
    (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid))
}

fn mode(entry: &Entry) -> Mode {
    Mode::from_raw_mode(entry.mode & MODE_BITS)
}

fn times(entry: &Entry) -> Timestamps {
    let time = Timespec { tv_sec: entry.mtime, tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}

fn write<'n>(name: &Name<'n>) -> impl Fn(Errno) -> LayerError + use<'n> {
    let whole = name.whole;
    move |error| match error {
        Errno::LOOP => {
            LayerError::Hostile { entry: shown(whole), reason: "goes through links that lead in a circle".to_owned() }
        }
        error => io(format!("`{}`", shown(whole)))(error),
    }
}

fn write_io<'n>(name: &Name<'n>) -> impl Fn(io::Error) -> LayerError + use<'n> {
    let whole = name.whole;
    move |source| LayerError::Io { action: format!("`{}` cannot be written", shown(whole)), source }
}

fn io(what: impl std::fmt::Display) -> impl Fn(Errno) -> LayerError {
    move |error| {
        let action = match error {
            Errno::NOSYS => "the kernel is older than 5.6 and cannot confine it".to_owned(),
            Errno::PERM => format!("{what} cannot be made without being root"),
            _ => format!("{what} cannot be written"),
        };
        LayerError::Io { action, source: error.into() }
    }
}
