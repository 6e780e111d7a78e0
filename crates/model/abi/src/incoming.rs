//! Messages from the host to a function.

use crate::{
    codec::{decode_message, encode_message},
    database::DbReply,
    decode::{DecodeError, Decoded},
    http::{HttpError, Request, Response},
    storage::StorageReply,
};

/// A message from the host to a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// Run this handler on this request: the first message, and the only one that is not an answer.
    ExecuteFunction {
        /// The handler's name.
        function: String,
        /// The request to handle.
        request: Request,
    },
    /// The answer to [`Outgoing::Db`](crate::Outgoing::Db).
    Db(DbReply),
    /// The answer to [`Outgoing::Storage`](crate::Outgoing::Storage).
    Storage(StorageReply),
    /// The answer to [`Outgoing::Http`](crate::Outgoing::Http).
    Http(Result<Response, HttpError>),
}

mod code {
    pub(super) const EXECUTE_FUNCTION: u16 = 1;
    pub(super) const HTTP_RESPONSE: u16 = 3001;
}

// === impl Incoming ===

impl Incoming {
    /// Appends [`Incoming::ExecuteFunction`] to `out` without owning its parts.
    ///
    /// # Panics
    /// If a part is 4 GiB or longer, which the format cannot express.
    pub fn encode_execute_function(function: &str, request: &Request, out: &mut Vec<u8>) {
        encode_message(out, code::EXECUTE_FUNCTION, &[&function, request]);
    }

    /// Reads the message at the start of `buffer`, if all of it has arrived.
    ///
    /// # Errors
    /// If the bytes cannot become a message of at most `limit_bytes`, whatever follows.
    pub fn decode(buffer: &[u8], limit_bytes: usize) -> Result<Decoded<Self>, DecodeError> {
        decode_message(buffer, limit_bytes, "incoming", |code, reader| match code {
            code::EXECUTE_FUNCTION => {
                Ok(Some(Self::ExecuteFunction { function: reader.read()?, request: reader.read()? }))
            }
            code::HTTP_RESPONSE => reader.read().map(|result| Some(Self::Http(result))),
            _ => match DbReply::decode(code, reader)? {
                Some(reply) => Ok(Some(Self::Db(reply))),
                None => Ok(StorageReply::decode(code, reader)?.map(Self::Storage)),
            },
        })
    }

    /// Appends the message to `out`.
    ///
    /// # Panics
    /// If a part is 4 GiB or longer, which the format cannot express.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::ExecuteFunction { function, request } => Self::encode_execute_function(function, request, out),
            Self::Db(reply) => reply.encode(out),
            Self::Storage(reply) => reply.encode(out),
            Self::Http(result) => encode_message(out, code::HTTP_RESPONSE, &[result]),
        }
    }
}
