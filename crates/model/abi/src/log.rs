//! How much a log line matters.

use std::fmt;

use crate::codec::enumeration;

/// How much a log line matters, most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// Something failed.
    Error,
    /// Something is suspicious.
    Warn,
    /// Something worth knowing happened.
    Info,
    /// For whoever looks for a mistake.
    Debug,
    /// For whoever follows each step.
    Trace,
}

// === impl LogLevel ===

impl LogLevel {
    /// Every level, in the order of their numbers on the wire.
    pub const ALL: [Self; 5] = [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    /// The level's name, in lower case.
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

impl fmt::Display for LogLevel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

enumeration!(LogLevel, "the log level is unknown");
