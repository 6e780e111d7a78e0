//! Who may do what: one table of actions, and one function that reads it.
//!
//! Nothing here looks anything up. Whoever asks brings what is known of the subject and, for an action on a stack, the
//! role that the subject was granted there.

use std::collections::BTreeSet;
use std::fmt;

use mu_stack::StackId;

use super::{NodeRole, Principal, Role, TokenScope, TokenStacks};

/// Who asks, with what they are on this node and what their credentials keep them from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// For whom the request acts.
    pub principal: Principal,
    /// What they are on the node.
    pub node: Option<NodeRole>,
    /// What their credentials are not good for.
    pub restriction: Restriction,
}

/// What credentials are not good for, though their owner may do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restriction {
    /// They are good for all that their owner may do.
    None,
    /// They are a token for some stacks, up to some role.
    Scope(TokenScope),
    /// They are the bootstrap token, which makes the first operator and does nothing else.
    Bootstrap,
}

/// A stack that an action is on, and what the subject's principal was granted there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackAccess {
    /// The stack.
    pub stack: StackId,
    /// The role that the principal was granted on it.
    pub granted: Option<Role>,
}

/// What an action takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// To be anybody who is let in.
    Access,
    /// To be somebody, by credentials that are not a token: else a leaked token could make itself another one.
    Identity,
    /// A role on the stack, or a higher one.
    Stack(Role),
    /// A role on the node, or a higher one.
    Node(NodeRole),
    /// The bootstrap token.
    Bootstrap,
}

/// Whether an action is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an action may be done only if this says so"]
pub enum Decision {
    /// It may be done.
    Allowed,
    /// It may not.
    Denied(Denial),
}

/// Why an action is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// Nobody in particular asks: credentials could help.
    Unauthenticated,
    /// Whoever asks is known, and lacks this.
    Forbidden(Needs),
    /// Whoever asks may not even read this stack, and learns nothing of it, not that it exists either.
    UnknownStack(StackId),
}

/// The table: each action with its name and what it takes.
macro_rules! actions {
    ($($(#[doc = $doc:literal])+ $action:ident, $name:literal, $needs:expr;)+) => {
        /// What can be asked of the management API. Actions are named in answers and in audit records.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Action {
            $($(#[doc = $doc])+ $action,)+
        }

        impl Action {
            /// All actions, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$action),+];

            /// The action's name: `stack.deploy`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$action => $name,)+
                }
            }

            /// What the action takes.
            #[must_use]
            pub fn needs(self) -> Needs {
                match self {
                    $(Self::$action => $needs,)+
                }
            }
        }
    };
}

actions! {
    /// Read what a stack is: versions, functions, routing, configuration.
    ReadStack, "stack.read", Needs::Stack(Role::Viewer);
    /// Read the logs of its functions.
    ReadLogs, "stack.logs.read", Needs::Stack(Role::Viewer);
    /// Read what it has used.
    ReadUsage, "stack.usage.read", Needs::Stack(Role::Viewer);
    /// Read its quotas.
    ReadQuota, "stack.quota.read", Needs::Stack(Role::Viewer);
    /// Read who may do what on it.
    ReadGrants, "stack.grants.read", Needs::Stack(Role::Viewer);
    /// Read the names and versions of its secrets, never their values.
    ListSecrets, "stack.secrets.list", Needs::Stack(Role::Viewer);
    /// Read which hosts it is reached at.
    ReadDomains, "stack.domains.read", Needs::Stack(Role::Viewer);
    /// Read what was done to it.
    ReadStackAudit, "stack.audit.read", Needs::Stack(Role::Viewer);
    /// Invoke a function directly.
    InvokeFunction, "function.invoke", Needs::Stack(Role::Invoker);
    /// Upload artifacts and make a new version of it.
    DeployStack, "stack.deploy", Needs::Stack(Role::Developer);
    /// Choose which versions serve, and roll back.
    RouteStack, "stack.route", Needs::Stack(Role::Developer);
    /// Make, change and delete what Fn's API keeps of it: fns and triggers.
    ChangeFns, "stack.fns.change", Needs::Stack(Role::Developer);
    /// Set its configuration, or that of its functions.
    SetConfig, "stack.config.set", Needs::Stack(Role::Developer);
    /// Set, rotate and delete its secrets.
    SetSecret, "stack.secrets.set", Needs::Stack(Role::Developer);
    /// Decide who may do what on it.
    ManageGrants, "stack.grants.manage", Needs::Stack(Role::Admin);
    /// Claim hosts for it, and give them up.
    ManageDomains, "stack.domains.manage", Needs::Stack(Role::Admin);
    /// Delete it.
    DeleteStack, "stack.delete", Needs::Stack(Role::Admin);
    /// Read what the node is: its version, addresses and limits.
    ReadNode, "node.read", Needs::Access;
    /// List the stacks that one has a role on.
    ListStacks, "stack.list", Needs::Access;
    /// Make, list and revoke one's own tokens.
    ManageOwnTokens, "token.manage", Needs::Identity;
    /// Create a stack.
    CreateStack, "stack.create", Needs::Node(NodeRole::Member);
    /// Read who is member or operator of the node.
    ReadMembers, "node.members.read", Needs::Node(NodeRole::Operator);
    /// Decide who is member or operator of the node.
    ManageMembers, "node.members.manage", Needs::Node(NodeRole::Operator);
    /// List and revoke tokens of others.
    ManageTokens, "node.tokens.manage", Needs::Node(NodeRole::Operator);
    /// Read what was done on the whole node.
    ReadNodeAudit, "node.audit.read", Needs::Node(NodeRole::Operator);
    /// Set the quotas of clients and stacks.
    SetQuota, "quota.set", Needs::Node(NodeRole::Operator);
    /// Make the node's first operator.
    RegisterFirstOperator, "node.bootstrap", Needs::Bootstrap;
}

/// Whether `subject` may do `action`, on a stack if the action is on one.
///
/// An action that takes a role on a stack is denied when no stack is named.
pub fn allows(subject: &Subject, action: Action, on: Option<&StackAccess>) -> Decision {
    let role = on.and_then(|on| subject.role_on(&on.stack, on.granted));
    let may = match action.needs() {
        Needs::Access => !subject.is_nobody() && subject.restriction != Restriction::Bootstrap,
        Needs::Identity => !subject.principal.is_anonymous() && subject.restriction == Restriction::None,
        Needs::Stack(needed) => role.is_some_and(|role| role >= needed),
        Needs::Node(needed) => subject.node_role().is_some_and(|role| role >= needed),
        Needs::Bootstrap => subject.restriction == Restriction::Bootstrap,
    };
    match on {
        _ if may => Decision::Allowed,
        _ if subject.principal.is_anonymous() => Decision::Denied(Denial::Unauthenticated),
        Some(on) if role.is_none() => Decision::Denied(Denial::UnknownStack(on.stack)),
        _ => Decision::Denied(Denial::Forbidden(action.needs())),
    }
}

// === impl Subject ===

impl Subject {
    /// Somebody, by credentials that are good for all they may do.
    #[must_use]
    pub fn known(principal: Principal, node: Option<NodeRole>) -> Self {
        Self { principal, node, restriction: Restriction::None }
    }

    /// Somebody, by a token.
    #[must_use]
    pub fn by_token(principal: Principal, node: Option<NodeRole>, scope: TokenScope) -> Self {
        Self { principal, node, restriction: Restriction::Scope(scope) }
    }

    /// Nobody in particular.
    #[must_use]
    pub fn nobody() -> Self {
        Self::known(Principal::Anonymous, None)
    }

    /// Whoever has the bootstrap token.
    #[must_use]
    pub fn bootstrap() -> Self {
        Self { principal: Principal::Anonymous, node: None, restriction: Restriction::Bootstrap }
    }

    /// What the subject may do on a stack where its principal was granted this role.
    #[must_use]
    pub fn role_on(&self, stack: &StackId, granted: Option<Role>) -> Option<Role> {
        let own = if self.node == Some(NodeRole::Operator) { Some(Role::Admin) } else { granted };
        match &self.restriction {
            Restriction::None => own,
            Restriction::Scope(scope) if scope.stacks.contain(stack) => own.map(|own| own.min(scope.role)),
            Restriction::Scope(_) | Restriction::Bootstrap => None,
        }
    }

    /// The stacks that its credentials are bounded to; `None` when they are not.
    #[must_use]
    pub fn bounds(&self) -> Option<&BTreeSet<StackId>> {
        match &self.restriction {
            Restriction::Scope(TokenScope { stacks: TokenStacks::Only(stacks), .. }) => Some(stacks),
            Restriction::Scope(_) | Restriction::None | Restriction::Bootstrap => None,
        }
    }

    /// What the subject is on the node, as far as its credentials are good for it.
    #[must_use]
    pub fn node_role(&self) -> Option<NodeRole> {
        match &self.restriction {
            Restriction::None => self.node,
            Restriction::Scope(scope) => self.node.filter(|_| scope.node == super::NodeRights::Passed),
            Restriction::Bootstrap => None,
        }
    }

    /// Whether the subject has no rights of any kind.
    #[must_use]
    pub fn is_nobody(&self) -> bool {
        self.principal.is_anonymous() && self.node.is_none()
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Access => f.write_str("credentials"),
            Self::Identity => f.write_str("your own key or sign-in, not a token"),
            Self::Stack(role) => write!(f, "the role `{role}` on the stack"),
            Self::Node(role) => write!(f, "the role `{role}` on this node"),
            Self::Bootstrap => f.write_str("the bootstrap token"),
        }
    }
}

#[cfg(test)]
mod tests;
