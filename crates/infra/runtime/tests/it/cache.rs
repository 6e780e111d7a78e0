//! Compiled modules on disk: used when they are ours and whole, made again when not.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use mu_runtime::{Artifact, ArtifactSource, Engine, LoadError, LoadParams};
use mu_stack::Runtime;

use crate::support::{Bench, LIMITS, ended, params, result, writes};

/// A source that has lost its bytes.
struct Lost;

impl ArtifactSource for Lost {
    fn read(&self) -> io::Result<Bytes> {
        Err(io::Error::new(io::ErrorKind::NotFound, "lost"))
    }
}

fn artifact() -> Artifact {
    Artifact::from_bytes(wat::parse_str(writes(&[result(200, &[], "")], "")).unwrap())
}

fn lost_artifact() -> Artifact {
    Artifact { hash: artifact().hash, source: Arc::new(Lost) }
}

async fn load_and_run(dir: &Path, artifact: Artifact) -> Result<u16, LoadError> {
    let bench = Bench::in_directory(dir);
    let program = bench.engine.load(LoadParams { artifact, ..params("", Runtime::Wasi1) }).await?;
    Ok(ended(program.run(bench.call(LIMITS)).await).result.expect("the function answers").status.as_u16())
}

fn compiled_file(dir: &Path) -> PathBuf {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut compiled: Vec<_> = entries.filter(|path| path.extension().is_some_and(|e| e == "cwasm")).collect();
    assert_eq!(compiled.len(), 1);
    compiled.remove(0)
}

#[tokio::test]
async fn compiled_modules_outlive_the_process() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(load_and_run(dir.path(), lost_artifact()).await, Err(LoadError::Read(_))));
    assert_eq!(load_and_run(dir.path(), artifact()).await.unwrap(), 200);
    // Only the compiled form can answer now.
    assert_eq!(load_and_run(dir.path(), lost_artifact()).await.unwrap(), 200);
}

#[tokio::test]
async fn damaged_files_are_compiled_again() {
    let dir = tempfile::tempdir().unwrap();
    load_and_run(dir.path(), artifact()).await.unwrap();
    let path = compiled_file(dir.path());
    let good = fs::read(&path).unwrap();
    let flip = |index: usize| {
        let mut bytes = good.clone();
        bytes[index] ^= 1;
        bytes
    };
    for bad in [Vec::new(), vec![0; 20], good[..good.len() - 1].to_vec(), flip(0), flip(40), flip(good.len() - 1)] {
        fs::write(&path, &bad).unwrap();
        assert!(matches!(load_and_run(dir.path(), lost_artifact()).await, Err(LoadError::Read(_))));
        assert_eq!(load_and_run(dir.path(), artifact()).await.unwrap(), 200);
        assert_eq!(load_and_run(dir.path(), lost_artifact()).await.unwrap(), 200, "it was written again");
    }
}

#[tokio::test]
async fn a_module_runs_although_it_cannot_be_kept() {
    let dir = tempfile::tempdir().unwrap();
    // Where the file would be, something is in the way; a full disk fails at the same step.
    fs::create_dir_all(dir.path().join(format!("{}.wasi1.0.cwasm", artifact().hash)).join("in the way")).unwrap();
    assert_eq!(load_and_run(dir.path(), artifact()).await.unwrap(), 200);
}

#[tokio::test]
async fn files_of_another_node_are_not_trusted() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    load_and_run(theirs.path(), artifact()).await.unwrap();
    load_and_run(ours.path(), artifact()).await.unwrap();
    fs::copy(compiled_file(theirs.path()), compiled_file(ours.path())).unwrap();
    assert!(matches!(load_and_run(ours.path(), lost_artifact()).await, Err(LoadError::Read(_))));
}

#[cfg(unix)]
#[tokio::test]
async fn the_key_is_the_users_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    load_and_run(dir.path(), artifact()).await.unwrap();
    let mode = fs::metadata(dir.path().join("cache.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_source_that_changed_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let changed = Artifact { hash: artifact().hash, source: Arc::new(Bytes::from_static(b"\0asm\x01\0\0\0")) };
    let error = load_and_run(dir.path(), changed).await.unwrap_err();
    assert_eq!(error.to_string(), "reading the module: the artifact's bytes have changed since it was deployed");
}
