//! Why code could not be loaded, and why a call failed.

use std::time::Duration;

use mu_stack::Runtime;

/// Why an artifact cannot run here.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The bytes are not of the kind that the runtime runs.
    #[error("not what the function's runtime runs: {reason}")]
    NotWasm {
        /// What the parser found.
        reason: String,
    },
    /// The component asks for something the runtime does not offer.
    #[error("the component imports what runtime {runtime} does not offer: {reason}")]
    Imports {
        /// The runtime.
        runtime: Runtime,
        /// What the linker said; it names the import.
        reason: String,
    },
    /// The component does not handle requests.
    #[error("the component has not the export that runtime {runtime} calls: {reason}")]
    NoHandler {
        /// The runtime.
        runtime: Runtime,
        /// What the linker said; it names the export.
        reason: String,
    },
    /// The module asks for something the runtime does not offer.
    #[error("the module imports `{module}`.`{name}`, which runtime wasi1.0 does not offer")]
    UnknownImport {
        /// The import's module.
        module: String,
        /// The import's name.
        name: String,
    },
    /// The module is not a command.
    #[error("the module does not export a function `_start`: build it as a WASI preview 1 command")]
    NoStart,
    /// The module needs more memory from the start than the function may use.
    #[error("the module needs {needed_bytes} bytes of memory to start, and memory_limit allows {limit_bytes}")]
    MemoryLimitTooLow {
        /// The initial size of its memory.
        needed_bytes: u64,
        /// The function's limit.
        limit_bytes: u64,
    },
    /// The module is valid but cannot be compiled within the engine's limits.
    #[error("compiling the module: {reason}")]
    Compile {
        /// What the compiler said.
        reason: String,
    },
    /// The module's bytes could not be read.
    #[error("reading the module: {0}")]
    Read(#[source] std::io::Error),
    /// The artifact of a container function is neither an image nor the name of one.
    #[error("{reason}")]
    NotAnImage {
        /// What is wrong with it.
        reason: String,
    },
    /// There is no image, or it must not be used.
    #[error(transparent)]
    Image(#[from] mu_image::ImageError),
    /// The image cannot be made a container here.
    #[error("{reason}")]
    Container {
        /// What is missing, and the remedy.
        reason: String,
    },
    /// A function asks for more memory than the node has for containers.
    #[error(
        "its memory_limit of {needed_bytes} bytes is more than the {available_bytes} bytes that the node has for containers"
    )]
    TooLargeForNode {
        /// What it asks for.
        needed_bytes: u64,
        /// What there is.
        available_bytes: u64,
    },
    /// The engine is closing.
    #[error("the engine is shutting down")]
    Closed,
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The function said that it cannot go on.
    #[error("the function failed: {0}")]
    Fatal(String),
    /// The instance trapped.
    #[error("the function trapped: {0}")]
    Trap(String),
    /// The function ended without an answer.
    #[error("the function ended without a result{0}")]
    NoResult(String),
    /// The function wrote something that is not a message of the protocol.
    #[error("the function wrote to its standard output what is not a message: {0}")]
    Protocol(String),
    /// The function's answer is not valid HTTP.
    #[error("the function answered with {0}")]
    InvalidResponse(String),
    /// The instruction budget is used up.
    #[error("the function used up its {limit} instructions (max_instructions)")]
    InstructionsExhausted {
        /// The budget.
        limit: u64,
    },
    /// The time is over.
    #[error("the function did not answer within {timeout:?} (timeout)")]
    TimedOut {
        /// The limit.
        timeout: Duration,
    },
    /// The function wrote more than it may.
    #[error("the function's {what} is larger than {limit_bytes} bytes")]
    OutputTooLarge {
        /// `message`, `response` or `response head`.
        what: &'static str,
        /// The limit.
        limit_bytes: u64,
    },
    /// The request's body is larger than this runtime buffers.
    #[error("the request's body is larger than {limit_bytes} bytes")]
    RequestTooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// The request's body could not be read.
    #[error("{0}")]
    RequestBroken(String),
    /// The function's container ended, or did something strange, before it was ready for calls.
    #[error("the function did not start: {0}")]
    NotStarted(String),
    /// The function's container never listened.
    #[error("the function did not listen on FN_LISTENER within {patience:?} of its start")]
    StartTimedOut {
        /// How long was waited.
        patience: Duration,
    },
    /// The node has no room for another instance.
    #[error("the node has no room for another instance of a function")]
    NoRoom,
    /// The code could not be loaded again.
    #[error("loading the function: {0}")]
    Load(#[from] LoadError),
    /// The node is at fault.
    #[error("running the function: {0}")]
    Internal(String),
}
