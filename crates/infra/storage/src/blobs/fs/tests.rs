//! What the directory store does beyond the conformance suite: files, leftovers and unusable places.

use super::*;

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
