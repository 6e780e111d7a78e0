//! mu Storage in memory, for tests.

use std::collections::BTreeMap;

use mu_abi::{Object, StorageReply, StorageRequest};

/// The boxes, by name. Those that were not declared are refused, as the host does.
#[derive(Debug, Default)]
pub(crate) struct Boxes(BTreeMap<String, BTreeMap<String, Vec<u8>>>);

// === impl Boxes ===

impl Boxes {
    pub(crate) fn declare(&mut self, name: &str) {
        self.0.entry(name.to_owned()).or_default();
    }

    pub(crate) fn answer(&mut self, request: StorageRequest) -> StorageReply {
        let name = request.storage_name();
        let Some(objects) = self.0.get_mut(name) else {
            return StorageReply::Error(format!("there is no box `{name}`; declare it with `TestContext::with_box`"));
        };
        match request {
            StorageRequest::Put { key, data, .. } => {
                objects.insert(key, data);
                StorageReply::Empty
            }
            StorageRequest::Get { key, .. } => match objects.get(&key) {
                Some(data) => StorageReply::Get(data.clone()),
                None => StorageReply::Error(format!("there is no object `{key}`")),
            },
            StorageRequest::Delete { key, .. } => {
                objects.remove(&key);
                StorageReply::Empty
            }
            StorageRequest::List { prefix, .. } => {
                let found = objects.iter().filter(|(key, _)| key.starts_with(&prefix));
                StorageReply::ObjectList(
                    found.map(|(key, data)| Object { key: key.clone(), size: data.len() as u64 }).collect(),
                )
            }
        }
    }
}
