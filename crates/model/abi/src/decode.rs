//! What decoding answers: a message, "not yet", or why never.

use std::{error, fmt};

/// The outcome of decoding the bytes that have arrived so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded<M> {
    /// The buffer starts with a whole message.
    Complete {
        /// The message.
        message: M,
        /// How many bytes of the buffer it took; the next message starts there.
        consumed_bytes: usize,
    },
    /// The buffer ends inside a message.
    Incomplete {
        /// The fewest bytes the buffer must hold before decoding can get further. Always more than it holds now, and
        /// never more than the message takes. Once the last length prefix of a message has arrived, it is exact.
        at_least_bytes: usize,
    },
}

/// Why the bytes can never become a message, however many more arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The code names no message of this direction.
    UnknownKind {
        /// `"incoming"` (host to function) or `"outgoing"` (function to host).
        direction: &'static str,
        /// The code that was read.
        code: u16,
    },
    /// The message is, or declares itself to be, larger than the limit.
    TooLarge {
        /// The fewest bytes the message would take.
        at_least_bytes: u64,
        /// The limit that was given.
        limit_bytes: usize,
    },
    /// A value stands where none of its type can.
    Invalid {
        /// What is wrong, as in "text is not UTF-8".
        problem: &'static str,
        /// Where in the message, in bytes from its start.
        offset_bytes: usize,
    },
}

// === impl DecodeError ===

impl fmt::Display for DecodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKind { direction, code } => write!(formatter, "unknown {direction} message code: {code}"),
            Self::TooLarge { at_least_bytes, limit_bytes } => {
                write!(formatter, "message of at least {at_least_bytes} bytes is over the limit of {limit_bytes} bytes")
            }
            Self::Invalid { problem, offset_bytes } => {
                write!(formatter, "invalid message: {problem} at byte {offset_bytes}")
            }
        }
    }
}

impl error::Error for DecodeError {}
