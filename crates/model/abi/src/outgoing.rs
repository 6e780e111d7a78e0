//! Messages from a function to the host.

use crate::{
    codec::{decode_message, encode_message},
    database::DbRequest,
    decode::{DecodeError, Decoded},
    http::{HttpRequest, Response},
    log::LogLevel,
    storage::StorageRequest,
};

/// A message from a function to the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// The function cannot go on, and why: its last message.
    FatalError(String),
    /// The handler's response: the function's last message.
    FunctionResult(Response),
    /// A line for the function's log. Not answered.
    Log {
        /// The line.
        body: String,
        /// How much it matters.
        level: LogLevel,
    },
    /// A question to muDB, answered by [`Incoming::Db`](crate::Incoming::Db).
    Db(DbRequest),
    /// A question to mu Storage, answered by [`Incoming::Storage`](crate::Incoming::Storage).
    Storage(StorageRequest),
    /// An HTTP request to send, answered by [`Incoming::Http`](crate::Incoming::Http).
    Http(HttpRequest),
}

mod code {
    pub(super) const FATAL_ERROR: u16 = 1;
    pub(super) const FUNCTION_RESULT: u16 = 2;
    pub(super) const LOG: u16 = 3;
    pub(super) const HTTP_REQUEST: u16 = 3001;
}

// === impl Outgoing ===

impl Outgoing {
    /// Reads the message at the start of `buffer`, if all of it has arrived.
    ///
    /// What a message declares about its own size is held against `limit_bytes` before anything is allocated for it;
    /// a message whose last byte is the limit's last is the largest accepted. Decoded, a message of many tiny items takes
    /// about fifteen times the memory of its bytes; one large body takes as much as its bytes.
    ///
    /// Decoding starts from the message's first byte each time. When bytes trickle in, a list of many short items is
    /// therefore read again and again; a host that has to bound its work decodes when the function waits for an answer
    /// or ends, instead of at each write.
    ///
    /// # Errors
    /// If the bytes cannot become a message of at most `limit_bytes`, whatever follows.
    pub fn decode(buffer: &[u8], limit_bytes: usize) -> Result<Decoded<Self>, DecodeError> {
        decode_message(buffer, limit_bytes, "outgoing", |code, reader| match code {
            code::FATAL_ERROR => reader.read().map(|error| Some(Self::FatalError(error))),
            code::FUNCTION_RESULT => reader.read().map(|response| Some(Self::FunctionResult(response))),
            code::LOG => Ok(Some(Self::Log { body: reader.read()?, level: reader.read()? })),
            code::HTTP_REQUEST => reader.read().map(|request| Some(Self::Http(request))),
            _ => match DbRequest::decode(code, reader)? {
                Some(request) => Ok(Some(Self::Db(request))),
                None => Ok(StorageRequest::decode(code, reader)?.map(Self::Storage)),
            },
        })
    }

    /// Appends the message to `out`.
    ///
    /// # Panics
    /// If a part is 4 GiB or longer, which the format cannot express.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::FatalError(error) => encode_message(out, code::FATAL_ERROR, &[error]),
            Self::FunctionResult(response) => encode_message(out, code::FUNCTION_RESULT, &[response]),
            Self::Log { body, level } => encode_message(out, code::LOG, &[body, level]),
            Self::Db(request) => request.encode(out),
            Self::Storage(request) => request.encode(out),
            Self::Http(request) => encode_message(out, code::HTTP_REQUEST, &[request]),
        }
    }
}
