//! Where a value comes from.

use std::fmt;
use std::sync::Arc;

use mu_stack::Position;

/// Where a value comes from, in ascending order of precedence. Its text is what people search for:
/// `mu-node.yaml:12:3`, `MU_GATEWAY__ADDRESS`, `--gateway`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody has set it.
    Default,
    /// The configuration's file.
    File {
        /// The file, as the operator named it.
        name: Arc<str>,
        /// Where in it, if it is about one place.
        position: Option<Position>,
    },
    /// A variable of the environment.
    Variable(String),
    /// A flag of the command.
    Flag(String),
}

impl Origin {
    /// The order in which mistakes are told: by layer, and within the file from top to bottom.
    pub(super) fn rank(&self) -> (u8, Option<Position>) {
        match self {
            Self::File { position, .. } => (0, *position),
            Self::Variable(_) => (1, None),
            Self::Flag(_) => (2, None),
            Self::Default => (3, None),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { name, position: None } => f.write_str(name),
            Self::File { name, position: Some(Position { line, column }) } => write!(f, "{name}:{line}:{column}"),
            Self::Variable(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}
