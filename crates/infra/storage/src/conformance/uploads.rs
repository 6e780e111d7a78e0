//! What every adapter of [`UploadStore`] must do. An adapter's tests call [`check`] with an empty store.

use std::sync::Arc;

use bytes::Bytes;

use crate::{AppendError, UploadId, UploadStore};

/// Runs every rule against `uploads`.
///
/// # Panics
/// When a rule is broken; the message says which.
pub async fn check(uploads: Arc<dyn UploadStore>) {
    uploads_grow_at_their_end(&*uploads).await;
    parts_can_be_read(&*uploads).await;
    discarded_uploads_are_gone(&*uploads).await;
    one_of_two_appends_wins(&uploads).await;
    assert_eq!(uploads.list().await.expect("listing succeeds"), [], "each rule cleans up");
}

async fn append(uploads: &dyn UploadStore, id: UploadId, offset: u64, bytes: impl Into<Bytes>) -> u64 {
    uploads.append(id, offset, bytes.into()).await.expect("appending succeeds")
}

async fn uploads_grow_at_their_end(uploads: &dyn UploadStore) {
    let id = UploadId::from_bytes([1; 16]);
    assert_eq!(uploads.length(id).await, Ok(0), "an upload has no bytes at first");
    assert_eq!(append(uploads, id, 0, "").await, 0);
    assert_eq!(uploads.list().await, Ok(Vec::new()), "and is not there before the first one");
    assert_eq!(append(uploads, id, 0, "abc").await, 3);
    for offset in [0, 2, 4, u64::MAX] {
        let refused = uploads.append(id, offset, "x".into()).await;
        assert_eq!(refused, Err(AppendError::Offset { length: 3 }), "{offset} is not its end");
    }
    assert_eq!(append(uploads, id, 3, vec![7; 3 << 20]).await, 3 + (3 << 20));
    assert_eq!(append(uploads, id, 3 + (3 << 20), "").await, 3 + (3 << 20));
    uploads.flush(id).await.expect("flushing succeeds");
    assert_eq!(uploads.length(id).await, Ok(3 + (3 << 20)));
    assert_eq!(uploads.list().await, Ok(vec![id]));
    uploads.discard(id).await.expect("discarding succeeds");
}

async fn parts_can_be_read(uploads: &dyn UploadStore) {
    let id = UploadId::from_bytes([2; 16]);
    append(uploads, id, 0, "0123").await;
    append(uploads, id, 4, "456789").await;
    for (offset, length, expected) in
        [(0, 0, ""), (0, 4, "0123"), (2, 4, "2345"), (8, 100, "89"), (10, 1, ""), (u64::MAX, 1, "")]
    {
        assert_eq!(uploads.read(id, offset, length).await.expect("reading succeeds"), expected, "{length} at {offset}");
    }
    uploads.discard(id).await.expect("discarding succeeds");
}

async fn discarded_uploads_are_gone(uploads: &dyn UploadStore) {
    let (id, other) = (UploadId::from_bytes([3; 16]), UploadId::from_bytes([4; 16]));
    append(uploads, id, 0, "abc").await;
    append(uploads, other, 0, "def").await;
    for _ in 0..2 {
        uploads.discard(id).await.expect("discarding succeeds, also when there is nothing");
    }
    assert_eq!(uploads.length(id).await, Ok(0));
    assert_eq!(uploads.read(id, 0, 3).await.expect("reading succeeds"), "");
    uploads.flush(id).await.expect("flushing nothing succeeds");
    assert_eq!(uploads.append(id, 3, "x".into()).await, Err(AppendError::Offset { length: 0 }));
    assert_eq!(uploads.list().await, Ok(vec![other]), "others stay");
    uploads.discard(other).await.expect("discarding succeeds");
}

async fn one_of_two_appends_wins(uploads: &Arc<dyn UploadStore>) {
    let id = UploadId::from_bytes([5; 16]);
    for round in 0..20 {
        let mut tasks = tokio::task::JoinSet::new();
        for byte in 0..4_u8 {
            let uploads = Arc::clone(uploads);
            tasks.spawn(async move { uploads.append(id, round * 1000, vec![byte; 1000].into()).await });
        }
        let results = tasks.join_all().await;
        let won = results.iter().filter(|result| **result == Ok((round + 1) * 1000)).count();
        assert_eq!(won, 1, "{results:?}");
        let content = uploads.read(id, round * 1000, 2000).await.expect("reading succeeds");
        assert!(content.len() == 1000 && content.iter().all(|byte| *byte == content[0]), "it is there whole");
    }
    uploads.discard(id).await.expect("discarding succeeds");
}
