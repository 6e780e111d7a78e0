//! What went wrong in a task, and what to do about it.

use std::fmt;

/// Result of everything a task does.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// One failure: a lower-case sentence that names the thing, and the remedy where we know one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    message: String,
    hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "error: {}", self.message)?;
        match &self.hint {
            Some(hint) => write!(out, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Adds what we were doing to an error of the standard library.
pub(crate) trait Doing<T> {
    /// Turns the error into `doing: cause`.
    fn doing(self, doing: impl fmt::Display) -> Outcome<T>;
}

impl<T, E: fmt::Display> Doing<T> for Result<T, E> {
    fn doing(self, doing: impl fmt::Display) -> Outcome<T> {
        self.map_err(|cause| Failure::new(format!("{doing}: {cause}")))
    }
}
