use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::PathBuf;

use tar::{EntryType, Header};

use super::*;
use crate::testing::{Tar, gzip, is_root_or_skipped};

struct Unpacked {
    /// Holds `layer`, and beside it what must not be reached.
    outside: tempfile::TempDir,
    result: Result<(), LayerError>,
}

impl Unpacked {
    fn path(&self, name: &str) -> PathBuf {
        self.outside.path().join("layer").join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

fn unpack_with(layer: &[u8], budget: &Budget) -> Unpacked {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    let into = outside.path().join("layer");
    fs::create_dir(&into).unwrap();
    let diff_id = Digest::of(layer);
    let result = unpack(layer, &into, &diff_id, budget, &Stop::default()).map(drop);
    let around: Vec<_> = fs::read_dir(outside.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(around.len(), 2, "something was made outside: {around:?}");
    assert_eq!(fs::read_to_string(outside.path().join("secret")).unwrap(), "secret");
    Unpacked { outside, result }
}

fn unpacked(tar: Tar) -> Unpacked {
    unpack_with(&tar.finish(), &Budget::new(1 << 20, 1000))
}

#[test]
fn a_layer_becomes_a_directory() {
    let layer = Tar::default()
        .dir("./")
        .dir("bin/")
        .entry(EntryType::Regular, "bin/su", "", 0o4755, b"setuid")
        .symlink("etc", "/usr/etc")
        .hard_link("bin/su2", "bin/su")
        .file("made/on/the/way", b"content")
        .file("usr/etc/empty", b"")
        .entry(EntryType::Fifo, "fifo", "", 0o600, b"")
        .entry(EntryType::Directory, "tmp", "", 0o7777, b"")
        .entry(EntryType::Char, "dev/null", "", 0o666, b"")
        .entry(EntryType::Block, "dev/sda", "", 0o666, b"")
        .file("last", b"replaced")
        .file("last", b"the last one counts");
    let layer = unpacked(layer);
    layer.result.as_ref().unwrap();
    assert_eq!(layer.text("bin/su"), "setuid");
    let su = fs::metadata(layer.path("bin/su")).unwrap();
    assert_eq!((su.mode() & 0o7777, su.nlink(), su.mtime()), (0o755, 2, 1_700_000_000));
    assert_eq!(fs::read_link(layer.path("etc")).unwrap(), PathBuf::from("/usr/etc"));
    assert_eq!(layer.text("made/on/the/way"), "content");
    assert_eq!(layer.text("usr/etc/empty"), "");
    assert_eq!(layer.text("last"), "the last one counts");
    assert_eq!(fs::metadata(layer.path("tmp")).unwrap().mode() & 0o7777, 0o1777);
    assert!(fs::symlink_metadata(layer.path("fifo")).unwrap().file_type().is_fifo());
    assert!(!layer.path("dev").exists(), "devices are left out");
}

/// What a layer tries, and what is said of it; none of it reaches outside, which `unpack_with` looks after.
#[test]
fn hostile_layers_are_refused() {
    let long = "x".repeat(300);
    for (name, layer, says) in [
        ("absolute and upward", Tar::default().file("/../secret", b"x"), "`/../secret` has `..` in its name"),
        ("upward", Tar::default().file("../secret", b"x"), "`../secret` has `..` in its name"),
        ("upward later", Tar::default().dir("a").file("a/../../secret", b"x"), "has `..` in its name"),
        ("through a link upward", Tar::default().symlink("a", "../..").dir("a/secret/"), ""),
        (
            "through a link out",
            Tar::default().symlink("a", "/proc/self/root").file("a/tmp/x", b"x"),
            "`a`, which is no directory",
        ),
        ("through a file", Tar::default().file("a", b"").file("a/b", b"x"), "`a`, which is no directory"),
        ("through a circle", Tar::default().symlink("a", "b").symlink("b", "a").file("a/c", b"x"), "in a circle"),
        ("hard link upward", Tar::default().hard_link("a", "../secret"), "has `..` in its name"),
        ("hard link absolute", Tar::default().hard_link("a", "/etc/passwd"), "which is no file of its layer"),
        ("hard link to nothing", Tar::default().hard_link("a", "b"), "links to `b`, which is no file"),
        ("hard link to itself", Tar::default().file("a", b"").hard_link("a", "a"), "links to `a`, which is no file"),
        ("hard link to a directory", Tar::default().dir("d").hard_link("a", "d"), "links to `d`, which is no file"),
        ("hard link to the root", Tar::default().hard_link("a", "."), "links to `.`, which is no file"),
        (
            "hard link through a link",
            Tar::default().symlink("up", "..").hard_link("a", "up/secret"),
            "links to `up/secret`, which is no file",
        ),
        ("whiteout of ..", Tar::default().file(".wh...", b""), "hides what is no file"),
        ("whiteout of .", Tar::default().file(".wh..", b""), "hides what is no file"),
        ("whiteout of nothing", Tar::default().file("a/.wh.", b""), "hides what is no file"),
        ("the root a file", Tar::default().file("./", b""), ""),
        ("the root a link", Tar::default().symlink(".", "/etc"), "takes the place of the root"),
        ("link to nothing", Tar::default().symlink("a", ""), "links to what is no name"),
        ("a long name", Tar::default().records(&[("path", &long)]).file("a", b""), "a name that is too long"),
        ("a NUL", Tar::default().records(&[("path", "a\0b")]).file("a", b""), "has a NUL in its name"),
        ("records upward", Tar::default().records(&[("path", "../x")]).file("a", b""), "has `..` in its name"),
        ("records link", Tar::default().records(&[("linkpath", "../x")]).hard_link("a", "a"), "has `..` in its name"),
    ] {
        let layer = unpacked(layer);
        match (&layer.result, says) {
            // It means something harmless: what is upward of the root is the root.
            (Ok(()), "") => {}
            (Err(error @ LayerError::Hostile { .. }), says) if !says.is_empty() => {
                assert!(error.to_string().contains(says), "{name}: {error}");
            }
            (other, _) => panic!("{name}: {other:?}"),
        }
    }
}

/// As `ko` and Nix write them.
#[test]
fn absolute_names_are_those_of_the_container() {
    let layer = Tar::default()
        .dir("/")
        .dir("/nix/store/")
        .file("/nix/store/program", b"program")
        .file("//ko-app/x", b"x")
        .hard_link("/ko-app/y", "/ko-app/x")
        .file("/ko-app/.wh..wh..note", b"");
    let layer = unpacked(layer);
    layer.result.as_ref().unwrap();
    assert_eq!((layer.text("nix/store/program"), layer.text("ko-app/x")), ("program".into(), "x".into()));
    assert_eq!(layer.text("ko-app/y"), "x");
}

#[test]
fn links_in_names_are_followed_within_the_layer_only() {
    let layer = Tar::default()
        .dir("usr/lib")
        .symlink("lib", "/usr/lib")
        .file("lib/a", b"absolute")
        .symlink("up", "../../../usr/lib")
        .file("up/b", b"upward")
        .hard_link("c", "up/a");
    let layer = unpacked(layer);
    layer.result.as_ref().unwrap();
    assert_eq!((layer.text("usr/lib/a"), layer.text("usr/lib/b")), ("absolute".into(), "upward".into()));
    assert_eq!(layer.text("c"), "absolute");
}

#[test]
fn an_entry_replaces_what_was_there_before() {
    if !is_root_or_skipped("an_entry_replaces_what_was_there_before") {
        return;
    }
    let layer = Tar::default()
        .file("dir/deep/file", b"")
        .file("dir", b"now a file")
        .file("file", b"")
        .file("kept/inside", b"still here")
        .dir("kept")
        .symlink("link", "/kept")
        .dir("file")
        .dir("link");
    let layer = unpacked(layer);
    layer.result.as_ref().unwrap();
    assert_eq!(layer.text("dir"), "now a file");
    assert_eq!(layer.text("kept/inside"), "still here");
    assert!(fs::symlink_metadata(layer.path("link")).unwrap().is_dir());
    assert!(is_opaque(&layer, "file") && is_opaque(&layer, "link") && !is_opaque(&layer, "kept"));
}

#[test]
fn whiteouts_become_those_of_overlayfs() {
    if !is_root_or_skipped("whiteouts_become_those_of_overlayfs") {
        return;
    }
    let layer = Tar::default()
        .file("a/.wh.gone", b"")
        .file("a/.wh..wh..opq", b"")
        .file("a/.wh..wh.plnk", b"a note")
        .file("new/here", b"")
        .file(".wh.new", b"")
        .file("file", b"stays")
        .file(".wh.file", b"")
        .file(".wh.back", b"")
        .dir("back")
        .file(".wh.way", b"")
        .file("way/on", b"the way");
    let layer = unpacked(layer);
    layer.result.as_ref().unwrap();
    let gone = fs::symlink_metadata(layer.path("a/gone")).unwrap();
    assert!(gone.file_type().is_char_device() && gone.rdev() == 0);
    assert_eq!(fs::read_dir(layer.path("a")).unwrap().count(), 1, "notes are left out");
    assert_eq!(layer.text("file"), "stays");
    for (name, opaque) in [("a", true), ("new", true), ("back", true), ("way", true), ("", false)] {
        assert_eq!(is_opaque(&layer, name), opaque, "{name}");
    }
}

fn is_opaque(layer: &Unpacked, name: &str) -> bool {
    tree::is_opaque(&fs::File::open(layer.path(name)).unwrap().into())
}

#[test]
fn owners_and_extended_names_are_kept() {
    let long = format!("{}/file", "d".repeat(200));
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::GNULongName);
    header.set_size(long.len() as u64 + 1);
    let layer = Tar::default()
        .raw(header, format!("{long}\0").as_bytes())
        .file("ignored", b"by a long name")
        .records(&[("path", "records/ü"), ("mtime", "-1.5"), ("uid", "1000"), ("gid", "3000000"), ("size", "3")])
        .file("ignored", b"abc")
        .records(&[("linkpath", "a/b"), ("SCHILY.xattr.trusted.overlay.redirect", "/etc")])
        .symlink("link", "ignored");
    let layer = unpacked(layer);
    layer.result.as_ref().unwrap();
    assert_eq!(layer.text(&long), "by a long name");
    assert_eq!(layer.text("records/ü"), "abc");
    let file = fs::metadata(layer.path("records/ü")).unwrap();
    assert_eq!(file.mtime(), -1);
    if is_root_or_skipped("owners are kept") {
        assert_eq!((file.uid(), file.gid()), (1000, 3_000_000));
    }
    assert_eq!(fs::read_link(layer.path("link")).unwrap(), PathBuf::from("a/b"));
    assert!(!layer.path("ignored").exists());
}

#[test]
fn sparse_files_have_their_holes() {
    let mut old = Header::new_gnu();
    old.set_entry_type(EntryType::GNUSparse);
    old.set_path("old").unwrap();
    old.set_mode(0o644);
    old.set_size(6);
    let gnu = old.as_gnu_mut().unwrap();
    gnu.set_real_size(100_000);
    for (at, (offset, length)) in [(10, 3), (99_997, 3)].into_iter().enumerate() {
        gnu.sparse[at].set_offset(offset);
        gnu.sparse[at].set_length(length);
    }
    let mut map = b"1\n5\n3\n".to_vec();
    map.resize(512, 0);
    map.extend_from_slice(b"xyz");
    let records = [
        ("GNU.sparse.major", "1"),
        ("GNU.sparse.minor", "0"),
        ("GNU.sparse.name", "new"),
        ("GNU.sparse.realsize", "9"),
    ];
    let layer = unpacked(Tar::default().raw(old, b"abcdef").records(&records).file("GNUSparseFile.0/new", &map));
    layer.result.as_ref().unwrap();
    let old = fs::read(layer.path("old")).unwrap();
    assert_eq!((old.len(), &old[10..13], &old[99_997..]), (100_000, &b"abc"[..], &b"def"[..]));
    assert!(old[13..99_997].iter().all(|byte| *byte == 0));
    assert_eq!(fs::read(layer.path("new")).unwrap(), b"\0\0\0\0\0xyz\0");
}

#[test]
fn what_is_too_large_is_refused_while_it_is_read() {
    let sparse = |size: u64| {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::GNUSparse);
        header.set_path("a").unwrap();
        header.as_gnu_mut().unwrap().set_real_size(size);
        Tar::default().raw(header, b"").finish()
    };
    let many = (0..50).fold(Tar::default(), |tar, at| tar.file(&at.to_string(), b"")).finish();
    let ways = Tar::default().file("a/b/c/d/e/f/g/h/i/j/k/l/m", b"").finish();
    let mut long = Header::new_gnu();
    long.set_entry_type(EntryType::GNULongName);
    long.set_size(1 << 40);
    let mut huge = Header::new_gnu();
    huge.set_size(u64::MAX);
    let bomb = gzip(&vec![0; 1 << 20]);
    for (name, layer, says) in [
        ("more files", many, "more than 10 files"),
        ("directories on the way", ways, "more than 10 files"),
        ("a hole", sparse(1 << 50), "larger than 65536 bytes"),
        ("a long name", Tar::default().raw(long, b"").finish(), "a name or an extended header is larger than 4096"),
        ("a size", Tar::default().raw(huge, b"").finish(), "a size in it cannot be read"),
        ("content", Tar::default().file("a", &[1; 70_000]).finish(), "larger than 65536 bytes"),
        ("a bomb", bomb, "larger than 65536 bytes"),
        (
            "a bomb behind the end",
            [Tar::default().file("a", b"").finish(), vec![0; 1 << 20]].concat(),
            "larger than 65536",
        ),
    ] {
        let layer = unpack_with(&layer, &Budget::new(65_536, 10));
        let error = layer.result.expect_err(name);
        assert!(error.to_string().contains(says), "{name}: {error}");
    }
}

#[test]
fn what_is_damaged_is_corrupt() {
    let whole = Tar::default().file("a", &[1; 2000]).finish();
    let mut flipped = whole.clone();
    flipped[3] ^= 1;
    let overlap = {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::GNUSparse);
        header.set_size(6);
        let gnu = header.as_gnu_mut().unwrap();
        gnu.set_real_size(10);
        for at in 0..2 {
            gnu.sparse[at].set_offset(4);
            gnu.sparse[at].set_length(3);
        }
        Tar::default().raw(header, b"abcdef").finish()
    };
    for (name, layer, says) in [
        ("cut in a header", whole[..200].to_vec(), "cut off"),
        ("cut in content", whole[..1500].to_vec(), "cut off"),
        ("a flipped bit", flipped, "not a tar archive"),
        ("something else", b"<!doctype html>".repeat(100), "not a tar archive"),
        ("pieces that overlap", overlap, "overlap"),
        ("an old sparse format", Tar::default().records(&[("GNU.sparse.map", "0,1")]).file("a", b"").finish(), "older"),
        ("nobody's", Tar::default().records(&[("uid", "4294967295")]).file("a", b"").finish(), "an owner in it"),
        ("an unknown type", Tar::default().entry(EntryType::new(b'V'), "a", "", 0, b"").finish(), "unknown type 'V'"),
    ] {
        let error = unpack_with(&layer, &Budget::new(1 << 20, 10)).result.expect_err(name);
        assert!(error.to_string().contains(says), "{name}: {error}");
    }
}

#[test]
fn another_digest_is_corrupt_and_nobody_waiting_is_the_end() {
    let layer = Tar::default().file("a", b"").finish();
    let dir = tempfile::tempdir().unwrap();
    let budget = Budget::new(1 << 20, 10);
    let error = unpack(&*layer, dir.path(), &Digest::of(b"other"), &budget, &Stop::default()).expect_err("the digest");
    assert!(error.to_string().contains(Digest::of(&layer).as_str()), "{error}");
    let stop = Stop::default();
    drop(stop.on_drop());
    let stopped = unpack(&*layer, dir.path(), &Digest::of(&layer), &budget, &stop);
    assert!(matches!(stopped, Err(LayerError::Stopped)), "{stopped:?}");
}

#[test]
fn many_entries_are_no_trouble() {
    // So many that it would be noticed if one took longer for those before it; devices, which are left out, are cheap.
    let files = (0..10_000).fold(Tar::default(), |tar, at| tar.file(&format!("d{}/{at}", at % 100), b""));
    let links = (0..10_000).fold(files, |tar, at| tar.hard_link(&format!("l/{at}"), "d0/0"));
    let devices = (0..80_000).fold(links, |tar, at| tar.entry(EntryType::Char, &format!("c/{at}"), "", 0, b""));
    let layer = unpack_with(&devices.finish(), &Budget::new(1 << 30, 100_101));
    layer.result.as_ref().unwrap();
    assert_eq!(fs::read_dir(layer.path("d99")).unwrap().count(), 100);
    assert_eq!(fs::metadata(layer.path("l/9999")).unwrap().nlink(), 10_001);
}
