//! The other side of the conversation.

use mu_abi::{Incoming, Outgoing};

use crate::error::Result;

/// Who answers a function's questions: the runtime over stdio, or a test's stand-in.
///
/// Methods take `&self`, so that handles of the database and others can be held side by side; there is one thread.
pub(crate) trait Host {
    /// Sends a question and waits for its answer.
    fn ask(&self, question: Outgoing) -> Result<Incoming>;

    /// Sends a message that is not answered.
    fn tell(&self, message: Outgoing) -> Result<()>;
}
