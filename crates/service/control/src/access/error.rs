//! Why somebody may not do what they ask for.

use mu_db::KvError;
use mu_env::Timestamp;
use mu_stack::StackId;

use super::oidc::OidcError;
use super::policy::Denial;
use super::record::Unreadable;
use super::signature::SignatureError;
use super::tokens::TokenId;
use super::{Action, ClientKey, Principal};

/// A request is not from whom it says, or asks for what it may not have, or a change of rights cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// The signature of the request is not accepted.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The signature of the request was accepted before.
    #[error("this signature was used before: sign every request anew, a retry as well")]
    Replayed,
    /// A good signature by a key that this node knows nothing of.
    #[error("this node does not know {client}: ask an operator to add it, or an admin of a stack for a role on it")]
    UnknownClient {
        /// Who signed.
        client: ClientKey,
    },
    /// The credentials are not in a form that is understood.
    #[error("the credentials of the request can't be used: {problem}")]
    Credentials {
        /// What is wrong, and what would be right.
        problem: &'static str,
    },
    /// No token is this text.
    #[error("this token is not known: it was revoked, or was made by another node; make a new one")]
    UnknownToken,
    /// The token's time is over.
    #[error("this token ({id}) expired at {at}: make a new one")]
    ExpiredToken {
        /// Which one.
        id: TokenId,
        /// When.
        at: Timestamp,
    },
    /// The bootstrap token is wrong, or has done its work.
    #[error("this bootstrap token is not valid: it works once, until the node has its first operator")]
    Bootstrap,
    /// The token of an issuer is not accepted.
    #[error(transparent)]
    Oidc(#[from] OidcError),
    /// A request without credentials comes in a way in which a web page of somebody else could have sent it.
    #[error("a request without credentials {problem}")]
    Anonymous {
        /// What is wrong, and what would be right.
        problem: &'static str,
    },
    /// Nobody in particular asks for something that only somebody may have.
    #[error("`{action}` needs credentials: sign the request, or send a token (`mu login`)")]
    Unauthenticated {
        /// What was asked for.
        action: Action,
    },
    /// Whoever asks may not do this.
    #[error("{who} may not do `{action}`: it takes {needs}")]
    Denied {
        /// Who asked.
        who: Principal,
        /// What was asked for.
        action: Action,
        /// What would be enough.
        needs: super::policy::Needs,
    },
    /// There is no such stack, as far as whoever asks may know.
    #[error("there is no stack {stack}, or you have no role on it")]
    UnknownStack {
        /// Its id.
        stack: StackId,
    },
    /// There is nothing to revoke.
    #[error("{who} has no role here")]
    NotGranted {
        /// Who.
        who: Principal,
    },
    /// There is no token with this id.
    #[error("there is no token {id}")]
    NoToken {
        /// Its id.
        id: TokenId,
    },
    /// Nobody in particular cannot be given anything.
    #[error("`anonymous` can't be given a role or a token: name a key or a user of an issuer")]
    NobodyInParticular,
    /// A stack would be left without anybody who can decide about it.
    #[error("{who} is the last admin of {stack}: make somebody else admin first, or ask an operator")]
    LastAdmin {
        /// Who.
        who: Principal,
        /// Of which stack.
        stack: StackId,
    },
    /// The node would be left without an operator.
    #[error("{who} is the last operator of this node: make somebody else operator first")]
    LastOperator {
        /// Who.
        who: Principal,
    },
    /// The node's configuration says otherwise.
    #[error("{who} is an operator by the node's configuration: change `access.operators` there")]
    Configured {
        /// Who.
        who: Principal,
    },
    /// A limit is reached.
    #[error("{what} can have {limit} {of_what} at most: remove some first")]
    TooMany {
        /// Who or what has so many.
        what: &'static str,
        /// Of what.
        of_what: &'static str,
        /// How many.
        limit: usize,
    },
    /// What was asked for is not within its limits.
    #[error("{what} {problem}")]
    Invalid {
        /// Which part of it.
        what: &'static str,
        /// What would be right.
        problem: &'static str,
    },
    /// Others kept changing the same thing.
    #[error("{what} is being changed by others: read it again and retry")]
    Contended {
        /// What.
        what: &'static str,
    },
    /// A stored record is damaged, or was written by a newer mu.
    #[error("the stored record of {what} can't be read: it is damaged, or was written by a newer mu")]
    Unreadable {
        /// Of what.
        what: &'static str,
    },
    /// The database does not answer.
    #[error(transparent)]
    Store(#[from] KvError),
}

/// What the caller should do about an error; the kinds of the architecture that occur here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessErrorKind {
    /// 400: fix the request.
    Invalid,
    /// 401: sign in.
    Unauthenticated,
    /// 403: ask for permission.
    Denied,
    /// 404: check the name.
    NotFound,
    /// 409: read again and retry.
    Conflict,
    /// 429: remove something first.
    Exhausted,
    /// 503: retry.
    Unavailable,
    /// 500: report it.
    Internal,
}

impl AccessError {
    /// What the caller should do.
    #[must_use]
    pub fn kind(&self) -> AccessErrorKind {
        use AccessErrorKind::{Conflict, Denied, Exhausted, Internal, Invalid, NotFound, Unauthenticated, Unavailable};
        match self {
            Self::Oidc(error) if error.is_unavailable() => Unavailable,
            Self::Signature(_)
            | Self::Replayed
            | Self::Credentials { .. }
            | Self::UnknownToken
            | Self::ExpiredToken { .. }
            | Self::Bootstrap
            | Self::Oidc(_)
            | Self::Unauthenticated { .. } => Unauthenticated,
            Self::UnknownClient { .. } | Self::Anonymous { .. } | Self::Denied { .. } => Denied,
            Self::UnknownStack { .. } | Self::NotGranted { .. } | Self::NoToken { .. } => NotFound,
            Self::NobodyInParticular | Self::Invalid { .. } => Invalid,
            Self::LastAdmin { .. } | Self::LastOperator { .. } | Self::Configured { .. } | Self::Contended { .. } => {
                Conflict
            }
            Self::TooMany { .. } => Exhausted,
            Self::Store(KvError::Corrupt { .. } | KvError::TooLarge { .. }) | Self::Unreadable { .. } => Internal,
            Self::Store(_) => Unavailable,
        }
    }

    /// What says more than the kind, where a program may want to know.
    #[must_use]
    pub fn code(&self) -> Option<&'static str> {
        Some(match self {
            Self::Signature(SignatureError::TooOld { .. } | SignatureError::InFuture { .. }) => "clock_skew",
            Self::Signature(SignatureError::Authority { .. }) => "wrong_authority",
            Self::Signature(_) => "bad_signature",
            Self::Replayed => "replayed",
            Self::UnknownClient { .. } => "unknown_client",
            Self::UnknownToken => "unknown_token",
            Self::ExpiredToken { .. } => "expired_token",
            Self::Bootstrap => "bad_bootstrap_token",
            Self::UnknownStack { .. } => "unknown_stack",
            Self::LastAdmin { .. } => "last_admin",
            Self::LastOperator { .. } => "last_operator",
            Self::Configured { .. } => "configured",
            _ => return None,
        })
    }

    pub(super) fn denied(denial: Denial, who: &Principal, action: Action) -> Self {
        match denial {
            Denial::Unauthenticated => Self::Unauthenticated { action },
            Denial::Forbidden(needs) => Self::Denied { who: who.clone(), action, needs },
            Denial::UnknownStack(stack) => Self::UnknownStack { stack },
        }
    }

    pub(super) fn unreadable(what: &'static str) -> impl Fn(Unreadable) -> Self {
        move |Unreadable| Self::Unreadable { what }
    }
}
