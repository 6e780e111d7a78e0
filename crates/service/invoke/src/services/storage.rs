//! A function's questions to mu Storage.

use mu_abi::{Object, StorageReply, StorageRequest};
use mu_storage::{Boxes, ObjectInfo, StorageError, StorageOps};

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
