//! Why a command failed: what is printed, and the process's exit code.

use std::error::Error;
use std::fmt::Write as _;
use std::process::ExitCode;

use crate::terminal::{BOLD, HINT, RED};

/// Exit codes, by cause. `mu help` lists them; 2 is clap's, for arguments that do not parse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Something failed that has no code of its own.
    Failed,
    /// `mu.yaml` is missing or has mistakes.
    Manifest,
    /// A function could not be built, or what was built cannot run.
    Build,
    /// The node could not start: an address in use, a data directory that cannot be used.
    Start,
    /// `mu invoke`: the handler answered with a status of 400 to 499.
    Rejected,
    /// `mu invoke`: the handler failed, or answered with a status of 500 or more.
    FunctionFailed,
    /// A node refused what it was asked: it is not allowed, or not possible.
    Refused,
    /// No node is known, or the node does not know who asks.
    Unauthenticated,
    /// What was named is not on the node.
    NotFound,
    /// Something on the node is in the way: it exists already, or was changed meanwhile.
    Conflict,
    /// The node cannot be reached, or is busy.
    Unavailable,
}

/// The last sections of `mu help`.
pub(crate) const AFTER_HELP: &str = "\
Environment:
  FN_MEMORY, FN_TIMEOUT, FN_IDLE_TIMEOUT
                     limits of all functions of an app of func files, over what the files say
  MU_CONTAINERS__KEY the key containers.KEY of a node's configuration, for mu run and mu invoke too
  MU_CONTEXT         the context that says which node is asked, instead of the one in use
  MU_FN_NAME         sets the variable NAME of every function, for mu run and mu invoke only
  MU_REGISTRY        where images of containers go, for mu push and mu deploy; FN_REGISTRY without it
  MU_SECRET_NAME     the secret NAME of functions that declare it, for mu run and mu invoke only;
                     over what mu.secrets beside mu.yaml says
  MU_LOG             what the node says about itself on standard error, such as `info` or
                     `mu_gateway=debug,warn` [default: warn]
  MU_TOKEN           an API token to ask nodes with, instead of the context's credentials
  MU_URL             the URL of a node's management API, instead of a context
  MU_WASM_TOOLCHAIN  a folder whose bin/rustc builds for wasm32-wasip1, instead of the installed one

Exit codes:
    0  success
    1  something failed; the message says what
    2  the arguments are not understood
    3  mu.yaml is missing or has mistakes
    4  a function could not be built, or its module cannot run
    5  the node could not start: address in use, data directory unusable or in use
    6  mu invoke: the handler answered with a status of 400 to 499
    7  mu invoke: the handler failed or answered with a status of 500 or more
    8  a node refused what it was asked: not allowed, or not possible
    9  no node is known (mu login), or the node does not know who asks
   10  what was named is not on the node
   11  something on the node is in the way: it exists already, or was changed meanwhile
   12  the node cannot be reached, or is busy
  130  mu run: interrupted twice, ended without waiting for the requests under way";

impl Cause {
    const fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Manifest => 3,
            Self::Build => 4,
            Self::Start => 5,
            Self::Rejected => 6,
            Self::FunctionFailed => 7,
            Self::Refused => 8,
            Self::Unauthenticated => 9,
            Self::NotFound => 10,
            Self::Conflict => 11,
            Self::Unavailable => 12,
        }
    }
}

/// A failed command.
#[derive(Debug)]
pub(crate) struct Failure {
    cause: Cause,
    /// Printed before the message, as it is: a compiler's output, the problems of a manifest.
    detail: Option<String>,
    message: String,
    hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(cause: Cause, message: impl Into<String>) -> Self {
        Self { cause, detail: None, message: message.into(), hint: None }
    }

    /// A failure whose message ends with `error` and everything that led to it.
    pub(crate) fn from_error(cause: Cause, doing: impl std::fmt::Display, error: &dyn Error) -> Self {
        Self::new(cause, format!("{doing}: {}", chain(error)))
    }

    /// Those of several files, as one.
    pub(crate) fn of_files(mut failures: Vec<Self>) -> Option<Self> {
        if failures.len() < 2 {
            return failures.pop();
        }
        let message = format!("{} files have mistakes", failures.len());
        let details: Vec<_> = failures.iter().map(|one| one.detail.as_ref().unwrap_or(&one.message).as_str()).collect();
        let detail = Some(details.join("\n"));
        let Self { cause, hint, .. } = failures.swap_remove(0);
        Some(Self { cause, detail, message, hint })
    }

    /// What the reader can do about it, without a full stop.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    pub(crate) fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    #[cfg(test)]
    pub(crate) fn cause(&self) -> Cause {
        self.cause
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.cause.code())
    }

    /// The text for standard error: detail, message and hint, each on lines of their own.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        if let Some(detail) = &self.detail {
            text.push_str(detail.trim_end());
            text.push_str("\n\n");
        }
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{RED}error{RED:#}{BOLD}:{BOLD:#} {}", self.message);
        if let Some(hint) = &self.hint {
            let _ = writeln!(text, "{HINT}hint{HINT:#}{BOLD}:{BOLD:#} {hint}");
        }
        text
    }
}

/// An error and its sources, in one line. A source that its error has quoted already is not said twice.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let said = error.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("opening the lock")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn a_failure_says_what_and_why_and_what_to_do() {
        let error = Outer(std::io::Error::other("disk on fire"));
        let failure = Failure::from_error(Cause::Build, "building hello", &error).hint("call someone").detail("line\n");
        let text = anstream::adapter::strip_str(&failure.render()).to_string();
        assert_eq!(text, "line\n\nerror: building hello: opening the lock: disk on fire\nhint: call someone\n");
    }

    #[test]
    fn every_code_is_documented() {
        for cause in [
            Cause::Failed,
            Cause::Manifest,
            Cause::Build,
            Cause::Start,
            Cause::Rejected,
            Cause::FunctionFailed,
            Cause::Refused,
            Cause::Unauthenticated,
            Cause::NotFound,
            Cause::Conflict,
            Cause::Unavailable,
        ] {
            assert!(AFTER_HELP.contains(&format!("\n  {:>3}  ", cause.code())), "{cause:?}");
        }
    }
}
