//! What an operator can set about invocations.

use std::time::Duration;

/// Limits of every invocation on a node. Those of one function (memory, time, instructions) stand in its stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvokeConfig {
    /// The most calls of one function that run at the same time, whatever its stack asks for.
    pub concurrency_max: usize,
    /// Calls of one function that wait for room, beyond those that run. The next one is refused at once.
    pub queue_max: usize,
    /// A request's body, in bytes, for runtimes that read it whole.
    pub request_bytes_max: u64,
    /// The largest message of a function to the node, in bytes: a row, an object, a request to somewhere else.
    pub message_bytes_max: u64,
    /// A response's body, in bytes, for runtimes that write it whole.
    pub response_bytes_max: u64,
    /// What a function may log in one call, in bytes, where each line counts 64 bytes more than its text. The rest is
    /// cut, with a notice.
    pub log_bytes_max: usize,
    /// How long a request waits for a dormant stack to be loaded, and how long loading it may take.
    pub wake_timeout: Duration,
    /// How long a stack that could not be loaded is not tried again.
    pub wake_retry: Duration,
    /// Dormant stacks that are loaded at the same time. Requests for others wait.
    pub wakes_max: usize,
    /// Whether callers are told why a function failed.
    pub failure_detail: FailureDetail,
}

/// How much callers are told of a function's failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureDetail {
    /// That it failed, and the invocation under which its author finds the reason. For everything public.
    Hidden,
    /// The reason itself, down to the panic's message. For the author's own machine.
    Shown,
}

const MIB: u64 = 1024 * 1024;

impl Default for InvokeConfig {
    fn default() -> Self {
        Self {
            concurrency_max: 1_000,
            queue_max: 1024,
            request_bytes_max: 6 * MIB,
            message_bytes_max: 64 * MIB,
            response_bytes_max: 6 * MIB,
            log_bytes_max: 1024 * 1024,
            wake_timeout: Duration::from_secs(30),
            wake_retry: Duration::from_secs(5),
            wakes_max: 16,
            failure_detail: FailureDetail::Hidden,
        }
    }
}
