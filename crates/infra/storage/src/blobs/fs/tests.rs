//! What the directory store does beyond the conformance suite: files, leftovers and unusable places.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use super::*;

/// A disk that can be full.
#[derive(Debug)]
pub(super) struct Disk {
    /// Operations that still find space.
    operations: AtomicUsize,
}

impl Default for Disk {
    fn default() -> Self {
        Self { operations: AtomicUsize::new(usize::MAX) }
    }
}

impl Disk {
    pub(super) fn use_space(&self) -> io::Result<()> {
        let left = self.operations.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
        left.map(drop).map_err(|_| io::ErrorKind::StorageFull.into())
    }

    fn is_full_after(&self, operations: usize) {
        self.operations.store(operations, SeqCst);
    }
}

struct Fixture {
    directory: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("storage")
    }

    fn open(&self) -> FsBlobs {
        FsBlobs::open(&self.root()).unwrap()
    }

    /// Files and directories below the root.
    fn tree(&self) -> Vec<String> {
        fn visit(root: &Path, path: &Path, found: &mut Vec<String>) {
            for entry in fs::read_dir(path).unwrap() {
                let path = entry.unwrap().path();
                found.push(path.strip_prefix(root).unwrap().display().to_string());
                if path.is_dir() {
                    visit(root, &path, found);
                }
            }
        }
        let mut found = Vec::new();
        visit(&self.root(), &self.root(), &mut found);
        found.sort();
        found
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms() {
    let fixture = Fixture::new();
    crate::conformance::check(Arc::new(fixture.open())).await;
}

#[tokio::test]
async fn blobs_survive_opening_again() {
    let fixture = Fixture::new();
    fixture.open().put("a/b", "content".into()).await.unwrap();
    let blob = fixture.open().open("a/b").await.unwrap().unwrap();
    assert_eq!(blob.read(0, 7).await.unwrap(), "content");
}

#[tokio::test]
async fn deleting_leaves_no_empty_directories() {
    let fixture = Fixture::new();
    let blobs = fixture.open();
    blobs.put("a/b/c", "1".into()).await.unwrap();
    blobs.put("a/d", "1".into()).await.unwrap();
    blobs.delete("a/b/c").await.unwrap();
    assert_eq!(fixture.tree(), ["blobs", "blobs/a.dir", "blobs/a.dir/d.blob", "tmp"]);
    blobs.delete("a/d").await.unwrap();
    assert_eq!(fixture.tree(), ["blobs", "tmp"]);
}

#[tokio::test]
async fn interrupted_writes_leave_nothing() {
    let fixture = Fixture::new();
    let blobs = fixture.open();
    let large = Bytes::from(vec![1; WRITE_BUFFER_BYTES]);
    let mut writer = blobs.create("a").await.unwrap();
    writer.write(large).await.unwrap();
    assert_eq!(fixture.tree().len(), 3, "a temporary file is there");
    drop(writer);
    assert_eq!(fixture.tree(), ["blobs", "tmp"]);
    // What a killed process leaves is swept by the next one.
    fs::write(fixture.root().join("tmp/left over"), "x").unwrap();
    fixture.open();
    assert_eq!(fixture.tree(), ["blobs", "tmp"]);
}

#[tokio::test]
async fn full_disks_harm_nothing() {
    let fixture = Fixture::new();
    let blobs = fixture.open();
    let disk = &blobs.directory.disk;
    blobs.put("a/old", "old".into()).await.unwrap();
    let before = fixture.tree();
    for key in ["a/old", "a/new", "a/deep/er/new", "b/new"] {
        let mut operations = 0;
        loop {
            disk.is_full_after(operations);
            let put = blobs.put(key, vec![1; WRITE_BUFFER_BYTES + 1].into()).await;
            if put.is_ok() {
                break;
            }
            let error = put.unwrap_err();
            assert!(matches!(error, BlobError::Full { .. }), "{key} after {operations} operations: {error}");
            assert_eq!(fixture.tree(), before, "{key} after {operations} operations");
            let old = blobs.open("a/old").await.unwrap().unwrap();
            assert_eq!(old.read(0, 3).await.unwrap(), "old", "{key} after {operations} operations");
            operations += 1;
        }
        assert!(operations >= 4, "{key}: only {operations} operations can find the disk full");
        disk.is_full_after(0);
        assert_eq!(blobs.open(key).await.unwrap().unwrap().size_bytes(), (WRITE_BUFFER_BYTES + 1) as u64);
        blobs.delete(key).await.unwrap();
        disk.is_full_after(usize::MAX);
        blobs.put("a/old", "old".into()).await.unwrap();
        assert_eq!(fixture.tree(), before, "deleting works on a full disk");
    }
}

#[tokio::test]
async fn impossible_keys_leave_the_disk_alone() {
    let fixture = Fixture::new();
    let blobs = fixture.open();
    let before = fixture.tree();
    let long = "/".repeat(1024);
    assert!(matches!(blobs.put(&long, "1".into()).await, Err(BlobError::InvalidKey { size: 1025, .. })));
    assert_eq!(fixture.tree(), before);
    let root = fixture.directory.path().join("r".repeat(200)).join("r".repeat(200)).join("r".repeat(200));
    let error = FsBlobs::open(&root).unwrap_err().to_string();
    assert!(error.ends_with("bytes: choose a shorter one"), "{error}");
}

#[tokio::test]
async fn directories_are_made_durable_once() {
    let fixture = Fixture::new();
    fixture.open().put("a/b/c", "1".into()).await.unwrap();
    let blobs = fixture.open();
    let durable = || {
        let mut durable: Vec<_> = blobs.directory.durable.read().unwrap().iter().cloned().collect();
        durable.sort();
        durable
    };
    assert!(durable().is_empty(), "what another process made is not trusted");
    blobs.put("a/b/d", "1".into()).await.unwrap();
    let root = fixture.root().join("blobs");
    assert_eq!(durable(), [root.join("a.dir"), root.join("a.dir/b.dir")]);
    blobs.delete("a/b/c").await.unwrap();
    blobs.delete("a/b/d").await.unwrap();
    assert!(durable().is_empty(), "they are gone");
    blobs.put("a/b/d", "1".into()).await.unwrap();
    fs::remove_dir_all(root.join("a.dir")).unwrap();
    blobs.put("a/b/d", "1".into()).await.unwrap();
}

#[tokio::test]
async fn lists_of_large_directories_go_on_past_empty_ones() {
    let fixture = Fixture::new();
    let blobs = fixture.open();
    for number in 0..150 {
        fs::create_dir(fixture.root().join(format!("blobs/{number:03}.dir"))).unwrap();
    }
    for key in ["149/a", "2", "149/b"] {
        blobs.put(key, "1".into()).await.unwrap();
    }
    let keys: Vec<_> = blobs.list("", None, 2).await.unwrap().into_iter().map(|blob| blob.key).collect();
    assert_eq!(keys, ["149/a", "149/b"]);
    assert_eq!(blobs.list("", None, 10).await.unwrap().len(), 3);
}

#[tokio::test]
async fn foreign_files_are_ignored() {
    let fixture = Fixture::new();
    let blobs = fixture.open();
    blobs.put("a", "1".into()).await.unwrap();
    for name in ["README", ".DS_Store", "B.blob"] {
        fs::write(fixture.root().join("blobs").join(name), "x").unwrap();
    }
    assert_eq!(blobs.list("", None, 10).await.unwrap(), [BlobInfo { key: "a".into(), size_bytes: 1 }]);
}

#[tokio::test]
async fn unusable_places_are_named() {
    let fixture = Fixture::new();
    fs::write(fixture.root(), "a file").unwrap();
    let error = FsBlobs::open(&fixture.root()).unwrap_err();
    assert!(error.to_string().starts_with("the storage directory "), "{error}");
    fs::remove_file(fixture.root()).unwrap();
    let blobs = fixture.open();
    fs::remove_dir_all(fixture.root()).unwrap();
    let error = blobs.put("a", "1".into()).await.unwrap_err();
    assert!(matches!(error, BlobError::Unavailable { .. }), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let fixture = Fixture::new();
    fixture.open().put("a", "1".into()).await.unwrap();
    for (path, mode) in [("", 0o700), ("blobs", 0o700), ("tmp", 0o700), ("blobs/a.blob", 0o600)] {
        let metadata = fs::metadata(fixture.root().join(path)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, mode, "{path:?}");
    }
}
