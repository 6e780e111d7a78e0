//! Values of secrets.

use std::fmt;

use zeroize::Zeroizing;

use super::{SecretError, VALUE_BYTES_MAX};

/// The value of a secret: text without NUL of at most 64 KiB, as environment variables are. It is never printed, and is
/// erased from memory when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(Zeroizing<Vec<u8>>);

impl SecretValue {
    /// A value that someone gave.
    ///
    /// # Errors
    /// When it is too long, or no variable can have it.
    pub fn new(bytes: Vec<u8>) -> Result<Self, SecretError> {
        // Taken first, so that what is refused is erased as well.
        let value = Self(Zeroizing::new(bytes));
        if value.0.len() > VALUE_BYTES_MAX {
            return Err(SecretError::ValueTooLong { bytes: value.0.len() });
        }
        match std::str::from_utf8(&value.0) {
            Ok(text) if !text.contains('\0') => Ok(value),
            _ => Err(SecretError::ValueNotText),
        }
    }

    pub(super) fn opened(bytes: Zeroizing<Vec<u8>>) -> Option<Self> {
        std::str::from_utf8(&bytes).is_ok().then_some(Self(bytes))
    }

    /// The value itself, for whoever hands it to a function.
    #[must_use]
    pub fn reveal(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a value was checked to be text when it was made")
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(..)")
    }
}
