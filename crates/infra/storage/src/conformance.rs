//! What every adapter of [`Blobs`] must do. An adapter's tests call [`check`] with an empty store.

pub mod uploads;

use std::sync::Arc;

use bytes::Bytes;

use crate::{BLOB_KEY_BYTES_MAX, BLOB_KEY_PARTS_MAX, BLOB_PATH_BYTES_MAX, BlobError, Blobs};

/// Runs every rule against `blobs`.
///
/// # Panics
/// When a rule is broken; the message says which.
pub async fn check(blobs: Arc<dyn Blobs>) {
    blobs_are_written_whole(&*blobs).await;
    parts_of_a_blob_can_be_read(&*blobs).await;
    readers_keep_what_they_opened(&*blobs).await;
    unfinished_blobs_are_invisible(&*blobs).await;
    keys_are_independent(&*blobs).await;
    keys_have_limits(&*blobs).await;
    lists_are_ordered_and_continue(&*blobs).await;
    writers_and_deleters_get_along(&blobs).await;
}

async fn content(blobs: &dyn Blobs, key: &str) -> Option<Bytes> {
    let blob = blobs.open(key).await.expect("opening succeeds")?;
    let bytes = usize::try_from(blob.size_bytes()).expect("a test's blob fits in memory");
    Some(blob.read(0, bytes).await.expect("reading succeeds"))
}

async fn put(blobs: &dyn Blobs, key: &str, value: impl Into<Bytes>) {
    blobs.put(key, value.into()).await.expect("putting succeeds");
}

async fn keys(blobs: &dyn Blobs, prefix: &str, after: Option<&str>, limit: usize) -> Vec<String> {
    let list = blobs.list(prefix, after, limit).await.expect("listing succeeds");
    list.into_iter().map(|blob| blob.key).collect()
}

async fn blobs_are_written_whole(blobs: &dyn Blobs) {
    assert_eq!(content(blobs, "a/x").await, None, "a key has no blob at first");
    for value in [Bytes::from("one"), Bytes::new(), Bytes::from(vec![7; 3 << 20])] {
        put(blobs, "a/x", value.clone()).await;
        assert!(content(blobs, "a/x").await == Some(value), "what was put is read");
    }
    let mut writer = blobs.create("a/x").await.expect("creating succeeds");
    for part in 0..50_u8 {
        writer.write(vec![part; 100_000].into()).await.expect("writing succeeds");
    }
    writer.finish().await.expect("finishing succeeds");
    let expected: Vec<u8> = (0..50).flat_map(|part| vec![part; 100_000]).collect();
    assert!(content(blobs, "a/x").await.expect("it is there") == expected, "parts are put together in order");
    blobs.delete("a/x").await.expect("deleting succeeds");
    assert_eq!(content(blobs, "a/x").await, None, "a deleted blob is gone");
    blobs.delete("a/x").await.expect("deleting nothing succeeds");
}

async fn parts_of_a_blob_can_be_read(blobs: &dyn Blobs) {
    let value: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    put(blobs, "b", value.clone()).await;
    let blob = blobs.open("b").await.expect("opening succeeds").expect("it is there");
    assert_eq!(blob.size_bytes(), value.len() as u64);
    for (offset, length) in [(0, 0), (0, 1), (10, 4096), (4090, 10), (399_999, 1), (400_000, 0), (0, 400_000)] {
        let read = blob.read(offset as u64, length).await.expect("reading succeeds");
        assert!(read == value[offset..offset + length], "{length} bytes from {offset}");
    }
    for (offset, length) in [(0, 400_001), (399_999, 2), (400_001, 1), (u64::MAX, 1)] {
        let refused = blob.read(offset, length).await;
        assert!(refused.is_err(), "{length} bytes from {offset} are not there");
    }
}

async fn readers_keep_what_they_opened(blobs: &dyn Blobs) {
    put(blobs, "c", vec![1; 100_000]).await;
    let replaced = blobs.open("c").await.expect("opening succeeds").expect("it is there");
    put(blobs, "c", vec![2; 200_000]).await;
    let deleted = blobs.open("c").await.expect("opening succeeds").expect("it is there");
    blobs.delete("c").await.expect("deleting succeeds");
    assert!(replaced.read(50_000, 50_000).await.expect("reading succeeds") == vec![1; 50_000]);
    assert!(deleted.read(50_000, 150_000).await.expect("reading succeeds") == vec![2; 150_000]);
}

async fn unfinished_blobs_are_invisible(blobs: &dyn Blobs) {
    put(blobs, "d/old", "old").await;
    let mut writers = Vec::new();
    for key in ["d/old", "d/new"] {
        let mut writer = blobs.create(key).await.expect("creating succeeds");
        writer.write(vec![1; 2 << 20].into()).await.expect("writing succeeds");
        writers.push(writer);
    }
    assert_eq!(content(blobs, "d/old").await.as_deref(), Some(&b"old"[..]));
    assert_eq!(keys(blobs, "d/", None, 10).await, ["d/old"]);
    drop(writers);
    assert_eq!(content(blobs, "d/old").await.as_deref(), Some(&b"old"[..]));
    assert_eq!(content(blobs, "d/new").await, None);
}

/// Keys that a file system would mix up, or that would lead out of a directory.
const AWKWARD_KEYS: [&str; 17] = [
    "e/",
    "e/.",
    "e/..",
    "e//",
    "e/A",
    "e/a",
    "e/a.blob",
    "e/a/",
    "e/a/b",
    "e/a//b",
    "e/../x",
    "e/%61",
    "e/con",
    "e/\0",
    "e/\u{e9}",
    "e/e\u{301}",
    "e/\u{1f980}",
];

async fn keys_are_independent(blobs: &dyn Blobs) {
    let long: Vec<String> = [79, 80, 81, 300].iter().map(|&count| format!("e/{}", "l".repeat(count))).collect();
    let nested: Vec<String> = long.iter().map(|key| format!("{key}/x")).collect();
    let all: Vec<&str> = AWKWARD_KEYS.iter().copied().chain(long.iter().chain(&nested).map(String::as_str)).collect();
    for key in &all {
        put(blobs, key, key.as_bytes().to_vec()).await;
    }
    for key in &all {
        assert_eq!(content(blobs, key).await.as_deref(), Some(key.as_bytes()), "{key:?}");
    }
    let mut sorted = all.clone();
    sorted.sort_unstable();
    assert_eq!(keys(blobs, "e/", None, 100).await, sorted, "every key is listed, in order");
    for key in &all {
        blobs.delete(key).await.expect("deleting succeeds");
        assert_eq!(content(blobs, key).await, None, "{key:?}");
    }
    assert_eq!(keys(blobs, "e/", None, 100).await, Vec::<String>::new());
}

async fn keys_have_limits(blobs: &dyn Blobs) {
    let blobs_before = keys(blobs, "", None, 10).await.len();
    let longest = format!("g/{}", "g".repeat(BLOB_KEY_BYTES_MAX - 2));
    put(blobs, &longest, "1").await;
    assert_eq!(content(blobs, &longest).await.as_deref(), Some(&b"1"[..]));
    assert_eq!(keys(blobs, &longest, None, 2).await, [&longest[..]]);
    blobs.delete(&longest).await.expect("deleting succeeds");
    let deepest = "/".repeat(BLOB_KEY_PARTS_MAX - 1);
    // Each byte takes three in a path, and six more for each 80 and for the first.
    let widest = "G".repeat((BLOB_PATH_BYTES_MAX - 50) / 3 * 40 / 41);
    for key in [&deepest, &widest] {
        put(blobs, key, "1").await;
        assert_eq!(keys(blobs, key, None, 2).await, [&key[..]]);
        blobs.delete(key).await.expect("deleting succeeds");
    }
    let many = "/".repeat(BLOB_KEY_BYTES_MAX);
    for (key, limit) in [
        ("", BLOB_KEY_BYTES_MAX),
        (&(longest + "g"), BLOB_KEY_BYTES_MAX),
        (&(deepest + "/"), BLOB_KEY_PARTS_MAX),
        (&many, BLOB_KEY_PARTS_MAX),
        (&widest.repeat(2)[..BLOB_PATH_BYTES_MAX / 3], BLOB_PATH_BYTES_MAX),
    ] {
        let refusals = [blobs.put(key, Bytes::new()).await, blobs.delete(key).await, blobs.open(key).await.map(|_| ())];
        for refusal in refusals {
            assert!(matches!(refusal, Err(BlobError::InvalidKey { limit: l, .. }) if l == limit), "{key}: {refusal:?}");
        }
        if !key.is_empty() {
            assert_eq!(keys(blobs, key, None, 1).await, Vec::<String>::new(), "nothing begins with an impossible key");
        }
    }
    assert_eq!(keys(blobs, "", None, 10).await.len(), blobs_before, "nothing is left of them");
}

async fn lists_are_ordered_and_continue(blobs: &dyn Blobs) {
    // `!` sorts before `/`, `0` after it.
    let sorted = ["f/a", "f/a!", "f/a!/x", "f/a/", "f/a/b", "f/a/b/c", "f/a/c", "f/a0", "f/ab", "f/b"];
    for (size, key) in sorted.iter().enumerate().rev() {
        put(blobs, key, vec![0; size]).await;
    }
    for prefix in ["f/", "f/a", "f/a/", "f/a/b", "f/a!", "f/none", "f/a/b/c/d"] {
        let expected: Vec<&str> = sorted.iter().copied().filter(|key| key.starts_with(prefix)).collect();
        assert_eq!(keys(blobs, prefix, None, 100).await, expected, "{prefix:?}");
        for limit in [0, 1, 3] {
            assert_eq!(keys(blobs, prefix, None, limit).await, expected[..limit.min(expected.len())], "{prefix:?}");
        }
        for after in ["", "e", "f/a", "f/a/aa", "f/a/b", "f/a/zz", "f/a0x", "g"] {
            let rest: Vec<&str> = expected.iter().copied().filter(|key| *key > after).collect();
            assert_eq!(keys(blobs, prefix, Some(after), 100).await, rest, "{prefix:?} after {after:?}");
        }
    }
    let sizes: Vec<u64> =
        blobs.list("f/", None, 100).await.expect("listing succeeds").iter().map(|blob| blob.size_bytes).collect();
    assert_eq!(sizes, (0..sorted.len() as u64).collect::<Vec<_>>());
}

/// Deleting the last blob under a prefix never gets in the way of a new one.
async fn writers_and_deleters_get_along(blobs: &Arc<dyn Blobs>) {
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8 {
        let blobs = Arc::clone(blobs);
        tasks.spawn(async move {
            let key = format!("h/shared/directory/{task}");
            for round in 0..10_u8 {
                put(&*blobs, &key, vec![round]).await;
                assert_eq!(content(&*blobs, &key).await.as_deref(), Some(&[round][..]));
                blobs.delete(&key).await.expect("deleting succeeds");
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(keys(&**blobs, "h/", None, 10).await, Vec::<String>::new());
}
