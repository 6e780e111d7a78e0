//! A process that is killed, with the stores that a node has.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mu_db::{FileJournal, JournalOptions, RedbKv, RedbOptions};

use super::*;

const DIRECTORY: &str = "MU_TEST_USAGE_DIRECTORY";
const WRITERS: u64 = 3;

/// The test runs itself as the process to kill: with a directory in the environment it is the child.
#[test]
fn usage_survives_kill_9_without_loss_or_double_count() {
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        record_until_killed(&PathBuf::from(directory));
    }
    let directory = tempfile::tempdir().unwrap();
    for round in 0..3_u8 {
        let acknowledged = run_and_kill(directory.path(), round, 2_000 + 3_000 * usize::from(round));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let totals = runtime.block_on(async {
            let (ledger, _) = open(directory.path()).await;
            ledger.totals(&StackId::new([round; 32])).await.unwrap()
        });
        for (writer, acknowledged) in (0..).zip(acknowledged) {
            let counts = totals.functions.get(&format!("writer{writer}")).copied().unwrap_or_default();
            let counted = counts.invocations;
            // The last one may have been recorded without a chance to say so.
            assert!((acknowledged..=acknowledged + 1).contains(&counted), "{counted} of {acknowledged}");
            assert_eq!(counts.usage.instructions, counted * (counted + 1) / 2, "each of them once");
        }
    }
}

/// Starts a child, reads acknowledgements until there are enough, kills it, and returns how many each writer gave.
fn run_and_kill(directory: &Path, round: u8, enough: usize) -> [u64; 3] {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "usage::tests::kill::usage_survives_kill_9_without_loss_or_double_count", "--nocapture"])
        .env(DIRECTORY, directory.join(round.to_string()).parent().unwrap())
        .env("MU_TEST_USAGE_ROUND", round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = [0; 3];
    let mut collect = |count: usize| {
        let lines = lines.by_ref().map_while(Result::ok).filter_map(|line| {
            let (writer, number) = line.strip_suffix('.')?.split_once('/')?;
            Some((writer.parse::<usize>().ok()?, number.parse::<u64>().ok()?))
        });
        for (writer, number) in lines.take(count) {
            acknowledged[writer] = number;
        }
    };
    collect(enough);
    child.kill().unwrap();
    collect(usize::MAX);
    child.wait().unwrap();
    assert!(acknowledged.iter().sum::<u64>() >= enough as u64, "the child ended early");
    acknowledged
}

async fn open(directory: &Path) -> (Arc<UsageLedger>, UsageFolder) {
    let env = Env::system();
    // Small segments, so that some are deleted before the process is.
    let options = JournalOptions { segment_bytes: 4_096, ..JournalOptions::default() };
    let journal = FileJournal::open(&directory.join("usage"), &options, env.random()).unwrap();
    let kv = RedbKv::open(&directory.join("mu.redb"), &RedbOptions::default()).unwrap();
    UsageLedger::open(Arc::new(journal), Arc::new(kv), env).await.unwrap()
}

fn record_until_killed(directory: &Path) -> ! {
    let round: u8 = std::env::var("MU_TEST_USAGE_ROUND").unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (ledger, mut folder) = open(directory).await;
        for writer in 0..WRITERS {
            let ledger = Arc::clone(&ledger);
            std::thread::spawn(move || {
                let function = format!("writer{writer}");
                for number in 1.. {
                    ledger.record(&entry(StackId::new([round; 32]), Some(&function), instructions(number)));
                    // One write call, so that a line is never cut; the full stop proves that it is whole.
                    std::io::stdout().lock().write_all(format!("{writer}/{number}.\n").as_bytes()).unwrap();
                }
            });
        }
        loop {
            // All the time, so that it is killed in the middle of it.
            folder.fold().await.unwrap();
        }
    })
}
