//! What can go wrong with stacks, versions and routing.

use std::fmt;

use mu_db::KvError;
use mu_stack::{EnvError, FunctionName, StackName};

use super::limits::{ANNOTATION_KEY_BYTES_MAX, ANNOTATION_VALUE_BYTES_MAX, ANNOTATIONS_MAX, FAILURE_BYTES_MAX};
use super::stored::RecordError;
use super::{ArtifactHash, VersionNumber};

/// Something was not done in the catalog. Unless the database failed, nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The database failed, or a record in it cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// There is no such stack.
    #[error("there is no stack `{stack}`: see the names with `mu stack list`")]
    UnknownStack {
        /// The name or id.
        stack: String,
    },
    /// The name belongs to another stack.
    #[error(
        "the name `{name}` is taken on this node: choose another one, or ask an admin of that stack to rename or \
         delete it"
    )]
    NameTaken {
        /// The name.
        name: StackName,
    },
    /// The name could be taken for an id.
    #[error("the name `{name}` has the form of a stack's id: choose another one")]
    NameIsId {
        /// The name.
        name: StackName,
    },
    /// The stack is being deleted, or only its data are left.
    #[error("stack `{name}` is deleted{}", if *.data_kept { ": deploy it again to bring it back" } else { "" })]
    Deleted {
        /// The stack.
        name: StackName,
        /// Whether it is gone but for its data.
        data_kept: bool,
    },
    /// The stack is not deleted, or otherwise than the caller believes.
    #[error("the deletion of stack `{name}` has changed meanwhile: look at it and begin again")]
    DeletionChanged {
        /// The stack.
        name: StackName,
    },
    /// There is no such version.
    #[error("stack `{stack}` has no version {number}: see them with `mu stack versions`")]
    UnknownVersion {
        /// The stack.
        stack: StackName,
        /// The version.
        number: VersionNumber,
    },
    /// The version could not be prepared and can never be routed.
    #[error("version {number} of stack `{stack}` failed and cannot be routed: {failure}; deploy it anew")]
    VersionFailed {
        /// The stack.
        stack: StackName,
        /// The version.
        number: VersionNumber,
        /// Why it failed.
        failure: String,
    },
    /// The version has not been prepared yet.
    #[error("version {number} of stack `{stack}` is not prepared yet: wait until its deploy has ended")]
    VersionUnprepared {
        /// The stack.
        stack: StackName,
        /// The version.
        number: VersionNumber,
    },
    /// The version was prepared, or failed, already.
    #[error("version {number} of stack `{stack}` was prepared already")]
    VersionDecided {
        /// The stack.
        stack: StackName,
        /// The version.
        number: VersionNumber,
    },
    /// The functions of the stack and those with artifacts are not the same.
    #[error("function `{function}` {}", if *.declared { "has no artifact" } else { "is not in the stack" })]
    Artifacts {
        /// The first function that is only among one of them.
        function: FunctionName,
        /// Whether the stack has it.
        declared: bool,
    },
    /// Artifacts are not there, or not known to whoever deploys.
    #[error("the artifact{} not uploaded: upload {} and try again", plural(.missing), Listed(.missing))]
    MissingArtifacts {
        /// The functions and their artifacts.
        missing: Vec<(FunctionName, ArtifactHash)>,
    },
    /// The routing was changed since the caller looked at it.
    #[error(
        "the routing of stack `{stack}` has changed meanwhile (its revision is {actual}, not {expected}): someone else \
         deployed or routed it; look at it with `mu stack show`, then try again"
    )]
    RoutingConflict {
        /// The stack.
        stack: StackName,
        /// What the caller believed.
        expected: u64,
        /// What it is.
        actual: u64,
    },
    /// There is no earlier version to go back to.
    #[error("stack `{stack}` has no earlier version to go back to: see what it has with `mu stack versions`")]
    NothingToRollBackTo {
        /// The stack.
        stack: StackName,
    },
    /// Something is over a limit.
    #[error("{what} of {bytes} bytes is over the limit of {limit_bytes} bytes")]
    TooLarge {
        /// What.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// An environment variable of the stack cannot be set.
    #[error(transparent)]
    Config(#[from] EnvError),
    /// An annotation cannot be set.
    #[error(
        "the annotation `{key}` cannot be set: a stack has at most {ANNOTATIONS_MAX}, with keys of 1 to \
         {ANNOTATION_KEY_BYTES_MAX} printable ASCII characters and values of at most {ANNOTATION_VALUE_BYTES_MAX} \
         bytes of JSON that are not empty"
    )]
    Annotation {
        /// The start of its key.
        key: String,
    },
    /// What was to be written in the same commit cannot be.
    #[error("{0}")]
    Besides(String),
    /// Others changed the same thing again and again.
    #[error("{what} is being changed by many at once: try again in a moment")]
    Contended {
        /// What.
        what: String,
    },
}

impl From<KvError> for CatalogError {
    fn from(error: KvError) -> Self {
        Self::Record(error.into())
    }
}

/// Refuses what is larger than its limit.
pub(super) fn at_most(what: &'static str, bytes: usize, limit_bytes: usize) -> Result<(), CatalogError> {
    if bytes > limit_bytes { Err(CatalogError::TooLarge { what, bytes, limit_bytes }) } else { Ok(()) }
}

/// The first part of why something failed, as much as is kept.
pub(super) fn cut_failure(text: &str) -> &str {
    &text[..text.floor_char_boundary(FAILURE_BYTES_MAX)]
}

fn plural<T>(items: &[T]) -> &'static str {
    if items.len() == 1 { " of one function is" } else { "s of some functions are" }
}

struct Listed<'l>(&'l [(FunctionName, ArtifactHash)]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 4;
        for (index, (function, hash)) in self.0.iter().take(SHOWN).enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{hash} of `{function}`")?;
        }
        if self.0.len() > SHOWN { write!(f, " and {} more", self.0.len() - SHOWN) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_the_thing_and_the_remedy() {
        let name = || "shop".parse::<StackName>().unwrap();
        let missing = |count: usize| {
            let functions = (0..count).map(|index| (format!("f{index}").parse().unwrap(), ArtifactHash::of(b"")));
            CatalogError::MissingArtifacts { missing: functions.collect() }
        };
        let hash = ArtifactHash::of(b"");
        for (error, message) in [
            (CatalogError::Deleted { name: name(), data_kept: false }, "stack `shop` is deleted".to_owned()),
            (
                CatalogError::Deleted { name: name(), data_kept: true },
                "stack `shop` is deleted: deploy it again to bring it back".to_owned(),
            ),
            (missing(1), format!("the artifact of one function is not uploaded: upload {hash} of `f0` and try again")),
            (
                missing(6),
                format!(
                    "the artifacts of some functions are not uploaded: upload {hash} of `f0`, {hash} of `f1`, {hash} \
                     of `f2`, {hash} of `f3` and 2 more and try again"
                ),
            ),
        ] {
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn failures_are_cut_between_characters() {
        let long = format!("a{}", "é".repeat(FAILURE_BYTES_MAX));
        assert_eq!(cut_failure(&long).len(), FAILURE_BYTES_MAX - 1);
        assert_eq!(cut_failure("short"), "short");
    }
}
