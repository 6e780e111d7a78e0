//! Questions to mu Storage and their answers.

use crate::codec::{Encode, Reader, Stop, encode_message, structure};

/// A question to mu Storage; each is about one box of the function's stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageRequest {
    /// Writes an object, replacing what was there. Answered by [`StorageReply::Empty`].
    Put {
        /// The box.
        storage_name: String,
        /// The object's key.
        key: String,
        /// The object's content.
        data: Vec<u8>,
    },
    /// Reads an object. Answered by [`StorageReply::Get`].
    Get {
        /// The box.
        storage_name: String,
        /// The object's key.
        key: String,
    },
    /// Removes an object. Answered by [`StorageReply::Empty`].
    Delete {
        /// The box.
        storage_name: String,
        /// The object's key.
        key: String,
    },
    /// Lists the objects whose keys start with a prefix. Answered by [`StorageReply::ObjectList`].
    List {
        /// The box.
        storage_name: String,
        /// What the keys start with; empty for all.
        prefix: String,
    },
}

/// An answer of mu Storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageReply {
    /// The operation failed, and why.
    Error(String),
    /// The object's content.
    Get(Vec<u8>),
    /// It is done, and there is nothing to tell.
    Empty,
    /// The objects found.
    ObjectList(Vec<Object>),
}

/// An object in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The object's key.
    pub key: String,
    /// How long its content is, in bytes.
    pub size: u64,
}

structure!(Object { key: String, size: u64 });

mod code {
    pub(super) const PUT: u16 = 2001;
    pub(super) const GET: u16 = 2002;
    pub(super) const DELETE: u16 = 2003;
    pub(super) const LIST: u16 = 2004;

    pub(super) const ERROR: u16 = 2001;
    pub(super) const GET_RESULT: u16 = 2002;
    pub(super) const EMPTY_RESULT: u16 = 2003;
    pub(super) const OBJECT_LIST_RESULT: u16 = 2004;
}

// === impl StorageRequest ===

impl StorageRequest {
    /// The box the question is about.
    #[must_use]
    pub fn storage_name(&self) -> &str {
        match self {
            Self::Put { storage_name, .. }
            | Self::Get { storage_name, .. }
            | Self::Delete { storage_name, .. }
            | Self::List { storage_name, .. } => storage_name,
        }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let (code, fields): (u16, &[&dyn Encode]) = match self {
            Self::Put { storage_name, key, data } => (code::PUT, &[storage_name, key, data]),
            Self::Get { storage_name, key } => (code::GET, &[storage_name, key]),
            Self::Delete { storage_name, key } => (code::DELETE, &[storage_name, key]),
            Self::List { storage_name, prefix } => (code::LIST, &[storage_name, prefix]),
        };
        encode_message(out, code, fields);
    }

    /// Reads the question with this code; `None` if there is none.
    pub(crate) fn decode(code: u16, reader: &mut Reader<'_>) -> Result<Option<Self>, Stop> {
        Ok(Some(match code {
            code::PUT => Self::Put { storage_name: reader.read()?, key: reader.read()?, data: reader.read()? },
            code::GET => Self::Get { storage_name: reader.read()?, key: reader.read()? },
            code::DELETE => Self::Delete { storage_name: reader.read()?, key: reader.read()? },
            code::LIST => Self::List { storage_name: reader.read()?, prefix: reader.read()? },
            _ => return Ok(None),
        }))
    }
}

// === impl StorageReply ===

impl StorageReply {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let (code, fields): (u16, &[&dyn Encode]) = match self {
            Self::Error(error) => (code::ERROR, &[error]),
            Self::Get(data) => (code::GET_RESULT, &[data]),
            Self::Empty => (code::EMPTY_RESULT, &[]),
            Self::ObjectList(list) => (code::OBJECT_LIST_RESULT, &[list]),
        };
        encode_message(out, code, fields);
    }

    /// Reads the answer with this code; `None` if there is none.
    pub(crate) fn decode(code: u16, reader: &mut Reader<'_>) -> Result<Option<Self>, Stop> {
        Ok(Some(match code {
            code::ERROR => Self::Error(reader.read()?),
            code::GET_RESULT => Self::Get(reader.read()?),
            code::EMPTY_RESULT => Self::Empty,
            code::OBJECT_LIST_RESULT => Self::ObjectList(reader.read()?),
            _ => return Ok(None),
        }))
    }
}
