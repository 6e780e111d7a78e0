//! mu Storage: the stack's boxes.

use std::fmt;

use mu_abi::{Incoming, Object, Outgoing, StorageReply, StorageRequest};

use crate::{
    error::{Error, Result},
    host::Host,
};

/// The boxes of the function's stack: objects by key.
///
/// Boxes are declared in the stack's manifest.
#[derive(Clone, Copy)]
pub struct Storage<'a> {
    host: &'a dyn Host,
}

// === impl Storage ===

impl<'a> Storage<'a> {
    pub(crate) fn new(host: &'a dyn Host) -> Self {
        Self { host }
    }

    /// Writes an object, replacing the one that is there.
    ///
    /// # Errors
    /// If the box is not declared, or something is over a limit.
    pub fn put(&self, box_name: &str, key: &str, data: impl Into<Vec<u8>>) -> Result<()> {
        let request = StorageRequest::Put { storage_name: box_name.to_owned(), key: key.to_owned(), data: data.into() };
        self.write(request)
    }

    /// Reads an object.
    ///
    /// # Errors
    /// If the box is not declared, or there is no such object; [`contains`](Self::contains) tells before.
    pub fn get(&self, box_name: &str, key: &str) -> Result<Vec<u8>> {
        match self.ask(StorageRequest::Get { storage_name: box_name.to_owned(), key: key.to_owned() })? {
            StorageReply::Get(data) => Ok(data),
            other => Err(unexpected(&other)),
        }
    }

    /// Removes an object.
    ///
    /// # Errors
    /// If the box is not declared.
    pub fn delete(&self, box_name: &str, key: &str) -> Result<()> {
        self.write(StorageRequest::Delete { storage_name: box_name.to_owned(), key: key.to_owned() })
    }

    /// Lists the objects whose keys start with `prefix`, in key order.
    ///
    /// # Errors
    /// If the box is not declared.
    pub fn list(&self, box_name: &str, prefix: &str) -> Result<Vec<Object>> {
        match self.ask(StorageRequest::List { storage_name: box_name.to_owned(), prefix: prefix.to_owned() })? {
            StorageReply::ObjectList(objects) => Ok(objects),
            other => Err(unexpected(&other)),
        }
    }

    /// Whether there is an object with this key. It lists what starts with the key, and costs as much.
    ///
    /// # Errors
    /// If the box is not declared.
    pub fn contains(&self, box_name: &str, key: &str) -> Result<bool> {
        Ok(self.list(box_name, key)?.iter().any(|object| object.key == key))
    }

    fn write(&self, request: StorageRequest) -> Result<()> {
        match self.ask(request)? {
            StorageReply::Empty => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    fn ask(&self, request: StorageRequest) -> Result<StorageReply> {
        match self.host.ask(Outgoing::Storage(request))? {
            Incoming::Storage(StorageReply::Error(error)) => Err(Error::internal(format!("mu Storage: {error}"))),
            Incoming::Storage(reply) => Ok(reply),
            _ => Err(Error::internal("the host answered a question to mu Storage with something else")),
        }
    }
}

impl fmt::Debug for Storage<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Storage").finish_non_exhaustive()
    }
}

fn unexpected(reply: &StorageReply) -> Error {
    Error::internal(format!("mu Storage answered another question than was asked: {reply:?}"))
}
