//! The limits whose hits are counted, each by the name of the setting that an operator or an author would change.

/// A limit of the node. Its name is the key of the node's configuration that sets it; those that begin with `function.`
/// are set by the function's author in `mu.yaml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// A client had to wait, because the gateway has as many connections as it may.
    GatewayConnections,
    /// A request's target was too long.
    GatewayUriBytes,
    /// A WebSocket was refused, because there are as many as there may be.
    GatewayWebSockets,
    /// A call was refused, because too many wait already.
    FunctionsQueue,
    /// A request's body was too large.
    FunctionsRequestBytes,
    /// A function's output was too large.
    FunctionsResponseBytes,
    /// The log of an invocation was cut.
    FunctionsLogBytes,
    /// The wall-clock time of an invocation was over.
    FunctionTimeout,
    /// The instructions of an invocation were used up.
    FunctionMaxInstructions,
    /// No call of the function ended in time to make room for another.
    FunctionMaxConcurrency,
    /// The node had no room for another instance.
    WasmInstances,
    /// A request to the management API had too large a body.
    ApiRequestBytes,
    /// An uploaded artifact was too large.
    ApiUploadBytes,
    /// A stack had too much log, so that its oldest lines were deleted.
    LogsBytesPerStack,
    /// A client, or someone unknown from an address, made too many requests to the management API.
    ClientRequestsPerSecond,
    /// The stacks of a client were invoked too often.
    ClientInvocationsPerSecond,
    /// The stacks of a client had too many invocations at once.
    ClientConcurrentInvocations,
    /// The stacks of a client used up the instructions of the day.
    ClientInstructionsPerDay,
    /// The tables of a client are full.
    ClientTableBytes,
    /// The boxes of a client are full.
    ClientBoxBytes,
    /// A stack was invoked too often.
    StackInvocationsPerSecond,
    /// A stack had too many invocations at once.
    StackConcurrentInvocations,
    /// A stack used up the instructions of the day.
    StackInstructionsPerDay,
    /// The tables of a stack are full.
    StackTableBytes,
    /// The boxes of a stack are full.
    StackBoxBytes,
    /// A function has no metrics of its own, because too many others have.
    MetricsFunctions,
}

impl Limit {
    /// All of them, in the order of the enumeration.
    pub const ALL: [Self; 26] = [
        Self::GatewayConnections,
        Self::GatewayUriBytes,
        Self::GatewayWebSockets,
        Self::FunctionsQueue,
        Self::FunctionsRequestBytes,
        Self::FunctionsResponseBytes,
        Self::FunctionsLogBytes,
        Self::FunctionTimeout,
        Self::FunctionMaxInstructions,
        Self::FunctionMaxConcurrency,
        Self::WasmInstances,
        Self::ApiRequestBytes,
        Self::ApiUploadBytes,
        Self::LogsBytesPerStack,
        Self::ClientRequestsPerSecond,
        Self::ClientInvocationsPerSecond,
        Self::ClientConcurrentInvocations,
        Self::ClientInstructionsPerDay,
        Self::ClientTableBytes,
        Self::ClientBoxBytes,
        Self::StackInvocationsPerSecond,
        Self::StackConcurrentInvocations,
        Self::StackInstructionsPerDay,
        Self::StackTableBytes,
        Self::StackBoxBytes,
        Self::MetricsFunctions,
    ];

    /// The value of the label `limit`: the setting to look at.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.texts().0
    }

    /// What happened when it was hit, for the reference.
    pub(super) const fn about(self) -> &'static str {
        self.texts().1
    }

    const fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::GatewayConnections => ("gateway.connections_max", "a client had to wait for a connection"),
            Self::GatewayUriBytes => ("gateway.uri_bytes_max", "a request's target was too long (414)"),
            Self::GatewayWebSockets => ("gateway.websockets_max", "a WebSocket was refused (503)"),
            Self::FunctionsQueue => ("functions.queue_max", "a call was refused, because too many wait (503)"),
            Self::FunctionsRequestBytes => ("functions.request_bytes_max", "a request's body was too large (413)"),
            Self::FunctionsResponseBytes => (
                "functions.response_bytes_max",
                "a function's response, or a message of it to the node, was too large (502)",
            ),
            Self::FunctionsLogBytes => ("functions.log_bytes_max", "the log of an invocation was cut"),
            Self::FunctionTimeout => ("function.timeout", "an invocation took too long (504)"),
            Self::FunctionMaxInstructions => ("function.max_instructions", "an invocation executed too much (504)"),
            Self::FunctionMaxConcurrency => {
                ("function.max_concurrency", "a call waited in vain for another one to end (503)")
            }
            Self::WasmInstances => ("wasm.instances", "there was no room for another instance (503)"),
            Self::ApiRequestBytes => ("api.request_bytes_max", "a request to the management API was too large (413)"),
            Self::ApiUploadBytes => ("api.upload_bytes_max", "an uploaded artifact was too large (413)"),
            Self::LogsBytesPerStack => {
                ("logs.bytes_per_stack", "a stack had more log than is kept, and its oldest lines were deleted")
            }
            Self::ClientRequestsPerSecond => (
                "quotas.client.requests_per_second",
                "a client, or an address nobody knows, asked the management API too often (429)",
            ),
            Self::ClientInvocationsPerSecond => {
                ("quotas.client.invocations_per_second", "stacks of a client were invoked too often (429)")
            }
            Self::ClientConcurrentInvocations => {
                ("quotas.client.concurrent_invocations", "stacks of a client had too many calls at once (429)")
            }
            Self::ClientInstructionsPerDay => {
                ("quotas.client.instructions_per_day", "stacks of a client executed too much in a day (429)")
            }
            Self::ClientTableBytes => ("quotas.client.table_bytes", "tables of a client are full"),
            Self::ClientBoxBytes => ("quotas.client.box_bytes", "boxes of a client are full"),
            Self::StackInvocationsPerSecond => {
                ("quotas.stack.invocations_per_second", "a stack was invoked too often (429)")
            }
            Self::StackConcurrentInvocations => {
                ("quotas.stack.concurrent_invocations", "a stack had too many calls at once (429)")
            }
            Self::StackInstructionsPerDay => {
                ("quotas.stack.instructions_per_day", "a stack executed too much in a day (429)")
            }
            Self::StackTableBytes => ("quotas.stack.table_bytes", "tables of a stack are full"),
            Self::StackBoxBytes => ("quotas.stack.box_bytes", "boxes of a stack are full"),
            Self::MetricsFunctions => ("metrics.functions_max", "a function was counted among `(others)`"),
        }
    }
}
