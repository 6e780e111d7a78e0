//! A process that is killed loses nothing that it acknowledged.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use mu_db::{Batch, Kv, RedbKv, RedbOptions};

const DIRECTORY: &str = "MU_TEST_KILL_DIRECTORY";
const WRITERS: usize = 8;

/// The test runs itself as the process to kill: with a directory in the environment it is the child.
#[test]
fn acknowledged_writes_survive_kill_9() {
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        write_until_killed(&PathBuf::from(directory));
    }
    let directory = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        acknowledged.extend(run_and_kill(directory.path(), 200 + 150 * round));
        let kv = open(directory.path());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for line in &acknowledged {
            let value = runtime.block_on(kv.get(line.as_bytes())).unwrap();
            assert_eq!(value.as_deref(), Some(line.as_bytes()), "acknowledged in round {round} or before");
        }
    }
}

/// Starts a child, reads acknowledgements until there are enough, kills it, and returns all that it ever gave.
fn run_and_kill(directory: &Path, enough: usize) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::acknowledged_writes_survive_kill_9", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = Vec::new();
    let mut collect = |count: usize| {
        let lines = lines.by_ref().map_while(Result::ok).filter(|line| line.ends_with('.'));
        acknowledged.extend(lines.take(count).map(|line| line.trim_end_matches('.').to_owned()));
    };
    collect(enough);
    child.kill().unwrap();
    collect(usize::MAX);
    child.wait().unwrap();
    assert!(acknowledged.len() >= enough, "the child ended early");
    acknowledged
}

fn open(directory: &Path) -> Arc<RedbKv> {
    Arc::new(RedbKv::open(&directory.join("mu.redb"), &RedbOptions::default()).unwrap())
}

fn write_until_killed(directory: &Path) -> ! {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let kv = open(directory);
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            let kv = Arc::clone(&kv);
            writers.spawn(async move {
                for count in 0.. {
                    let key = format!("{}/{writer}/{count}", std::process::id());
                    kv.commit(Batch::new().put(key.clone(), key.clone())).await.unwrap();
                    // One write call, so that a line is never cut; the full stop proves that it is whole.
                    std::io::stdout().lock().write_all(format!("{key}.\n").as_bytes()).unwrap();
                }
            });
        }
        writers.join_all().await;
    });
    unreachable!("the parent kills this process")
}
