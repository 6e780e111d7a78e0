//! One execution of a program: what goes in, what comes out, what it used.

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
    /// The request's body, in bytes.
    pub request_bytes: u64,
    /// The largest message that the guest may write, in bytes: a row, an object, a request to somewhere else.
    pub message_bytes: u64,
    /// The body of its response, in bytes.
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

/// What came out of a call.
#[derive(Debug)]
pub struct Outcome {
    /// The handler's answer, or why there is none.
    pub result: Result<Response, Failure>,
    /// What was used, also when the call failed.
    pub usage: ExecutionUsage,
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
