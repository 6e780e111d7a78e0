//! What is mounted, as the kernel tells it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use rustix::mount::{UnmountFlags, unmount};

/// A line of `/proc/self/mountinfo`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Where it is mounted.
    pub(crate) dir: PathBuf,
    /// `cgroup2`, `tmpfs`.
    pub(crate) kind: String,
    /// Options of the filesystem: for cgroups of version 1, its controllers are among them.
    pub(crate) options: String,
}

/// All mounts that this process sees, in the order in which they were made.
pub(crate) fn all() -> io::Result<Vec<Mount>> {
    Ok(parse(&fs::read_to_string("/proc/self/mountinfo")?))
}

/// Unmounts whatever is mounted at `dir` or beneath it. It vanishes at once; those who still use it keep it until they
/// are done.
pub(crate) fn unmount_beneath(dir: &Path) -> io::Result<()> {
    for mount in all()?.iter().rev().filter(|mount| mount.dir.starts_with(dir)) {
        unmount(&mount.dir, UnmountFlags::DETACH)?;
    }
    Ok(())
}

fn parse(mountinfo: &str) -> Vec<Mount> {
    mountinfo.lines().filter_map(parse_line).collect()
}

/// `36 35 98:0 /a /dir rw,noatime master:1 - ext4 /dev/sda rw,errors=continue`, with any number of tags before the dash.
fn parse_line(line: &str) -> Option<Mount> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let mut filesystem = filesystem.split(' ');
    let (kind, options) = (filesystem.next()?, filesystem.nth(1)?);
    Some(Mount { dir: unescape(mount.split(' ').nth(4)?), kind: kind.to_owned(), options: options.to_owned() })
}

/// Spaces and the like are written as `\040`.
fn unescape(text: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let octal = after.get(..3).filter(|_| first == b'\\').and_then(|digits| str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mountinfo_is_read() {
        let text = r"27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:15 master:2 - cgroup cgroup rw,memory
60 27 0:50 / /var/lib/a\040b\134 ro - tmpfs tmpfs rw,size=64k
nonsense";
        let mount = |dir: &str, kind: &str, options: &str| Mount {
            dir: dir.into(),
            kind: kind.into(),
            options: options.into(),
        };
        assert_eq!(
            parse(text),
            [
                mount("/", "ext4", "rw,discard"),
                mount("/sys/fs/cgroup/memory", "cgroup", "rw,memory"),
                mount(r"/var/lib/a b\", "tmpfs", "rw,size=64k"),
            ]
        );
    }
}
