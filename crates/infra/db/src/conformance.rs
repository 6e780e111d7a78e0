//! What every adapter of [`Kv`] must do, and what every adapter of [`Journal`](crate::Journal) must. An adapter's tests
//! call [`check`] with an empty store, or [`check_journal`] with an empty journal.
//!
//! Each rule works under a prefix of its own, so that the rules don't see each other's rows.

mod journal;

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

pub use self::journal::check_journal;
use crate::{
    BATCH_BYTES_MAX, Batch, Conflict, Cut, KEY_BYTES_MAX, KeyRange, Kv, KvError, Order, Outcome, Page, Scan, ScanLimit,
    Select, VALUE_BYTES_MAX,
};

/// Runs every rule against `kv`.
///
/// # Panics
/// When a rule is broken; the message says which.
pub async fn check(kv: Arc<dyn Kv>) {
    reads_what_was_written(&*kv).await;
    writes_apply_in_order(&*kv).await;
    expectations_guard_all_writes(&*kv).await;
    the_first_broken_expectation_is_reported(&*kv).await;
    get_many_keeps_the_order_of_keys(&*kv).await;
    scans_are_ordered_and_bounded(&*kv).await;
    scans_stop_at_limits(&*kv).await;
    empty_and_binary_keys_and_values_work(&*kv).await;
    limits_are_enforced(&*kv).await;
    concurrent_increments_all_count(&kv).await;
}

async fn commit(kv: &dyn Kv, batch: Batch) -> Outcome {
    kv.commit(batch).await.expect("a commit succeeds")
}

async fn value(kv: &dyn Kv, key: &str) -> Option<Bytes> {
    kv.get(key.as_bytes()).await.expect("a get succeeds")
}

async fn reads_what_was_written(kv: &dyn Kv) {
    assert_eq!(value(kv, "a/x").await, None, "an unwritten key has no value");
    assert_eq!(commit(kv, Batch::new().put("a/x", "1").put("a/y", "2")).await, Outcome::Committed);
    assert_eq!(value(kv, "a/x").await.as_deref(), Some(&b"1"[..]), "a commit is seen once it is acknowledged");
    assert_eq!(commit(kv, Batch::new().put("a/x", "3").delete("a/y")).await, Outcome::Committed);
    assert_eq!(value(kv, "a/x").await.as_deref(), Some(&b"3"[..]), "a put replaces");
    assert_eq!(value(kv, "a/y").await, None, "a delete removes");
    assert_eq!(commit(kv, Batch::new().delete("a/y")).await, Outcome::Committed, "deleting nothing is fine");
    assert_eq!(commit(kv, Batch::new()).await, Outcome::Committed, "an empty batch is fine");
}

async fn writes_apply_in_order(kv: &dyn Kv) {
    commit(kv, Batch::new().put("b/x", "1").delete("b/x").put("b/x", "2").put("b/y", "1").delete("b/y")).await;
    assert_eq!(value(kv, "b/x").await.as_deref(), Some(&b"2"[..]), "the last write to a key wins");
    assert_eq!(value(kv, "b/y").await, None, "the last write to a key wins, also when it is a delete");
}

async fn expectations_guard_all_writes(kv: &dyn Kv) {
    let create = Batch::new().expect_absent("c/x").put("c/x", "1").put("c/y", "1");
    assert_eq!(commit(kv, create.clone()).await, Outcome::Committed);
    let conflict = Conflict { key: "c/x".into(), actual: Some("1".into()) };
    assert_eq!(commit(kv, create.put("c/z", "1")).await, Outcome::Conflict(conflict), "absence is checked");
    assert_eq!(value(kv, "c/z").await, None, "nothing of a conflicting batch happens");
    let swap = Batch::new().expect_value("c/x", "1").put("c/x", "2");
    assert_eq!(commit(kv, swap.clone()).await, Outcome::Committed, "an expected value is found");
    let conflict = Conflict { key: "c/x".into(), actual: Some("2".into()) };
    assert_eq!(commit(kv, swap).await, Outcome::Conflict(conflict), "a stale value is noticed");
    let missing = Batch::new().expect_value("c/none", "1").put("c/y", "2");
    let conflict = Conflict { key: "c/none".into(), actual: None };
    assert_eq!(commit(kv, missing).await, Outcome::Conflict(conflict), "a missing value is noticed");
    let own = Batch::new().expect_absent("c/own").put("c/own", "1");
    assert_eq!(commit(kv, own).await, Outcome::Committed, "expectations come before the batch's own writes");
}

async fn the_first_broken_expectation_is_reported(kv: &dyn Kv) {
    commit(kv, Batch::new().put("d/a", "1").put("d/b", "1")).await;
    let batch = Batch::new().expect_value("d/a", "1").expect_absent("d/b").expect_absent("d/a");
    let conflict = Conflict { key: "d/b".into(), actual: Some("1".into()) };
    assert_eq!(commit(kv, batch).await, Outcome::Conflict(conflict));
}

async fn get_many_keeps_the_order_of_keys(kv: &dyn Kv) {
    commit(kv, (0..100).fold(Batch::new(), |batch, i| batch.put(format!("e/{i:03}"), i.to_string()))).await;
    for count in [0, 3, 100] {
        let keys: Vec<Bytes> = (0..count).rev().map(|i| format!("e/{i:03}").into()).collect();
        let found = kv.get_many(&keys, 1000).await.expect("get_many succeeds");
        let expected: Vec<Option<Bytes>> = (0..count).rev().map(|i| Some(i.to_string().into())).collect();
        assert_eq!(found, expected);
    }
    let keys = ["e/000".into(), "e/none".into(), "e/000".into()];
    let found = kv.get_many(&keys, 1000).await.expect("get_many succeeds");
    assert_eq!(found, [Some("0".into()), None, Some("0".into())], "missing and repeated keys keep their places");
    let refused = kv.get_many(&keys, 1).await;
    assert!(matches!(refused, Err(KvError::TooLarge { bytes: 2, .. })), "too many bytes are refused: {refused:?}");
}

fn scan(range: KeyRange) -> Scan {
    let limit = ScanLimit { rows: 1000, bytes: 1 << 20 };
    Scan { range, order: Order::Ascending, limit, select: Select::Rows }
}

async fn page(kv: &dyn Kv, scan: Scan) -> Page {
    kv.scan(scan).await.expect("a scan succeeds")
}

fn keys(page: &Page) -> Vec<&str> {
    page.rows.iter().map(|row| std::str::from_utf8(&row.key).expect("this suite's keys are text")).collect()
}

async fn scans_are_ordered_and_bounded(kv: &dyn Kv) {
    commit(kv, ["f/b", "f/a", "f/c", "f/", "f", "g"].iter().fold(Batch::new(), |batch, key| batch.put(*key, "v")))
        .await;
    let all = scan(KeyRange::prefix("f/"));
    assert_eq!(keys(&page(kv, all.clone()).await), ["f/", "f/a", "f/b", "f/c"]);
    let reversed = Scan { order: Order::Descending, ..all.clone() };
    assert_eq!(keys(&page(kv, reversed).await), ["f/c", "f/b", "f/a", "f/"]);
    assert_eq!(page(kv, all.clone()).await.cut, None, "a whole range is not cut");
    assert_eq!(keys(&page(kv, scan(KeyRange::new("f/a", "f/c"))).await), ["f/a", "f/b"], "the end is excluded");
    assert_eq!(keys(&page(kv, scan(KeyRange::prefix("f/").after(b"f/a"))).await), ["f/b", "f/c"]);
    assert_eq!(keys(&page(kv, scan(KeyRange::prefix("f/").before(b"f/b"))).await), ["f/", "f/a"]);
    assert_eq!(page(kv, scan(KeyRange::new("f/c", "f/a"))).await.rows, [], "a reversed range is empty");
    let only_keys = page(kv, Scan { select: Select::Keys, ..all }).await;
    assert!(only_keys.rows.iter().all(|row| row.value.is_empty()), "values are left out when asked");
    assert_eq!(keys(&only_keys).len(), 4);
}

async fn scans_stop_at_limits(kv: &dyn Kv) {
    commit(kv, (0..200).fold(Batch::new(), |batch, i| batch.put(format!("h/{i:03}"), vec![7; 10]))).await;
    let all = scan(KeyRange::prefix("h/"));
    // A row is 5 bytes of key and 10 of value.
    for (rows, bytes, select, found, cut) in [
        (3, 1000, Select::Rows, 3, Some(Cut::Rows)),
        (200, 10_000, Select::Rows, 200, None),
        (199, 10_000, Select::Rows, 199, Some(Cut::Rows)),
        (0, 1000, Select::Rows, 0, Some(Cut::Rows)),
        (200, 45, Select::Rows, 3, Some(Cut::Bytes)),
        (200, 44, Select::Rows, 2, Some(Cut::Bytes)),
        (200, 1, Select::Rows, 1, Some(Cut::Bytes)),
        (200, 1000, Select::Keys, 200, None),
        (200, 999, Select::Keys, 199, Some(Cut::Bytes)),
    ] {
        for order in [Order::Ascending, Order::Descending] {
            let limit = ScanLimit { rows, bytes };
            let page = page(kv, Scan { limit, select, order, ..all.clone() }).await;
            assert_eq!((page.rows.len(), page.cut), (found, cut), "{limit:?} {select:?} {order:?}");
        }
    }
}

async fn empty_and_binary_keys_and_values_work(kv: &dyn Kv) {
    let keys: Vec<Bytes> = [&b"i\0"[..], b"i\0\0", b"i\0\xff", b"i\x7f", b"i\x80", b"i\xff", b"i\xff\xff"]
        .iter()
        .map(|key| Bytes::from_static(key))
        .collect();
    commit(kv, keys.iter().rev().fold(Batch::new(), |batch, key| batch.put(key.clone(), Bytes::new()))).await;
    let page = page(kv, scan(KeyRange::prefix("i"))).await;
    let found: Vec<&Bytes> = page.rows.iter().map(|row| &row.key).collect();
    assert_eq!(found, keys.iter().collect::<Vec<_>>(), "keys compare as unsigned bytes");
    assert_eq!(kv.get(&keys[0]).await.expect("a get succeeds"), Some(Bytes::new()), "an empty value is a value");
}

async fn limits_are_enforced(kv: &dyn Kv) {
    let largest = Batch::new().put(vec![b'j'; KEY_BYTES_MAX], vec![1; VALUE_BYTES_MAX]);
    assert_eq!(commit(kv, largest).await, Outcome::Committed, "the largest key and value are stored");
    let read = kv.get(&[b'j'; KEY_BYTES_MAX]).await.expect("a get succeeds");
    assert_eq!(read.map(|value| value.len()), Some(VALUE_BYTES_MAX));
    commit(kv, Batch::new().delete(vec![b'j'; KEY_BYTES_MAX])).await;
    let parts = BATCH_BYTES_MAX / VALUE_BYTES_MAX;
    for (batch, what) in [
        (Batch::new().put(vec![b'j'; KEY_BYTES_MAX + 1], "v"), "a key"),
        (Batch::new().delete(vec![b'j'; KEY_BYTES_MAX + 1]), "a key"),
        (Batch::new().expect_absent(vec![b'j'; KEY_BYTES_MAX + 1]), "a key"),
        (Batch::new().put("j", vec![0; VALUE_BYTES_MAX + 1]), "a value"),
        ((0..parts).fold(Batch::new(), |b, i| b.put(format!("j{i}"), vec![0; VALUE_BYTES_MAX])), "a batch"),
    ] {
        let refused = kv.commit(batch.put("j/other", "v")).await;
        assert!(matches!(refused, Err(KvError::TooLarge { what: it, .. }) if it == what), "{what}: {refused:?}");
        assert_eq!(value(kv, "j/other").await, None, "nothing of a refused batch happens");
    }
}

/// Many callers increment one counter by compare-and-swap: each success counts exactly once, and no state is skipped.
async fn concurrent_increments_all_count(kv: &Arc<dyn Kv>) {
    const CALLERS: usize = 8;
    const INCREMENTS: usize = 25;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..CALLERS {
        let kv = Arc::clone(kv);
        tasks.spawn(async move {
            let mut reached = Vec::new();
            while reached.len() < INCREMENTS {
                let now = value(&*kv, "k").await;
                let count = now.as_deref().map_or(0, count);
                let batch = Batch::new().expect("k", now).put("k", (count + 1).to_string());
                match commit(&*kv, batch).await {
                    Outcome::Committed => reached.push(count + 1),
                    Outcome::Conflict(_) => {}
                }
            }
            reached
        });
    }
    let reached: BTreeSet<usize> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(reached, (1..=CALLERS * INCREMENTS).collect(), "every increment is seen by the next");
}

fn count(text: &[u8]) -> usize {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).expect("the counter is a number")
}
