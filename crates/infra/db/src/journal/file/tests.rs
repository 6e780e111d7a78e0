use std::io::Seek;

use mu_env::{Env, Timestamp};
use tempfile::TempDir;

use super::*;

fn random() -> Random {
    Env::simulated(1, Timestamp::from_micros(0)).random().clone()
}

fn open(directory: &TempDir) -> FileJournal {
    open_with(directory, &JournalOptions::default()).unwrap()
}

fn open_with(directory: &TempDir, options: &JournalOptions) -> Result<FileJournal, JournalError> {
    FileJournal::open(directory.path(), options, &random())
}

async fn texts(journal: &FileJournal, from: Position) -> Vec<String> {
    let (mut texts, mut at) = (Vec::new(), from);
    loop {
        let read = journal.read(at, 10).await.unwrap();
        if read.next == at {
            return texts;
        }
        texts.extend(read.records.iter().map(|record| String::from_utf8(record.to_vec()).unwrap()));
        at = read.next;
    }
}

fn segment_paths(directory: &TempDir) -> Vec<PathBuf> {
    segments_in(directory.path()).unwrap().into_iter().map(|start| path(directory.path(), start)).collect()
}

#[tokio::test]
async fn conforms() {
    for segment_bytes in [1, 100, 1 << 20] {
        let directory = tempfile::tempdir().unwrap();
        let options = JournalOptions { segment_bytes, ..JournalOptions::default() };
        crate::conformance::check_journal(Arc::new(open_with(&directory, &options).unwrap())).await;
    }
}

#[tokio::test]
async fn it_is_the_same_after_it_was_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(&directory);
    let id = journal.id();
    journal.append(b"one").unwrap();
    journal.append(b"two").unwrap();
    let end = journal.read(Position::START, 1 << 20).await.unwrap().next;
    drop(journal);
    let journal = open(&directory);
    assert_eq!((journal.id(), texts(&journal, Position::START).await), (id, vec!["one".into(), "two".into()]));
    journal.append(b"three").unwrap();
    assert_eq!(texts(&journal, end).await, ["three"], "positions are kept");
}

#[tokio::test]
async fn one_process_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(&directory);
    let refused = open_with(&directory, &JournalOptions::default());
    assert!(matches!(refused, Err(JournalError::InUse { .. })), "{refused:?}");
    drop(journal);
    open(&directory);
}

/// A machine that stopped may have lost the end of a file, or left zeros or older bytes there.
#[tokio::test]
async fn a_torn_end_is_cut_and_written_over() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(&directory);
    journal.append(b"one").unwrap();
    journal.append(b"second").unwrap();
    drop(journal);
    let file = segment_paths(&directory).remove(0);
    let whole = fs::read(&file).unwrap();
    let last = whole.len() - "second".len() - FRAME_BYTES;
    let torn = (last..whole.len()).map(|at| whole[..at].to_vec());
    let zeroed = (last..whole.len()).map(|at| [&whole[..at], &vec![0; 5000][..]].concat());
    let changed = (last..whole.len()).map(|at| {
        let mut changed = whole.clone();
        changed[at] ^= 0x40;
        changed
    });
    for damaged in torn.chain(zeroed).chain(changed) {
        fs::write(&file, &damaged).unwrap();
        let journal = open(&directory);
        assert_eq!(texts(&journal, Position::START).await, ["one"]);
        journal.append(b"next").unwrap();
        assert_eq!(texts(&journal, Position::START).await, ["one", "next"]);
        drop(journal);
        let journal = open(&directory);
        assert_eq!(texts(&journal, Position::START).await, ["one", "next"]);
    }
}

#[tokio::test]
async fn released_segments_are_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let options = JournalOptions { segment_bytes: 1, ..JournalOptions::default() };
    let journal = open_with(&directory, &options).unwrap();
    for round in 0..10 {
        for record in 0..3 {
            journal.append(format!("{round}/{record}").as_bytes()).unwrap();
        }
        let read = journal.read(Position::START, 1 << 20).await.unwrap();
        assert_eq!(read.records[0], format!("{round}/0"), "earlier ones are gone");
        journal.release(read.next).await.unwrap();
        // The end of a sealed segment is reached by reading on; what is empty at the end stays.
        journal.append(b"x").unwrap();
        let read = journal.read(read.next, 1 << 20).await.unwrap();
        assert_eq!(read.records, ["x"]);
        journal.release(read.next).await.unwrap();
        assert_eq!(segment_paths(&directory).len(), 1);
    }
}

/// A Kv that cannot be written for a while leaves many segments, which are all read once it can.
#[tokio::test]
async fn unreleased_segments_survive_and_are_read_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let options = JournalOptions { segment_bytes: 20, ..JournalOptions::default() };
    let mut expected = Vec::new();
    for round in 0..5 {
        let journal = open_with(&directory, &options).unwrap();
        for record in 0..5 {
            expected.push(format!("{round}/{record}"));
            journal.append(expected.last().unwrap().as_bytes()).unwrap();
            journal.release(Position::START).await.unwrap();
        }
        assert_eq!(texts(&journal, Position::START).await, expected);
    }
    assert!(segment_paths(&directory).len() > 20);
}

#[tokio::test]
async fn a_damaged_record_costs_the_rest_of_its_segment_alone() {
    let directory = tempfile::tempdir().unwrap();
    let options = JournalOptions { segment_bytes: 50, ..JournalOptions::default() };
    let journal = open_with(&directory, &options).unwrap();
    for record in ["one", "two", "three"] {
        journal.append(record.as_bytes()).unwrap();
    }
    journal.release(Position::START).await.unwrap();
    journal.append(b"four").unwrap();
    let mut first = OpenOptions::new().write(true).open(&segment_paths(&directory)[0]).unwrap();
    first.seek(io::SeekFrom::Start((HEADER_BYTES + FRAME_BYTES + 3 + FRAME_BYTES) as u64)).unwrap();
    first.write_all(b"x").unwrap();
    assert_eq!(texts(&journal, Position::START).await, ["one", "four"]);
}

#[tokio::test]
async fn it_is_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let options = JournalOptions { segment_bytes: 100, bytes_max: 200 };
    let journal = open_with(&directory, &options).unwrap();
    let mut fitted = 0;
    while journal.append(b"0123456789").is_ok() {
        fitted += 1;
    }
    assert_eq!(fitted, (200 - HEADER_BYTES) / 18);
    let refused = journal.append(b"0123456789").unwrap_err().to_string();
    assert!(refused.ends_with("has no space left (it may have 200 bytes): free some space"), "{refused}");
    let read = journal.read(Position::START, 1 << 20).await.unwrap();
    assert_eq!(read.records.len(), fitted);
    journal.release(read.next).await.unwrap();
    journal.append(b"fits again").unwrap();
}

#[tokio::test]
async fn files_of_others_are_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    for content in [&b""[..], b"mujl", &[0; 100]] {
        let file = path(directory.path(), 0);
        fs::write(&file, content).unwrap();
        let refused = open_with(&directory, &JournalOptions::default());
        assert!(matches!(refused, Err(JournalError::Corrupt { .. })), "{refused:?}");
        assert_eq!(fs::read(&file).unwrap(), content);
    }
}
