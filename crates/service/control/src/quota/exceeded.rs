//! The answer to who is over a limit.

use std::fmt;
use std::time::Duration;

use super::Subject;

/// One of the limits of a [`Quota`](super::Quota).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// `invocations_per_second`
    InvocationsPerSecond,
    /// `concurrent_invocations`
    ConcurrentInvocations,
    /// `instructions_per_day`
    InstructionsPerDay,
    /// `table_bytes`
    TableBytes,
    /// `box_bytes`
    BoxBytes,
    /// `requests_per_second`
    RequestsPerSecond,
}

/// A limit would be exceeded; nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Exceeded {
    /// Whose limit.
    pub subject: Subject,
    /// Which.
    pub limit: Limit,
    /// How much it allows.
    pub allowed: u64,
    /// When to try again; `None` when waiting does not help.
    pub retry_after: Option<Duration>,
}

impl Limit {
    /// The name it has in a quota, for messages and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvocationsPerSecond => "invocations_per_second",
            Self::ConcurrentInvocations => "concurrent_invocations",
            Self::InstructionsPerDay => "instructions_per_day",
            Self::TableBytes => "table_bytes",
            Self::BoxBytes => "box_bytes",
            Self::RequestsPerSecond => "requests_per_second",
        }
    }
}

impl Exceeded {
    /// The seconds to wait, as the header `Retry-After` tells them: rounded up, at least 1.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u64> {
        self.retry_after.map(|wait| (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1))
    }

    /// As what it is counted.
    #[must_use]
    pub fn metric(&self) -> mu_telemetry::Limit {
        use mu_telemetry::Limit as Hit;
        match (&self.subject, self.limit) {
            (_, Limit::RequestsPerSecond) => Hit::ClientRequestsPerSecond,
            (Subject::Client(_), Limit::InvocationsPerSecond) => Hit::ClientInvocationsPerSecond,
            (Subject::Client(_), Limit::ConcurrentInvocations) => Hit::ClientConcurrentInvocations,
            (Subject::Client(_), Limit::InstructionsPerDay) => Hit::ClientInstructionsPerDay,
            (Subject::Client(_), Limit::TableBytes) => Hit::ClientTableBytes,
            (Subject::Client(_), Limit::BoxBytes) => Hit::ClientBoxBytes,
            (Subject::Stack(_), Limit::InvocationsPerSecond) => Hit::StackInvocationsPerSecond,
            (Subject::Stack(_), Limit::ConcurrentInvocations) => Hit::StackConcurrentInvocations,
            (Subject::Stack(_), Limit::InstructionsPerDay) => Hit::StackInstructionsPerDay,
            (Subject::Stack(_), Limit::TableBytes) => Hit::StackTableBytes,
            (Subject::Stack(_), Limit::BoxBytes) => Hit::StackBoxBytes,
        }
    }
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whoever calls a function is not told who owns it.
        match (&self.subject, self.limit) {
            (Subject::Stack(stack), _) => write!(f, "stack {stack}")?,
            (Subject::Client(_), Limit::RequestsPerSecond) => f.write_str("the client")?,
            (Subject::Client(_), _) => f.write_str("the owner of the stack")?,
        }
        write!(f, " is at the limit `{}` of its quota, {}", self.limit.as_str(), self.allowed)?;
        match self.retry_after_seconds() {
            Some(seconds) => write!(f, ": try again in {seconds} s"),
            None => f.write_str(": delete something, or ask an operator for more"),
        }
    }
}
