//! Boxes on a real directory, by a process that is killed at work.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking, as tests do")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use mu_env::Env;
use mu_storage::{Boxes, FsBlobs, RootKey, StackId};

const DIRECTORY: &str = "MU_TEST_KILL_DIRECTORY";
const STACK: StackId = [1; 32];
const SECRET: &str = "a text that must not appear on any disk";

/// The test runs itself as the process to kill: with a directory in the environment it is the child.
#[test]
fn a_process_killed_while_putting_leaves_the_old_object() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        runtime.block_on(put_until_killed(&PathBuf::from(directory)));
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_process_killed_while_putting_leaves_the_old_object", "--nocapture"])
        .env(DIRECTORY, directory.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line == "acknowledged"), "the first put is acknowledged");
    assert!(lines.any(|line| line == "replacing"), "the second put has sent megabytes");
    child.kill().unwrap();
    child.wait().unwrap();

    let temporary = directory.path().join("storage/tmp");
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 1, "the second put had reached the disk");
    assert!(!holds(directory.path(), SECRET.as_bytes()), "its content had not");
    runtime.block_on(async {
        let boxes = open(directory.path()).await;
        assert_eq!(boxes.get(&STACK, "files", "k").await.unwrap().0, SECRET);
    });
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0, "opening sweeps what was left");
}

async fn open(directory: &Path) -> Boxes {
    let env = Env::system();
    let root_key = RootKey::load_or_create(&directory.join("root.key"), env.random()).unwrap();
    let blobs = FsBlobs::open(&directory.join("storage")).unwrap();
    let boxes = Boxes::open(Arc::new(blobs), root_key, &env);
    boxes.declare_boxes(&STACK, &["files"]).await.unwrap();
    boxes
}

async fn put_until_killed(directory: &Path) {
    let boxes = open(directory).await;
    boxes.put(&STACK, "files", "k", SECRET.into()).await.unwrap();
    say("acknowledged");
    let piece = Bytes::from(SECRET.repeat(1_000));
    let endless = stream::iter((0_u64..).map(move |count| {
        // More than any buffer holds has been taken by then.
        if count == 200 {
            say("replacing");
        }
        if count < 300 { Ok(piece.clone()) } else { wait_for_the_end() }
    }));
    boxes.put_stream(&STACK, "files", "k", endless).await.unwrap();
}

fn say(line: &str) {
    writeln!(std::io::stdout().lock(), "{line}").unwrap();
}

/// Holds the put where it is until the process is killed, or until its parent is gone.
fn wait_for_the_end() -> Result<Bytes, String> {
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    std::process::exit(1)
}

/// Whether any file below a directory holds these bytes.
fn holds(directory: &Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(directory).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds(&path, bytes);
        }
        std::fs::read(&path).unwrap().windows(bytes.len()).any(|window| window == bytes)
    })
}
