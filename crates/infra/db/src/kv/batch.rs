//! The one write primitive: expectations, then puts and deletes, all or nothing.

use bytes::Bytes;

use super::error::at_most;
use super::{BATCH_BYTES_MAX, KEY_BYTES_MAX, KvError, VALUE_BYTES_MAX};

/// Writes that happen together, if all expectations hold at that moment.
///
/// Writes apply in the order in which they were added: of several writes to one key the last one wins.
///
/// ```
/// # use mu_db::Batch;
/// // Take a lease that nobody holds.
/// let batch = Batch::new().expect_absent("lease/a").put("lease/a", "node 7");
/// assert_eq!(batch.writes().len(), 1);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Batch {
    expectations: Vec<Expectation>,
    writes: Vec<Write>,
    bytes: usize,
}

/// What a key must hold for a batch to be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The key.
    pub key: Bytes,
    /// The value it must have; `None` when the key must be absent.
    pub value: Option<Bytes>,
}

/// One change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Set the value.
    Put {
        /// The key.
        key: Bytes,
        /// Its new value.
        value: Bytes,
    },
    /// Remove the key. Removing an absent key is not an error.
    Delete {
        /// The key.
        key: Bytes,
    },
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All writes happened, durably.
    Committed,
    /// An expectation did not hold; nothing happened.
    Conflict(Conflict),
}

/// The first expectation, in the order of the batch, that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The key.
    pub key: Bytes,
    /// The value it had instead.
    pub actual: Option<Bytes>,
}

impl Batch {
    /// A batch that expects and writes nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Requires that `key` has no value.
    #[must_use]
    pub fn expect_absent(self, key: impl Into<Bytes>) -> Self {
        self.expect(key, None)
    }

    /// Requires that `key` has exactly this value.
    #[must_use]
    pub fn expect_value(self, key: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        self.expect(key, Some(value.into()))
    }

    /// Requires a value, or with `None` its absence.
    #[must_use]
    pub fn expect(mut self, key: impl Into<Bytes>, value: Option<Bytes>) -> Self {
        let key = key.into();
        self.bytes += key.len() + value.as_ref().map_or(0, Bytes::len);
        self.expectations.push(Expectation { key, value });
        self
    }

    /// Sets a value.
    #[must_use]
    pub fn put(mut self, key: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        let (key, value) = (key.into(), value.into());
        self.bytes += key.len() + value.len();
        self.writes.push(Write::Put { key, value });
        self
    }

    /// Removes a key.
    #[must_use]
    pub fn delete(mut self, key: impl Into<Bytes>) -> Self {
        let key = key.into();
        self.bytes += key.len();
        self.writes.push(Write::Delete { key });
        self
    }

    /// The expectations, in the order in which they are checked.
    #[must_use]
    pub fn expectations(&self) -> &[Expectation] {
        &self.expectations
    }

    /// The writes, in the order in which they are applied.
    #[must_use]
    pub fn writes(&self) -> &[Write] {
        &self.writes
    }

    /// Bytes of all keys and values, those of the expectations included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Checks the limits of the port. Every adapter asks this before anything else.
    ///
    /// # Errors
    /// [`KvError::TooLarge`], naming what is over which limit.
    pub fn check(&self) -> Result<(), KvError> {
        for expectation in &self.expectations {
            at_most("a key", expectation.key.len(), KEY_BYTES_MAX)?;
            at_most("a value", expectation.value.as_ref().map_or(0, Bytes::len), VALUE_BYTES_MAX)?;
        }
        for write in &self.writes {
            match write {
                Write::Put { key, value } => {
                    at_most("a key", key.len(), KEY_BYTES_MAX)?;
                    at_most("a value", value.len(), VALUE_BYTES_MAX)?;
                }
                Write::Delete { key } => at_most("a key", key.len(), KEY_BYTES_MAX)?,
            }
        }
        at_most("a batch", self.bytes, BATCH_BYTES_MAX)
    }
}
