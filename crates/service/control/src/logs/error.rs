//! What can go wrong with stored logs.

use mu_db::KvError;

/// Logs could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The database failed.
    #[error("stored logs: {0}")]
    Kv(#[from] KvError),
    /// A stored line cannot be read.
    #[error("a stored log line cannot be read: it was written by a newer version of mu, or is damaged")]
    UnreadableRecord,
    /// The stack has logs of more functions than can be read together.
    #[error("the stack has logs of more than {functions_max} functions: name the function to look at")]
    TooManyFunctions {
        /// How many can be read together.
        functions_max: usize,
    },
    /// The text that is looked for is too long.
    #[error("the text to look for has {bytes} bytes; at most {bytes_max} can be looked for")]
    TextTooLong {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        bytes_max: usize,
    },
    /// As many as may follow logs on this node do already.
    #[error("{followers_max} clients follow logs of this node already: try again later")]
    TooManyFollowers {
        /// How many may.
        followers_max: usize,
    },
}
