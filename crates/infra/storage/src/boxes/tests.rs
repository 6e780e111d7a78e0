//! What functions and the gateway can rely on.

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use mu_env::Timestamp;

use super::*;
use crate::MemBlobs;
use crate::format::{CHUNK_BYTES, FormatError};

const STACK: StackId = [1; 32];
const OTHER: StackId = [2; 32];

fn env(seed: u64) -> Env {
    Env::simulated(seed, Timestamp::from_micros(0))
}

fn boxes_on(blobs: &MemBlobs, limits: Limits) -> Boxes {
    Boxes::with_limits(Arc::new(blobs.clone()), RootKey::from_bytes([9; 32]), &env(1), limits)
}

async fn boxes() -> (Boxes, MemBlobs) {
    let blobs = MemBlobs::new();
    let boxes = boxes_on(&blobs, Limits::default());
    boxes.declare_boxes(&STACK, &["files", "more"]).await.unwrap();
    (boxes, blobs)
}

fn text(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|i| u8::try_from(i % 253).unwrap()).collect()
}

async fn keys(boxes: &Boxes, box_name: &str, prefix: &str) -> Vec<String> {
    let (list, _) = boxes.list(&STACK, box_name, prefix).await.unwrap();
    list.into_iter().map(|object| object.key).collect()
}

async fn all_blobs(blobs: &MemBlobs) -> Vec<String> {
    blobs.list("", None, usize::MAX).await.unwrap().into_iter().map(|blob| blob.key).collect()
}

#[tokio::test]
async fn stored_bytes_are_those_of_all_names_and_contents() {
    let (boxes, _) = boxes().await;
    assert_eq!(boxes.stored_bytes(&STACK).await.unwrap(), 0);
    for (box_name, key, content) in [("files", "a/b/c", "one"), ("files", "d", ""), ("more", "a", "other")] {
        boxes.put(&STACK, box_name, key, content.into()).await.unwrap();
    }
    boxes.declare_boxes(&OTHER, &["files"]).await.unwrap();
    boxes.put(&OTHER, "files", "a", "1".into()).await.unwrap();
    assert_eq!(boxes.stored_bytes(&STACK).await.unwrap(), 8 + 1 + 6);
    boxes.remove_box(&STACK, "more").await.unwrap();
    assert_eq!(boxes.stored_bytes(&STACK).await.unwrap(), 8 + 1);
}

#[tokio::test]
async fn objects_are_put_read_listed_and_deleted() {
    let (boxes, _) = boxes().await;
    let (meta, ops) = boxes.put(&STACK, "files", "a/1", "one".into()).await.unwrap();
    assert_eq!((meta.size_bytes, ops), (3, StorageOps::write(3)));
    boxes.put(&STACK, "files", "a/2", "three".into()).await.unwrap();
    boxes.put(&STACK, "files", "b", "".into()).await.unwrap();
    boxes.put(&STACK, "more", "a/1", "other".into()).await.unwrap();

    assert_eq!(boxes.get(&STACK, "files", "a/1").await.unwrap(), ("one".into(), StorageOps::read(3)));
    assert_eq!(boxes.get(&STACK, "files", "b").await.unwrap(), (Bytes::new(), StorageOps::read(0)));
    assert_eq!(boxes.get_range(&STACK, "files", "a/2", 1..3).await.unwrap(), ("hr".into(), StorageOps::read(2)));
    assert_eq!(boxes.head(&STACK, "files", "a/1").await.unwrap(), (meta, StorageOps::read(0)));

    let listed = |key: &str, size_bytes| ObjectInfo { key: key.into(), size_bytes };
    let (list, ops) = boxes.list(&STACK, "files", "a/").await.unwrap();
    assert_eq!((list, ops), (vec![listed("a/1", 3), listed("a/2", 5)], StorageOps::read(0)));
    assert_eq!(keys(&boxes, "files", "").await, ["a/1", "a/2", "b"]);
    assert_eq!(keys(&boxes, "files", "x").await, Vec::<String>::new());

    assert_eq!(boxes.delete(&STACK, "files", "a/1").await.unwrap(), ((), StorageOps::write(0)));
    boxes.delete(&STACK, "files", "a/1").await.unwrap();
    let error = boxes.get(&STACK, "files", "a/1").await.unwrap_err();
    assert_eq!(error.to_string(), "box `files` has no object `a/1`");
    assert_eq!(boxes.get(&STACK, "more", "a/1").await.unwrap().0, "other");
}

#[tokio::test]
async fn every_put_changes_the_entity_tag() {
    let (boxes, _) = boxes().await;
    let (first, _) = boxes.put(&STACK, "files", "k", "same".into()).await.unwrap();
    let (second, _) = boxes.put(&STACK, "files", "k", "same".into()).await.unwrap();
    assert_ne!(first.etag, second.etag);
    assert_eq!(boxes.head(&STACK, "files", "k").await.unwrap().0, second);
    assert_eq!(second.etag.to_string().len(), 32);
}

#[tokio::test]
async fn any_range_of_any_size_can_be_read() {
    let (boxes, _) = boxes().await;
    let chunk = CHUNK_BYTES as u64;
    for size in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, CHUNK_BYTES * 9 + 7] {
        let content = text(size);
        boxes.put(&STACK, "files", "k", content.clone().into()).await.unwrap();
        let end = size as u64;
        let points = [0, 1, chunk - 1, chunk, chunk + 1, chunk * 4, chunk * 5 - 1, end.saturating_sub(1), end];
        for start in points {
            for stop in points {
                let result = boxes.get_range(&STACK, "files", "k", start..stop).await;
                if start <= stop && stop <= end {
                    let expected = &content[usize::try_from(start).unwrap()..usize::try_from(stop).unwrap()];
                    assert!(result.unwrap().0 == expected, "{start}..{stop} of {size}");
                } else {
                    let refused = StorageError::InvalidRange { start, end: stop, bytes: end };
                    assert_eq!(result.unwrap_err(), refused);
                }
            }
        }
        assert!(boxes.get(&STACK, "files", "k").await.unwrap().0 == content, "{size}");
    }
}

#[tokio::test]
async fn streams_in_and_out() {
    let (boxes, _) = boxes().await;
    let content = text(CHUNK_BYTES * 5 + 100);
    for piece in [1_000, CHUNK_BYTES, CHUNK_BYTES * 3 + 1, content.len()] {
        let pieces: Vec<Result<Bytes, String>> =
            content.chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let (meta, ops) = boxes.put_stream(&STACK, "files", "k", stream::iter(pieces)).await.unwrap();
        assert_eq!((meta.size_bytes, ops), (content.len() as u64, StorageOps::write(content.len() as u64)));
        let (object, ops) = boxes.open_object(&STACK, "files", "k").await.unwrap();
        assert_eq!((object.meta(), ops), (meta, StorageOps::read(0)));
        let read: Vec<Bytes> = object.stream(10..meta.size_bytes - 10).unwrap().try_collect().await.unwrap();
        assert!(read.concat() == content[10..content.len() - 10], "pieces of {piece}");
        assert!(read.iter().all(|piece| piece.len() <= 4 * CHUNK_BYTES));
    }
}

#[tokio::test]
async fn an_interrupted_put_changes_nothing() {
    let (boxes, blobs) = boxes().await;
    let (old, _) = boxes.put(&STACK, "files", "k", "old".into()).await.unwrap();
    let before = all_blobs(&blobs).await;
    let pieces = [Ok(Bytes::from(text(200_000))), Err("connection reset")];
    for key in ["k", "new"] {
        let error = boxes.put_stream(&STACK, "files", key, stream::iter(pieces.clone())).await.unwrap_err();
        assert_eq!(error.to_string(), "the content of the object did not arrive: connection reset");
    }
    assert_eq!(boxes.head(&STACK, "files", "k").await.unwrap().0, old);
    assert_eq!(all_blobs(&blobs).await, before);
}

#[tokio::test]
async fn an_object_that_is_being_read_can_be_replaced() {
    let (boxes, _) = boxes().await;
    let content = text(CHUNK_BYTES * 9);
    boxes.put(&STACK, "files", "k", content.clone().into()).await.unwrap();
    let (object, _) = boxes.open_object(&STACK, "files", "k").await.unwrap();
    let mut stream = std::pin::pin!(object.stream(0..content.len() as u64).unwrap());
    let mut read = stream.next().await.unwrap().unwrap().to_vec();
    boxes.put(&STACK, "files", "k", "new".into()).await.unwrap();
    boxes.delete(&STACK, "files", "k").await.unwrap();
    while let Some(piece) = stream.next().await {
        read.extend_from_slice(&piece.unwrap());
    }
    assert!(read == content);
}

#[tokio::test]
async fn every_operation_refuses_an_undeclared_box() {
    let (boxes, _) = boxes().await;
    let long = "n".repeat(300);
    for (stack, name) in [(&STACK, "none"), (&OTHER, "files"), (&STACK, ""), (&STACK, "../x"), (&STACK, &long[..])] {
        let refused = [
            boxes.put(stack, name, "k", "1".into()).await.err(),
            boxes.get(stack, name, "k").await.err(),
            boxes.get_range(stack, name, "k", 0..1).await.err(),
            boxes.head(stack, name, "k").await.err(),
            boxes.delete(stack, name, "k").await.err(),
            boxes.list(stack, name, "").await.err(),
            boxes.open_object(stack, name, "k").await.err(),
        ];
        for (index, error) in refused.into_iter().enumerate() {
            assert_eq!(error, Some(StorageError::unknown_box(name)), "operation {index} on {name:?}");
        }
    }
    let error = StorageError::unknown_box("none").to_string();
    assert_eq!(error, "box `none` is not declared: add a Storage named `none` to mu.yaml");
    assert!(StorageError::unknown_box(&long).to_string().len() < 250);
}

#[tokio::test]
async fn a_removed_box_is_gone_and_comes_back_empty() {
    let (boxes, blobs) = boxes().await;
    for i in 0..5 {
        boxes.put(&STACK, "files", &format!("{i}"), "x".into()).await.unwrap();
    }
    boxes.put(&STACK, "more", "kept", "x".into()).await.unwrap();
    assert_eq!(boxes.box_list(&STACK).await.unwrap(), ["files", "more"]);
    boxes.remove_box(&STACK, "files").await.unwrap();
    boxes.remove_box(&STACK, "files").await.unwrap();
    assert_eq!(boxes.get(&STACK, "files", "0").await.unwrap_err(), StorageError::unknown_box("files"));
    assert_eq!(boxes.box_list(&STACK).await.unwrap(), ["more"]);
    for (name, expected) in [("more", true), ("files", false), ("no box's name", false)] {
        assert_eq!(boxes.has_box(&STACK, name).await, Ok(expected), "{name}");
    }
    assert_eq!(all_blobs(&blobs).await.len(), 2, "the other box and its object");
    boxes.declare_boxes(&STACK, &["files", "more"]).await.unwrap();
    assert_eq!(keys(&boxes, "files", "").await, Vec::<String>::new());
    assert_eq!(keys(&boxes, "more", "").await, ["kept"]);
}

#[tokio::test]
async fn a_removal_that_was_cut_short_is_finished_by_the_next_declaration() {
    let (boxes, blobs) = boxes().await;
    boxes.put(&STACK, "files", "old", "x".into()).await.unwrap();
    let record = all_blobs(&blobs).await.into_iter().find(|key| key.ends_with("/files")).unwrap();
    blobs.delete(&record).await.unwrap();
    let after_crash = boxes_on(&blobs, Limits::default());
    assert_eq!(after_crash.get(&STACK, "files", "old").await.unwrap_err(), StorageError::unknown_box("files"));
    after_crash.declare_boxes(&STACK, &["files"]).await.unwrap();
    assert_eq!(keys(&after_crash, "files", "").await, Vec::<String>::new());
    assert!(all_blobs(&blobs).await.iter().all(|key| !key.contains("old")), "its object is deleted");
}

#[tokio::test]
async fn boxes_survive_a_restart_with_the_same_root_key_only() {
    let (boxes, blobs) = boxes().await;
    boxes.put(&STACK, "files", "k", "content".into()).await.unwrap();
    let restarted = boxes_on(&blobs, Limits::default());
    restarted.declare_boxes(&STACK, &["files"]).await.unwrap();
    assert_eq!(restarted.get(&STACK, "files", "k").await.unwrap().0, "content");
    let stranger = Boxes::open(Arc::new(blobs), RootKey::from_bytes([8; 32]), &env(2));
    let refused = "box `files` belongs to another root key: put back the root key file of this data directory";
    for error in [
        stranger.declare_boxes(&STACK, &["files"]).await.unwrap_err(),
        stranger.get(&STACK, "files", "k").await.unwrap_err(),
    ] {
        assert_eq!(error.to_string(), refused);
    }
    assert_eq!(restarted.get(&STACK, "files", "k").await.unwrap().0, "content", "nothing was harmed");
}

#[tokio::test]
async fn blobs_that_were_tampered_with_are_refused() {
    let (boxes, blobs) = boxes().await;
    boxes.put(&STACK, "files", "a", text(CHUNK_BYTES * 2).into()).await.unwrap();
    boxes.put(&STACK, "files", "b", text(CHUNK_BYTES * 2).into()).await.unwrap();
    let blob_of = async |end: &str| all_blobs(&blobs).await.into_iter().find(|key| key.ends_with(end)).unwrap();
    let (a, b, record) = (blob_of("/a").await, blob_of("/b").await, blob_of("/files").await);
    let content = async |key: &str| {
        let blob = blobs.open(key).await.unwrap().unwrap();
        blob.read(0, usize::try_from(blob.size_bytes()).unwrap()).await.unwrap()
    };
    let damaged = |reason| StorageError::CorruptObject { box_name: "files".into(), key: "b".into(), reason };

    let (of_a, of_b) = (content(&a).await, content(&b).await);
    blobs.put(&b, of_a).await.unwrap();
    assert_eq!(boxes.get(&STACK, "files", "b").await.unwrap_err(), damaged(FormatError::Forged));
    let mut flipped = of_b.to_vec();
    flipped[100_000] ^= 1;
    blobs.put(&b, flipped.into()).await.unwrap();
    assert_eq!(boxes.get(&STACK, "files", "b").await.unwrap_err(), damaged(FormatError::Forged));
    let (first, _) = boxes.get_range(&STACK, "files", "b", 0..10).await.unwrap();
    assert_eq!(first, &text(10)[..], "other chunks can still be read");
    for bytes in [0, 3, 40, 81, 90] {
        blobs.put(&b, of_b.slice(..bytes)).await.unwrap();
        let error = boxes.head(&STACK, "files", "b").await.unwrap_err();
        assert!(matches!(error, StorageError::CorruptObject { .. }), "{bytes}: {error}");
        assert_eq!(keys(&boxes, "files", "").await, ["a", "b"], "it is still listed, and can be deleted");
    }
    let error = boxes.get(&STACK, "files", "b").await.unwrap_err().to_string();
    assert_eq!(error, "object `b` in box `files` is damaged: 90 bytes cannot be an object: it was cut short");

    let mut of_box = content(&record).await.to_vec();
    of_box[40] ^= 1;
    blobs.put(&record, of_box.into()).await.unwrap();
    let error = boxes_on(&blobs, Limits::default()).get(&STACK, "files", "a").await.unwrap_err();
    assert_eq!(error.to_string(), "box `files` cannot be opened: it was changed or belongs elsewhere");
}

#[tokio::test]
async fn content_is_never_stored_as_it_is() {
    let (boxes, blobs) = boxes().await;
    let secret = b"a text that must not appear on any disk";
    boxes.put(&STACK, "files", "k", secret.repeat(5_000).into()).await.unwrap();
    for key in all_blobs(&blobs).await {
        let blob = blobs.open(&key).await.unwrap().unwrap();
        let stored = blob.read(0, usize::try_from(blob.size_bytes()).unwrap()).await.unwrap();
        assert!(!stored.windows(8).any(|window| window == &secret[..8]), "{key}");
    }
}

#[tokio::test]
async fn names_of_boxes_and_keys_are_checked() {
    let (boxes, _) = boxes().await;
    for name in ["", "a b", "a/b", "..", "ä", &"n".repeat(256)] {
        let error = boxes.declare_boxes(&STACK, &["ok", name]).await.unwrap_err();
        assert!(matches!(error, StorageError::InvalidBoxName { .. }), "{name:?}: {error}");
        assert!(boxes.remove_box(&STACK, name).await.is_err());
    }
    assert_eq!(boxes.box_list(&STACK).await.unwrap(), ["files", "more"]);
    let (long, deep) = ("k".repeat(1024), ["p"; 32].join("/"));
    boxes.put(&STACK, "files", &deep, "1".into()).await.unwrap();
    assert_eq!(keys(&boxes, "files", &deep).await, [&deep[..]]);
    for too_deep in [&format!("{deep}/"), &"/".repeat(32)] {
        let refused = "a key of 33 parts between slashes is not possible: 1 to 32 parts between slashes are";
        assert_eq!(boxes.put(&STACK, "files", too_deep, "1".into()).await.unwrap_err().to_string(), refused);
        assert_eq!(boxes.head(&STACK, "files", too_deep).await.unwrap_err().to_string(), refused);
        assert_eq!(boxes.list(&STACK, "files", too_deep).await.unwrap_err().to_string(), refused);
    }
    boxes.put(&STACK, "files", &long, "1".into()).await.unwrap();
    assert_eq!(keys(&boxes, "files", &long).await, [&long[..]]);
    for key in ["", &"k".repeat(1025)] {
        let refused = format!("a key of {} bytes is not possible: 1 to 1024 bytes are", key.len());
        assert_eq!(boxes.put(&STACK, "files", key, "1".into()).await.unwrap_err().to_string(), refused);
        assert_eq!(boxes.head(&STACK, "files", key).await.unwrap_err().to_string(), refused);
        assert_eq!(boxes.delete(&STACK, "files", key).await.unwrap_err().to_string(), refused);
    }
}

#[tokio::test]
async fn paths_of_keys_fit_the_store() {
    let (boxes, _) = boxes().await;
    // The longest path that a key can have, in a box with a name of ordinary length and with the longest one.
    let key = ["Ä".repeat(15), "/Ä".repeat(31), "Ä".repeat(450)].concat();
    let key = &key[..key.floor_char_boundary(1024)];
    let (short, long) = ("B".repeat(40), "B".repeat(255));
    boxes.declare_boxes(&STACK, &[&short, &long]).await.unwrap();
    boxes.put(&STACK, &short, key, "1".into()).await.unwrap();
    let error = boxes.put(&STACK, &long, key, "1".into()).await.unwrap_err();
    assert!(matches!(error, StorageError::InvalidKey { limit: 3584, unit: "bytes of path", .. }), "{error}");
}

#[tokio::test]
async fn limits_hold() {
    let blobs = MemBlobs::new();
    let limits = Limits { object_bytes: 100, read_bytes: 50, listed_objects: 3, ..Limits::default() };
    let boxes = boxes_on(&blobs, limits);
    boxes.declare_boxes(&STACK, &["files"]).await.unwrap();
    boxes.put(&STACK, "files", "k", text(100).into()).await.unwrap();
    let error = boxes.put(&STACK, "files", "k", text(101).into()).await.unwrap_err();
    assert_eq!(error.to_string(), "an object of more than 100 bytes cannot be stored");
    assert_eq!(boxes.head(&STACK, "files", "k").await.unwrap().0.size_bytes, 100, "the old object is unharmed");

    let error = boxes.get(&STACK, "files", "k").await.unwrap_err();
    assert_eq!(error.to_string(), "object `k` has 100 bytes and at most 50 can be read at once: read it in ranges");
    assert_eq!(boxes.get_range(&STACK, "files", "k", 50..100).await.unwrap().0, text(100)[50..]);

    for key in ["k2", "k3", "l"] {
        boxes.put(&STACK, "files", key, "".into()).await.unwrap();
    }
    assert_eq!(keys(&boxes, "files", "k").await, ["k", "k2", "k3"]);
    let error = boxes.list(&STACK, "files", "").await.unwrap_err();
    assert_eq!(error.to_string(), "box `files` has more than 3 objects with this prefix: use a longer prefix");
}
