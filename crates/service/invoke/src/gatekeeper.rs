//! Who may run, and write, how much: asked of the node before every invocation and every write.

use std::any::Any;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use mu_stack::StackId;

use crate::receipt::Cause;

/// Decides whether a stack may use more. Asked on the request path: an implementation must neither block nor wait.
pub trait Gatekeeper: Send + Sync {
    /// Whether a stack may invoke a handler now. Asked for every cause, before the invocation waits for a place.
    ///
    /// # Errors
    /// When the stack, or its owner, has used what it may: the caller is told 429.
    fn admit(&self, asks: &Asks<'_>) -> Result<Pass, Refusal>;

    /// Whether a function may write so many bytes, which is the most that its stack's data can grow by that: keys and
    /// values of rows, names and contents of objects. What deletes is not asked.
    fn may_write(&self, stack: &StackId, kind: DataKind, bytes: u64) -> WritePermit<'_>;
}

/// Whether a function may write.
pub enum WritePermit<'g> {
    /// It may.
    Granted,
    /// It may not, and is told this: its stack, or its owner, has as much data as it may have.
    Refused(String),
    /// That has to be found out first, by looking at the data there are. The write waits for it.
    Later(Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'g>>),
}

/// An invocation that wants to begin.
#[derive(Clone, Copy, Debug)]
pub struct Asks<'a> {
    /// The stack.
    pub stack: StackId,
    /// Whose stack it is, if that is known.
    pub owner: Option<&'a Arc<str>>,
    /// Which version of it.
    pub version: u64,
    /// Why it is invoked.
    pub cause: &'a Cause,
}

/// What a write adds to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DataKind {
    /// Rows of tables.
    Tables,
    /// Objects in boxes.
    Boxes,
}

/// The permission for one invocation. It ends with the invocation, a handler that runs on after its answer included:
/// what it holds is dropped then.
pub struct Pass(Option<Box<dyn Any + Send + Sync>>);

/// Why an invocation may not begin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Which limit it was: [`RATE_LIMITED`](crate::code::RATE_LIMITED),
    /// [`TOO_MANY_CALLS`](crate::code::TOO_MANY_CALLS), [`INSTRUCTIONS_USED_UP`](crate::code::INSTRUCTIONS_USED_UP), or
    /// a code of the implementation's own.
    pub code: &'static str,
    /// What the caller is told.
    pub message: String,
    /// When trying again may help. At least a second is told.
    pub retry_after: Duration,
}

/// The [`Gatekeeper`] of a node that has no limits of its own, like the one of `mu run`.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenGate;

impl Gatekeeper for OpenGate {
    fn admit(&self, _asks: &Asks<'_>) -> Result<Pass, Refusal> {
        Ok(Pass::free())
    }

    fn may_write(&self, _stack: &StackId, _kind: DataKind, _bytes: u64) -> WritePermit<'_> {
        WritePermit::Granted
    }
}

impl Pass {
    /// A permission that nobody counts.
    #[must_use]
    pub const fn free() -> Self {
        Self(None)
    }

    /// A permission whose end drops `held`.
    #[must_use]
    pub fn holding(held: impl Any + Send + Sync) -> Self {
        Self(Some(Box::new(held)))
    }
}

impl fmt::Debug for WritePermit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Granted => f.write_str("Granted"),
            Self::Refused(told) => f.debug_tuple("Refused").field(told).finish(),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pass").field(&self.0.is_some()).finish()
    }
}
