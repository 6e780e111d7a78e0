//! What somebody can be, on a stack and on the node.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What somebody may do on a stack; each may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads everything but the values of secrets.
    Viewer,
    /// Also invokes functions.
    Invoker,
    /// Also deploys, routes, rolls back, and sets secrets and configuration.
    Developer,
    /// Also decides who may do what, claims domains, and deletes the stack.
    Admin,
}

/// What somebody is on the node; each may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeRole {
    /// Creates stacks, and becomes admin of those.
    Member,
    /// Does everything.
    Operator,
}

/// The text is no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseRoleError {
    /// It is none of those on a stack.
    #[error("a role on a stack is `viewer`, `invoker`, `developer` or `admin`")]
    Stack,
    /// It is none of those on a node.
    #[error("a role on a node is `member` or `operator`")]
    Node,
}

impl Role {
    /// All of them, the one with the fewest rights first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Invoker, Self::Developer, Self::Admin];

    /// The role's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Invoker => "invoker",
            Self::Developer => "developer",
            Self::Admin => "admin",
        }
    }
}

impl NodeRole {
    /// All of them, the one with the fewest rights first.
    pub const ALL: [Self; 2] = [Self::Member, Self::Operator];

    /// The role's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Operator => "operator",
        }
    }
}

impl FromStr for Role {
    type Err = ParseRoleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(ParseRoleError::Stack)
    }
}

impl FromStr for NodeRole {
    type Err = ParseRoleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(ParseRoleError::Node)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for NodeRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_ordered_and_have_one_name() {
        assert!(Role::ALL.is_sorted() && NodeRole::ALL.is_sorted());
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
        }
        for role in NodeRole::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
        }
        assert_eq!("Admin".parse::<Role>(), Err(ParseRoleError::Stack));
        assert_eq!("admin".parse::<NodeRole>(), Err(ParseRoleError::Node));
    }
}
