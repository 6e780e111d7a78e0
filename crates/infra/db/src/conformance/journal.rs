//! What every adapter of [`Journal`] must do.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::{Journal, JournalError, Position, RECORD_BYTES_MAX};

/// Runs every rule against an empty journal.
///
/// # Panics
/// When a rule is broken; the message says which.
pub async fn check_journal(journal: Arc<dyn Journal>) {
    let end = records_are_read_in_order(&*journal).await;
    reads_are_bounded(&*journal, end).await;
    records_have_limits(&*journal).await;
    released_records_are_not_needed(&*journal).await;
    places_are_never_used_twice(&*journal).await;
    concurrent_records_are_all_there_once(&journal).await;
}

async fn all(journal: &dyn Journal, from: Position) -> (Vec<String>, Position) {
    let (mut texts, mut at) = (Vec::new(), from);
    loop {
        let read = journal.read(at, 100).await.expect("a read succeeds");
        if read.next == at {
            return (texts, at);
        }
        assert!(read.next > at, "reading goes forward");
        texts.extend(read.records.iter().map(|record| String::from_utf8_lossy(record).into_owned()));
        at = read.next;
    }
}

async fn records_are_read_in_order(journal: &dyn Journal) -> Position {
    let nothing = journal.read(Position::START, 100).await.expect("a read succeeds");
    assert!(nothing.records.is_empty() && nothing.next == Position::START, "an empty journal has nothing to read");
    let expected: Vec<String> = (0..50).map(|number| format!("record {number}")).collect();
    for record in &expected {
        journal.append(record.as_bytes()).expect("an append succeeds");
    }
    let (texts, end) = all(journal, Position::START).await;
    assert_eq!(texts, expected, "all are read, in order");
    assert_eq!(all(journal, Position::START).await.0, expected, "reading takes nothing away");
    journal.sync().await.expect("a sync succeeds");
    journal.append(b"later").expect("an append succeeds");
    assert_eq!(all(journal, end).await.0, ["later"], "reading continues where it ended");
    end
}

async fn reads_are_bounded(journal: &dyn Journal, from: Position) {
    for (bytes_max, expected) in [(0, 1), (5, 1), (9, 1), (10, 2), (100, 3)] {
        let start = all(journal, from).await.1;
        for _ in 0..3 {
            journal.append(b"12345").expect("an append succeeds");
        }
        let read = journal.read(start, bytes_max).await.expect("a read succeeds");
        assert_eq!(read.records.len(), expected, "{bytes_max} bytes, or one record");
        let (rest, end) = all(journal, read.next).await;
        assert_eq!(rest.len(), 3 - expected);
        journal.release(end).await.expect("a release succeeds");
    }
}

async fn records_have_limits(journal: &dyn Journal) {
    let (before, end) = all(journal, Position::START).await;
    for bytes in [0, RECORD_BYTES_MAX + 1] {
        let refused = journal.append(&vec![1; bytes]);
        assert_eq!(refused, Err(JournalError::RecordSize { bytes }));
    }
    assert_eq!(all(journal, Position::START).await, (before, end), "a refused record leaves nothing behind");
    journal.append(&vec![1; RECORD_BYTES_MAX]).expect("the longest record is taken");
    let read = journal.read(end, 1).await.expect("a read succeeds");
    assert_eq!(read.records.iter().map(bytes::Bytes::len).collect::<Vec<_>>(), [RECORD_BYTES_MAX]);
}

async fn released_records_are_not_needed(journal: &dyn Journal) {
    let (_, end) = all(journal, Position::START).await;
    journal.append(b"kept").expect("an append succeeds");
    journal.release(end).await.expect("a release succeeds");
    assert_eq!(all(journal, end).await.0, ["kept"], "what comes after stays");
    let from_start = all(journal, Position::START).await.0;
    assert_eq!(from_start.last().map(String::as_str), Some("kept"), "reading begins at the first that is kept");
    let (_, end) = all(journal, end).await;
    journal.release(end).await.expect("a release succeeds");
    journal.release(Position::START).await.expect("a release of what is gone is fine");
    assert_eq!(all(journal, end).await.0, [""; 0], "all is released");
}

async fn places_are_never_used_twice(journal: &dyn Journal) {
    let (_, end) = all(journal, Position::START).await;
    journal.resume_at(Position::START).await.expect("a resume succeeds");
    journal.append(b"here").expect("an append succeeds");
    assert_eq!(all(journal, end).await.0, ["here"], "resuming at what is past changes nothing");
    let far = Position::new(end.as_u64() + (1 << 40));
    journal.resume_at(far).await.expect("a resume succeeds");
    journal.append(b"there").expect("an append succeeds");
    assert_eq!(all(journal, far).await.0, ["there"], "later records come at that place or after it");
    assert_eq!(all(journal, end).await.0, ["here", "there"], "reading passes over the gap");
}

async fn concurrent_records_are_all_there_once(journal: &Arc<dyn Journal>) {
    const WRITERS: usize = 4;
    const RECORDS: usize = 200;
    let (_, end) = all(&**journal, Position::START).await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let journal = Arc::clone(journal);
        writers.spawn_blocking(move || {
            for record in 0..RECORDS {
                journal.append(format!("{writer}/{record}").as_bytes()).expect("an append succeeds");
            }
        });
    }
    let mut texts = Vec::new();
    let mut at = end;
    while !writers.is_empty() {
        let _ = writers.join_next().await;
        let (more, next) = all(&**journal, at).await;
        texts.extend(more);
        at = next;
        journal.release(at).await.expect("a release succeeds while others append");
    }
    texts.extend(all(&**journal, at).await.0);
    assert_eq!(texts.len(), WRITERS * RECORDS, "nothing is doubled");
    let different: BTreeSet<&String> = texts.iter().collect();
    assert_eq!(different.len(), WRITERS * RECORDS, "nothing is lost");
}
