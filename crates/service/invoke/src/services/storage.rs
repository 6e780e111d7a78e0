//! A function's questions to mu Storage.

use mu_abi::{Object, StorageReply, StorageRequest};
use mu_storage::{Boxes, StorageError};

use super::{Counters, add};

/// Answers one question, and counts what was moved. Questions that fail are not counted.
pub(super) async fn answer(
    boxes: &Boxes,
    stack: &[u8; 32],
    counters: &Counters,
    request: StorageRequest,
) -> StorageReply {
    let reply = match request {
        StorageRequest::Put { storage_name, key, data } => put(boxes, stack, counters, &storage_name, &key, data).await,
        StorageRequest::Get { storage_name, key } => get(boxes, stack, counters, &storage_name, &key).await,
        StorageRequest::Delete { storage_name, key } => delete(boxes, stack, counters, &storage_name, &key).await,
        StorageRequest::List { storage_name, prefix } => list(boxes, stack, counters, &storage_name, &prefix).await,
    };
    reply.unwrap_or_else(|error| StorageReply::Error(error.to_string()))
}

async fn put(
    boxes: &Boxes,
    stack: &[u8; 32],
    counters: &Counters,
    name: &str,
    key: &str,
    data: Vec<u8>,
) -> Result<StorageReply, StorageError> {
    let written_bytes = data.len() as u64;
    boxes.put(stack, name, key, data.into()).await?;
    add(&counters.storage_writes, 1);
    add(&counters.storage_written_bytes, written_bytes);
    Ok(StorageReply::Empty)
}

async fn get(
    boxes: &Boxes,
    stack: &[u8; 32],
    counters: &Counters,
    name: &str,
    key: &str,
) -> Result<StorageReply, StorageError> {
    let data = boxes.get(stack, name, key).await?;
    add(&counters.storage_reads, 1);
    add(&counters.storage_read_bytes, data.len() as u64);
    Ok(StorageReply::Get(data.into()))
}

async fn delete(
    boxes: &Boxes,
    stack: &[u8; 32],
    counters: &Counters,
    name: &str,
    key: &str,
) -> Result<StorageReply, StorageError> {
    boxes.delete(stack, name, key).await?;
    add(&counters.storage_writes, 1);
    Ok(StorageReply::Empty)
}

async fn list(
    boxes: &Boxes,
    stack: &[u8; 32],
    counters: &Counters,
    name: &str,
    prefix: &str,
) -> Result<StorageReply, StorageError> {
    let objects = boxes.list(stack, name, prefix).await?;
    add(&counters.storage_reads, 1);
    let object = |found: mu_storage::ObjectInfo| Object { key: found.key, size: found.size_bytes };
    Ok(StorageReply::ObjectList(objects.into_iter().map(object).collect()))
}
