//! How what is counted ended.

/// How an invocation ended. The first three had an answer of the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The function answered with a status below 400.
    Ok,
    /// The function answered with a status from 400 to 499.
    ClientError,
    /// The function answered with a status of 500 or more.
    ServerError,
    /// The function ended without an answer: it trapped, or broke the rules.
    Failed,
    /// The function's time or instructions were used up.
    TimedOut,
    /// There was no room for the invocation, or what was asked is over a limit.
    Rejected,
    /// The caller went away first.
    Abandoned,
    /// The node is at fault.
    Internal,
}

impl Outcome {
    /// All of them, in the order of the enumeration.
    pub const ALL: [Self; 8] = [
        Self::Ok,
        Self::ClientError,
        Self::ServerError,
        Self::Failed,
        Self::TimedOut,
        Self::Rejected,
        Self::Abandoned,
        Self::Internal,
    ];

    /// Those of answers, in the same order.
    pub(super) const ANSWERS: [Self; 3] = [Self::Ok, Self::ClientError, Self::ServerError];

    /// The outcome of an invocation that the function answered with this HTTP status.
    #[must_use]
    pub const fn of_status(status: u16) -> Self {
        match status {
            0..400 => Self::Ok,
            400..500 => Self::ClientError,
            500.. => Self::ServerError,
        }
    }

    /// The value of the label `outcome`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::ClientError => "client_error",
            Self::ServerError => "server_error",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Rejected => "rejected",
            Self::Abandoned => "abandoned",
            Self::Internal => "internal",
        }
    }
}
