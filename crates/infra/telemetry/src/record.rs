//! One line that a function, or the runtime on its behalf, wrote.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use mu_env::{InvocationId, Timestamp};

/// How important a line is; ordered from the most to the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something failed.
    Error,
    /// Something may be wrong.
    Warn,
    /// Worth knowing.
    Info,
    /// For finding faults.
    Debug,
    /// Every detail.
    Trace,
}

impl Level {
    /// The lower-case name: `error`, `warn`, `info`, `debug` or `trace`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// The text is not a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidLevel;

impl fmt::Display for InvalidLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a level is `error`, `warn`, `info`, `debug` or `trace`")
    }
}

impl std::error::Error for InvalidLevel {}

impl FromStr for Level {
    type Err = InvalidLevel;

    fn from_str(text: &str) -> Result<Self, InvalidLevel> {
        let levels = [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];
        levels.into_iter().find(|level| level.as_str() == text).ok_or(InvalidLevel)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Who wrote a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogSource {
    /// The function, through a `Log` message.
    Function,
    /// The function, on its standard output, where that is not the protocol's.
    Stdout,
    /// The function, on its standard error.
    Stderr,
    /// The runtime: why an invocation failed, or that its log was cut.
    Runtime,
}

impl LogSource {
    /// The lower-case name: `function`, `stdout`, `stderr` or `runtime`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Function => "function",
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Runtime => "runtime",
        }
    }
}

/// The id of a stack: the 32 bytes of its key.
pub type StackId = [u8; 32];

/// One line of a function's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// When the node received the line.
    pub time: Timestamp,
    /// The invocation that wrote it.
    pub invocation: InvocationId,
    /// The stack's id.
    pub stack_id: StackId,
    /// The stack's name.
    pub stack: Arc<str>,
    /// The function's name.
    pub function: Arc<str>,
    /// How important it is.
    pub level: Level,
    /// Who wrote it.
    pub source: LogSource,
    /// The text, without a line break at its end.
    pub message: String,
}

/// Where function logs go. Called on the request path: an implementation must not block, and drops lines (counting
/// them) rather than wait.
pub trait LogSink: Send + Sync {
    /// Takes one line.
    fn write(&self, record: LogRecord);

    /// Learns that the log of an invocation was cut. Who reads the log is told by a line; nothing else becomes of it
    /// unless an implementation says otherwise.
    fn cut(&self) {}
}
