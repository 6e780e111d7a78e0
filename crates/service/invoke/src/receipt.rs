//! The record of one invocation.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use mu_env::{ConnectionId, InvocationId, Timestamp};
use mu_pricing::Usage;
use mu_stack::{PathTemplate, StackId};

use crate::meter::Meter;
use crate::websocket::SocketEvent;

/// What one invocation was, how it ended, and what it used. There is exactly one for every call of
/// [`Invoker::invoke`](crate::Invoker::invoke).
#[derive(Clone, Debug)]
pub struct Receipt {
    /// The invocation.
    pub invocation: InvocationId,
    /// The stack's id.
    pub stack_id: StackId,
    /// The stack's name.
    pub stack: Arc<str>,
    /// Which version of the stack it was.
    pub version: u64,
    /// The function's name.
    pub function: Arc<str>,
    /// The handler's name.
    pub handler: Arc<str>,
    /// Why the handler was invoked.
    pub cause: Cause,
    /// When it was asked for.
    pub started: Timestamp,
    /// How long it waited for a place to run in.
    pub waited: Duration,
    /// How long it took in all, the waiting included.
    pub duration: Duration,
    /// How it ended.
    pub verdict: Verdict,
    /// What it used. The request's own traffic is not part of it: its end is not known yet, so that the gateway counts
    /// it in the deployment's [`Meter`](crate::Meter).
    pub usage: Usage,
    /// The most linear memory it had at once, in bytes.
    pub memory_bytes_max: u64,
}

/// Why a handler is invoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A request to a gateway.
    Gateway {
        /// The gateway's name.
        gateway: Arc<str>,
        /// The request's method.
        method: Method,
        /// The route that matched.
        template: PathTemplate,
    },
    /// Something that happened on a WebSocket connection of a gateway.
    WebSocket {
        /// The gateway's name.
        gateway: Arc<str>,
        /// The route of the connection.
        template: PathTemplate,
        /// What happened.
        event: SocketEvent,
        /// The connection.
        connection: ConnectionId,
    },
    /// A person, from the command line.
    CommandLine,
}

/// How an invocation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The function answered, with whatever status.
    Answered(StatusCode),
    /// It ended without a response; one of [`code`](crate::code).
    Failed(&'static str),
    /// It did not run, because there was no room; one of [`code`](crate::code).
    Rejected(&'static str),
    /// It did not run, because its stack, or the stack's owner, has used what it may; the code of the
    /// [`Refusal`](crate::Refusal).
    Refused(&'static str),
    /// Its caller went away before it answered, and it was stopped. Its receipt, written when it has really stopped,
    /// has what it used until then.
    Abandoned,
}

/// The receipt of an abandoned call, which is complete when the call has stopped.
pub(crate) struct OpenReceipt {
    pub(crate) receipt: Receipt,
    pub(crate) meter: Arc<Meter>,
    pub(crate) sink: Arc<dyn ReceiptSink>,
}

impl OpenReceipt {
    pub(crate) fn close(mut self, usage: Usage, memory_bytes_max: u64) {
        self.receipt.usage = usage;
        self.receipt.memory_bytes_max = memory_bytes_max;
        self.meter.add_receipt(&self.receipt);
        self.sink.accept(self.receipt);
    }
}

/// Where receipts go. Called on the request path: an implementation must not block.
pub trait ReceiptSink: Send + Sync {
    /// Takes one receipt.
    fn accept(&self, receipt: Receipt);

    /// Takes what a gateway of a stack has used beside invocations. Nothing becomes of it unless an implementation says
    /// otherwise; a stack's meter has it in any case.
    fn traffic(&self, _stack: StackId, _usage: &Usage) {}
}
