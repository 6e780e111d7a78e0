//! A function's questions to mu Storage.

use mu_abi::{Object, StorageReply, StorageRequest};
use mu_storage::{BlobError, Boxes, ObjectInfo, StorageError, StorageOps};

/// Answers one question, and says what it is billed for.
pub(super) async fn answer(
    boxes: &Boxes,
    stack: &[u8; 32],
    request: StorageRequest,
) -> Result<(StorageReply, StorageOps), StorageError> {
    Ok(match request {
        StorageRequest::Put { storage_name, key, data } => {
            let (_, ops) = boxes.put(stack, &storage_name, &key, data.into()).await?;
            (StorageReply::Empty, ops)
        }
        StorageRequest::Get { storage_name, key } => {
            let (data, ops) = boxes.get(stack, &storage_name, &key).await?;
            (StorageReply::Get(data.into()), ops)
        }
        StorageRequest::Delete { storage_name, key } => {
            let ((), ops) = boxes.delete(stack, &storage_name, &key).await?;
            (StorageReply::Empty, ops)
        }
        StorageRequest::List { storage_name, prefix } => {
            let (objects, ops) = boxes.list(stack, &storage_name, &prefix).await?;
            let object = |found: ObjectInfo| Object { key: found.key, size: found.size_bytes };
            (StorageReply::ObjectList(objects.into_iter().map(object).collect()), ops)
        }
    })
}

/// The most writes that a question may be billed for, and their bytes.
pub(super) fn writes_max(request: &StorageRequest) -> (u64, u64) {
    match request {
        StorageRequest::Put { data, .. } => (1, data.len() as u64),
        StorageRequest::Delete { .. } => (1, 0),
        StorageRequest::Get { .. } | StorageRequest::List { .. } => (0, 0),
    }
}

/// The most bytes that the stack's boxes grow by: name and content of an object that is put.
pub(super) fn stored_bytes_max(request: &StorageRequest) -> u64 {
    match request {
        StorageRequest::Put { key, data, .. } => (key.len() + data.len()) as u64,
        StorageRequest::Delete { .. } | StorageRequest::Get { .. } | StorageRequest::List { .. } => 0,
    }
}

/// What a function is told of an error. Failures of the store name files of the node, which are its operator's business.
pub(super) fn told(error: &StorageError) -> String {
    let text = match error {
        StorageError::Store(BlobError::InvalidKey { .. }) => return error.to_string(),
        StorageError::Store(BlobError::Full { .. }) => "the storage is full; reads still work",
        StorageError::Store(_) => "the storage is unavailable; try again",
        _ => return error.to_string(),
    };
    tracing::warn!(%error, "the storage failed a function");
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_writes_follow_from_the_question() {
        let (storage_name, key) = ("photos".to_owned(), "a".to_owned());
        let put = StorageRequest::Put { storage_name: storage_name.clone(), key: key.clone(), data: vec![0; 9] };
        let delete = StorageRequest::Delete { storage_name: storage_name.clone(), key: key.clone() };
        let get = StorageRequest::Get { storage_name, key };
        assert_eq!([put, delete, get].map(|request| writes_max(&request)), [(1, 9), (1, 0), (0, 0)]);
    }

    #[test]
    fn a_function_is_told_of_its_mistakes_and_not_of_the_nodes_files() {
        let (store, reason) = ("/data/blobs/ab".to_owned(), "input/output error".to_owned());
        for (error, expected) in [
            (
                BlobError::Unavailable { store: store.clone(), reason: reason.clone() },
                "the storage is unavailable; try again",
            ),
            (BlobError::Truncated { store: store.clone() }, "the storage is unavailable; try again"),
            (BlobError::Full { store, reason }, "the storage is full; reads still work"),
        ] {
            assert_eq!(told(&StorageError::Store(error)), expected);
        }
        let unknown = StorageError::UnknownBox { box_name: "ghosts".to_owned() };
        assert_eq!(told(&unknown), unknown.to_string());
    }
}
