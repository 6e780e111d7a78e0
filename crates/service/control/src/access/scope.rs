//! What a token is good for.

use std::collections::BTreeSet;

use mu_stack::StackId;
use serde::{Deserialize, Serialize};

use super::{AccessError, Role};

/// Most stacks that a token can name.
pub const TOKEN_STACKS_MAX: usize = 100;

/// The bounds of a token. Within them it gives what its maker has at the time it is used, and never more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenScope {
    /// On which stacks.
    pub stacks: TokenStacks,
    /// Up to which role on each of them.
    pub role: Role,
    /// Whether it is good for what its maker may do on the node.
    pub node: NodeRights,
}

/// The stacks that a token is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenStacks {
    /// All on which its maker has a role, now or later.
    All,
    /// These.
    Only(BTreeSet<StackId>),
}

/// Whether a token is good for what its maker may do on the node: create stacks or, for an operator, everything that is
/// not on a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeRights {
    /// It is.
    Passed,
    /// It is not.
    Withheld,
}

impl TokenStacks {
    /// Whether the token is good for this stack.
    #[must_use]
    pub fn contain(&self, stack: &StackId) -> bool {
        match self {
            Self::All => true,
            Self::Only(stacks) => stacks.contains(stack),
        }
    }

    /// The stack, if the token is good for just one.
    #[must_use]
    pub fn single(&self) -> Option<StackId> {
        match self {
            Self::Only(stacks) if stacks.len() == 1 => stacks.first().copied(),
            Self::All | Self::Only(_) => None,
        }
    }
}

/// A scope as it is stored.
#[derive(Serialize, Deserialize)]
pub(super) struct ScopeRecord {
    /// The ids of stacks; none for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stacks: Option<Vec<String>>,
    role: Role,
    node: NodeRights,
}

impl TokenScope {
    pub(super) fn check(&self) -> Result<(), AccessError> {
        match &self.stacks {
            TokenStacks::Only(stacks) if stacks.len() > TOKEN_STACKS_MAX => {
                Err(AccessError::TooMany { what: "a token", of_what: "stacks", limit: TOKEN_STACKS_MAX })
            }
            TokenStacks::Only(stacks) if stacks.is_empty() => {
                Err(AccessError::Invalid { what: "the scope of a token", problem: "names one stack or more, or all" })
            }
            TokenStacks::All | TokenStacks::Only(_) => Ok(()),
        }
    }

    pub(super) fn to_record(&self) -> ScopeRecord {
        let stacks = match &self.stacks {
            TokenStacks::All => None,
            TokenStacks::Only(stacks) => Some(stacks.iter().map(ToString::to_string).collect()),
        };
        ScopeRecord { stacks, role: self.role, node: self.node }
    }

    pub(super) fn from_record(record: ScopeRecord) -> Option<Self> {
        let stacks = match record.stacks {
            None => TokenStacks::All,
            Some(stacks) => {
                TokenStacks::Only(stacks.iter().map(|stack| stack.parse().ok()).collect::<Option<BTreeSet<_>>>()?)
            }
        };
        Some(Self { stacks, role: record.role, node: record.node })
    }
}
