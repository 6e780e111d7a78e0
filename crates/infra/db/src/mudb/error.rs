//! What a function or a person reads when muDB refuses.

use crate::KvError;

/// Longest part of a name that an error message repeats, in characters: names come from guests.
const NAME_CHARS_MAX: usize = 64;

/// An operation on muDB failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DbError {
    /// The stack has no such table.
    #[error("table `{table}` is not declared: add a KeyValueTable named `{table}` to mu.yaml")]
    UnknownTable {
        /// The name, shortened if it is very long.
        table: String,
    },
    /// A name that no table can have.
    #[error("`{table}` cannot be the name of a table: names have 1 to 255 of the characters A-Z a-z 0-9 _ -")]
    InvalidTableName {
        /// The name, shortened if it is very long.
        table: String,
    },
    /// A key, value, batch or row limit of the request is over its limit.
    #[error("{what} of {size} {unit} is over the limit of {limit} {unit}")]
    TooLarge {
        /// What: "a key", "a value", "a batch", "a row limit".
        what: &'static str,
        /// How much was asked for.
        size: usize,
        /// How much is possible.
        limit: usize,
        /// Of what: "bytes", "items", "rows".
        unit: &'static str,
    },
    /// The answer would be over a limit. It is not cut short, because the caller could not tell.
    #[error("the result is over the limit of {limit} {unit}: {hint}")]
    ResultTooLarge {
        /// How much one answer may hold.
        limit: usize,
        /// Of what: "bytes", "rows", "tables".
        unit: &'static str,
        /// What to ask for instead.
        hint: &'static str,
    },
    /// A stored record is not one that this version of mu can read.
    #[error("a record of table `{table}` cannot be read: it is damaged, or was written by a newer mu")]
    UnreadableRecord {
        /// The table.
        table: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] KvError),
}

impl DbError {
    pub(super) fn unknown_table(table: &str) -> Self {
        Self::UnknownTable { table: shortened(table) }
    }

    pub(super) fn invalid_table_name(table: &str) -> Self {
        Self::InvalidTableName { table: shortened(table) }
    }
}

fn shortened(name: &str) -> String {
    match name.char_indices().nth(NAME_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}
