//! One execution of a program: what goes in, what comes out, what it used.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use mu_telemetry::InvocationLog;
use tokio::time::Instant;

use crate::{Failure, Request, Response, Services};

/// What an execution may use. Every one of them is enforced by the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory, in bytes. Growth past it is refused, which the guest sees.
    pub memory_bytes: u64,
    /// Wall-clock time, which also runs while the guest waits for the node.
    pub timeout: Duration,
    /// Instructions (wasm operators).
    pub instructions: u64,
    /// The request's body, in bytes, for runtimes that read it whole.
    pub request_bytes: u64,
    /// The largest message that the guest may write, in bytes: a row, an object, a request to somewhere else.
    pub message_bytes: u64,
    /// The body of its response, in bytes, for runtimes that write it whole.
    pub response_bytes: u64,
}

/// One execution of a program.
pub struct Call {
    /// The handler to run.
    pub handler: Arc<str>,
    /// What it is asked.
    pub request: Request,
    /// Environment variables, in the order in which the guest sees them.
    pub env: Arc<[(String, String)]>,
    /// What it may use.
    pub limits: Limits,
    /// When its time is over, waiting for a place to run in included: `limits.timeout` after it was asked for.
    pub deadline: Instant,
    /// The node's services, scoped to the function's stack.
    pub services: Arc<dyn Services>,
    /// Where its lines go.
    pub log: InvocationLog,
}

/// What a run comes to.
#[derive(Debug)]
pub enum Ran {
    /// It is over.
    Ended(Outcome),
    /// The handler has answered and goes on: most likely it writes the rest of its response's body.
    Answered {
        /// The answer. Its body ends with an error when the handler fails before it has written all of it.
        response: Response,
        /// The rest of the run.
        rest: Rest,
    },
}

/// The rest of a run whose handler has answered. It must be polled for the handler to go on; dropping it stops the
/// handler.
pub struct Rest(Pin<Box<dyn Future<Output = RestOutcome> + Send>>);

/// How a run ended whose handler had answered before.
pub type RestOutcome = (Result<(), Failure>, ExecutionUsage);

/// What came out of a call that is over.
#[derive(Debug)]
pub struct Outcome {
    /// The handler's answer, or why there is none.
    pub result: Result<Response, Failure>,
    /// What was used, also when the call failed.
    pub usage: ExecutionUsage,
}

impl Ran {
    /// The outcome of a run that is over, as every run of a program is that answers with a whole response.
    #[must_use]
    pub fn ended(self) -> Option<Outcome> {
        match self {
            Self::Ended(outcome) => Some(outcome),
            Self::Answered { .. } => None,
        }
    }
}

impl From<Outcome> for Ran {
    fn from(outcome: Outcome) -> Self {
        Self::Ended(outcome)
    }
}

impl Rest {
    /// A rest of this kind.
    pub fn new(rest: impl Future<Output = RestOutcome> + Send + 'static) -> Self {
        Self(Box::pin(rest))
    }

    /// Lets the handler go on until it ends.
    pub async fn run(self) -> RestOutcome {
        self.0.await
    }
}

impl fmt::Debug for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rest")
    }
}

/// What an execution used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExecutionUsage {
    /// Instructions executed.
    pub instructions: u64,
    /// The sum, over the instructions executed, of the bytes of linear memory allocated at that moment. Divided by
    /// 1 000 000 these are megabyte-instructions, the unit of billing.
    pub byte_instructions: u128,
    /// The most linear memory allocated at once, in bytes.
    pub memory_bytes_max: u64,
}
