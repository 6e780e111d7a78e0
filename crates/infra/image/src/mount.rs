//! Root filesystems: the layers of an image, one over the other, read-only.

use std::ffi::CString;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, mount_remount, unmount};

use crate::layer::is_opaque;
use crate::store::Pin;

/// What nobody in a container gets from its root filesystem.
const FLAGS: MountFlags = MountFlags::RDONLY.union(MountFlags::NOSUID).union(MountFlags::NODEV);

/// A mounted root filesystem; unmounted when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct RootFs(Arc<Mount>);

#[derive(Debug)]
pub(crate) struct Mount {
    path: PathBuf,
    /// Its layers stay as long as it is mounted.
    _pins: Vec<Pin>,
}

impl RootFs {
    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    pub(crate) fn new(mount: Arc<Mount>) -> Self {
        Self(mount)
    }

    pub(crate) fn mount(&self) -> &Arc<Mount> {
        &self.0
    }
}

impl Mount {
    /// Mounts layers, from the bottom to the top, at a path that is made for it. Blocking, but quick.
    pub(crate) fn new(layers: &[PathBuf], path: PathBuf, pins: Vec<Pin>) -> io::Result<Self> {
        fs::create_dir(&path)?;
        // From here on, dropping it removes what was made.
        let made = Self { path, _pins: pins };
        // Overlayfs takes no directory twice, and what is on top hides itself below.
        let last_of = |(at, layer): &(usize, &PathBuf)| !layers[at + 1..].contains(layer);
        let mut layers = open_all(layers.iter().enumerate().filter(last_of).map(|(_, layer)| layer))?;
        // The root itself may hide what is below, which overlayfs does not look for.
        if let Some(bottom) = layers.iter().rposition(is_opaque) {
            layers.drain(..bottom);
        }
        match &*layers {
            [] => bind(&made.path, &made.path)?,
            [only] => bind(&by_descriptor(only), &made.path)?,
            several => overlay(several, &made.path)?,
        }
        Ok(made)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // A bind mount is there before it is read-only, so what failed half-way may be mounted as well.
        while unmount(&self.path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW).is_ok() {}
        if let Err(error) = fs::remove_dir(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "a root filesystem stays mounted until the next start");
        }
    }
}

fn open_all<'a>(layers: impl Iterator<Item = &'a PathBuf>) -> io::Result<Vec<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    layers.map(|layer| openat(CWD, layer, flags, Mode::empty()).map_err(io::Error::from)).collect()
}

fn bind(source: &Path, target: &Path) -> io::Result<()> {
    mount_bind(source, target)?;
    mount_remount(target, MountFlags::BIND | FLAGS, c"")?;
    Ok(())
}

/// Layers are named by their open descriptors: so their names are short enough for a hundred of them to fit into the page
/// that mount options may take, hold no character that means something, and every kernel understands them.
fn overlay(layers: &[OwnedFd], target: &Path) -> io::Result<()> {
    let mut options = String::from("lowerdir=");
    for (at, layer) in layers.iter().rev().enumerate() {
        let separator = if at == 0 { "" } else { ":" };
        let _ = write!(options, "{separator}{}", by_descriptor(layer).display());
    }
    let options = CString::new(options).map_err(io::Error::other)?;
    mount("overlay", target, "overlay", FLAGS, options.as_c_str())?;
    Ok(())
}

fn by_descriptor(directory: &OwnedFd) -> PathBuf {
    format!("/proc/self/fd/{}", directory.as_raw_fd()).into()
}

/// Unmounts everything below a directory, and removes the places: what a process left that was killed.
pub(crate) fn sweep(directory: &Path) -> io::Result<()> {
    let directory = directory.canonicalize()?;
    let mounts = fs::read("/proc/self/mountinfo")?;
    let mut points: Vec<_> = mounts.split(|byte| *byte == b'\n').filter_map(mount_point).collect();
    points.retain(|point| point.starts_with(&directory) && *point != directory);
    // What was mounted last lies on top.
    for point in points.iter().rev() {
        unmount(point, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW)?;
    }
    for place in fs::read_dir(&directory)? {
        fs::remove_dir(place?.path())?;
    }
    Ok(())
}

/// The fifth word of a line, in which spaces and the like are written as octal numbers.
fn mount_point(line: &[u8]) -> Option<PathBuf> {
    let word = line.split(|byte| *byte == b' ').nth(4)?;
    let (mut path, mut rest) = (Vec::new(), word);
    while let [first, after @ ..] = rest {
        let octal = after.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = octal.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        path.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[3..] } else { after };
    }
    Some(std::ffi::OsString::from_vec(path).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::is_root_or_skipped;

    fn layer(dir: &Path, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let layer = dir.join(name);
        fs::create_dir_all(&layer).unwrap();
        for (file, content) in files {
            fs::create_dir_all(layer.join(file).parent().unwrap()).unwrap();
            fs::write(layer.join(file), content).unwrap();
        }
        layer
    }

    fn count_of_mounts_in(dir: &Path) -> usize {
        let mounts = fs::read("/proc/self/mountinfo").unwrap();
        let points = mounts.split(|byte| *byte == b'\n').filter_map(mount_point);
        points.filter(|point| point.starts_with(dir)).count()
    }

    #[test]
    fn layers_are_mounted_one_over_the_other_and_read_only() {
        if !is_root_or_skipped("layers_are_mounted_one_over_the_other_and_read_only") {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        // Characters that mean something in mount options.
        let dir = dir.path().join("a:b,c d\\");
        let bottom = layer(&dir, "bottom", &[("a", "bottom"), ("b", "bottom")]);
        let top = layer(&dir, "top", &[("b", "top")]);
        for (layers, expected) in [
            (vec![], ""),
            (vec![bottom.clone()], "bottom"),
            (vec![bottom.clone(), top.clone()], "top"),
            (vec![top.clone(), bottom.clone()], "bottom"),
            (vec![bottom.clone(), top.clone(), bottom.clone()], "bottom"),
            (vec![top, bottom.clone(), bottom], "bottom"),
        ] {
            let mounted = Mount::new(&layers, dir.join("mounted"), Vec::new()).unwrap();
            let at = mounted.path.clone();
            assert_eq!(fs::read_to_string(at.join("b")).unwrap_or_default(), expected);
            let error = fs::write(at.join("b"), "").expect_err("it is read-only");
            assert_eq!(error.kind(), io::ErrorKind::ReadOnlyFilesystem);
            drop(mounted);
            assert!(!at.exists());
        }
        assert_eq!(count_of_mounts_in(&dir), 0);
    }

    #[test]
    fn a_hundred_layers_fit() {
        if !is_root_or_skipped("a_hundred_layers_fit") {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let names: Vec<_> = (0..128).map(|at| format!("{at:0200}")).collect();
        let layers: Vec<_> = names.iter().map(|name| layer(dir.path(), name, &[(&name[190..], "")])).collect();
        let mounted = Mount::new(&layers, dir.path().join("mounted"), Vec::new()).unwrap();
        assert_eq!(fs::read_dir(&mounted.path).unwrap().count(), 128);
    }

    #[test]
    fn what_was_left_mounted_is_swept() {
        if !is_root_or_skipped("what_was_left_mounted_is_swept") {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let mounts = dir.path().join("with space");
        fs::create_dir(&mounts).unwrap();
        let layers = [layer(dir.path(), "1", &[("a", "")]), layer(dir.path(), "2", &[("b", "")])];
        std::mem::forget(Mount::new(&layers, mounts.join("1"), Vec::new()).unwrap());
        std::mem::forget(Mount::new(&layers[..1], mounts.join("2"), Vec::new()).unwrap());
        fs::create_dir(mounts.join("3")).unwrap();
        assert_eq!(count_of_mounts_in(&mounts), 2);
        sweep(&mounts).unwrap();
        assert_eq!((count_of_mounts_in(&mounts), fs::read_dir(&mounts).unwrap().count()), (0, 0));
        assert!(layers[0].join("a").exists(), "what was mounted is not touched");
    }
}
