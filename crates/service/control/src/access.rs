//! Who asks, and what they may do.
//!
//! [`Access::authenticate`] says who a request is from: whoever signed it, whoever made the token it carries, a user of
//! an issuer that the node trusts, or nobody in particular. [`Access::authorize`] says whether they may do an
//! [`Action`], by the table in [`policy`]. Roles are read from the database for every request, so that what is taken
//! away is gone at once.

mod anonymous;
mod bearer;
mod bootstrap;
mod error;
mod grants;
mod head;
mod members;
mod nonces;
pub mod oidc;
pub(crate) mod paged;
pub mod policy;
mod principal;
pub(crate) mod record;
mod role;
mod scope;
mod secret_key;
pub mod signature;
mod tokens;

use std::collections::BTreeSet;
use std::sync::Arc;

use http::header::AUTHORIZATION;
use mu_db::Kv;
use mu_env::Env;
use mu_stack::StackId;
use serde_json::{Map, Value};

use self::bearer::BearerKind;
use self::head::Once;
use self::oidc::{Issuer, JwksSource, Oidc, VerifiedUser};
use self::policy::{Decision, StackAccess, Subject, allows};
use self::signature::{Authorities, ExpectedBody, Verifier, is_signed};

pub use self::anonymous::{AnonymousAccess, NotOnLoopback};
pub use self::bearer::TokenText;
pub use self::bootstrap::{Bootstrap, BootstrapFile};
pub use self::error::{AccessError, AccessErrorKind};
pub use self::grants::{Grant, Grants, LastAdmin, STACK_GRANTS_MAX};
pub use self::head::RequestHead;
pub use self::members::{MEMBERS_MAX, Member, Members};
pub use self::nonces::{CLEAN_STEP_ROWS, Cleaned, Nonces};
pub use self::paged::{PAGE_ROWS_MAX, Paged};
pub use self::policy::Action;
pub use self::principal::{
    ClientKey, ISSUER_NAME_BYTES_MAX, IssuerName, OIDC_SUBJECT_BYTES_MAX, OidcSubject, ParsePrincipalError, Principal,
};
pub use self::role::{NodeRole, ParseRoleError, Role};
pub use self::scope::{NodeRights, TOKEN_STACKS_MAX, TokenScope, TokenStacks};
pub use self::secret_key::{ParseSecretKeyError, SecretKey};
pub use self::tokens::{
    NewToken, ParseTokenIdError, TOKEN_LIFETIME_MAX, TOKEN_NAME_BYTES_MAX, TOKENS_PER_MAKER_MAX, Token, TokenId, Tokens,
};

const NO_TOKEN: &str = "what is called asks for a token: send one header `Authorization: Bearer …`";

/// Who may do what on one node. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Access {
    anonymous: AnonymousAccess,
    verifier: Verifier,
    nonces: Nonces,
    tokens: Tokens,
    oidc: Oidc,
    grants: Grants,
    members: Members,
    bootstrap: Bootstrap,
}

/// What the node's configuration says of who may do what.
#[derive(Clone, Debug)]
pub struct AccessSettings {
    /// What a request without credentials may do. Check it with [`AnonymousAccess::check`] before the node listens.
    pub anonymous: AnonymousAccess,
    /// Operators besides those in the database.
    pub operators: BTreeSet<Principal>,
    /// Whose bearer tokens are taken.
    pub issuers: Vec<Issuer>,
    /// By which names clients reach the management API: a signature for another name is refused.
    pub authorities: Authorities,
}

/// Whom a request is from.
#[derive(Clone, Debug, PartialEq)]
pub struct Authenticated {
    /// Who, and what their credentials are good for.
    pub subject: Subject,
    /// How that is known.
    pub how: How,
    /// What the body must be, if it is signed: it must be checked before anything is done with it.
    pub body: Option<ExpectedBody>,
    /// What an issuer says of its user; empty otherwise.
    pub claims: Map<String, Value>,
}

/// How it is known whom a request is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// They signed it.
    Signature,
    /// It carries a token that they made.
    Token(TokenId),
    /// It carries a token of an issuer.
    Oidc,
    /// It carries the bootstrap token.
    Bootstrap,
    /// It carries no credentials.
    Anonymous,
}

impl Access {
    /// Who may do what, by this database and configuration. Keys of issuers come from `jwks`.
    #[must_use]
    pub fn new(kv: &Arc<dyn Kv>, env: &Env, settings: AccessSettings, jwks: Arc<dyn JwksSource>) -> Self {
        let members = Members::new(Arc::clone(kv), env.clone(), settings.operators);
        Self {
            anonymous: settings.anonymous,
            verifier: Verifier::new(env.clone(), settings.authorities),
            nonces: Nonces::new(Arc::clone(kv), env.clone()),
            tokens: Tokens::new(Arc::clone(kv), env.clone()),
            oidc: Oidc::new(settings.issuers, jwks, env.clone()),
            grants: Grants::new(Arc::clone(kv), env.clone()),
            bootstrap: Bootstrap::new(Arc::clone(kv), env.clone(), members.clone()),
            members,
        }
    }

    /// Whom a request is from. Nobody in particular is an answer, not an error; wrong credentials are an error.
    ///
    /// A signature is spent by this: calling it twice for one request is a replay.
    ///
    /// # Errors
    /// [`AccessError`]
    pub async fn authenticate(&self, head: &RequestHead<'_>) -> Result<Authenticated, AccessError> {
        match (is_signed(head), head.once(&AUTHORIZATION)) {
            (true, Once::Absent) => self.by_signature(head).await,
            (false, Once::Text(credentials)) => self.by_bearer(credentials).await,
            (false, Once::Absent) => self.anonymous.admit(head),
            (true, _) => {
                let problem = "it is signed and has an `authorization` header: send one of them";
                Err(AccessError::Credentials { problem })
            }
            (false, Once::Unusable) => {
                Err(AccessError::Credentials { problem: "`authorization` may stand there once, in ASCII" })
            }
        }
    }

    /// Who calls a function that asks for a token: the bearer of one. A signature does not count, because it covers the
    /// body, which the function gets while it arrives.
    ///
    /// # Errors
    /// [`AccessError`]
    pub async fn authenticate_bearer(&self, head: &RequestHead<'_>) -> Result<Authenticated, AccessError> {
        match head.once(&AUTHORIZATION) {
            Once::Text(credentials) => self.by_bearer(credentials).await,
            Once::Absent | Once::Unusable => Err(AccessError::Credentials { problem: NO_TOKEN }),
        }
    }

    /// The user of an issuer by whose token a request is sent, where it is for this audience, if one is named.
    ///
    /// # Errors
    /// [`AccessError::Credentials`], [`AccessError::Oidc`]
    pub async fn user_of(&self, head: &RequestHead<'_>, audience: Option<&str>) -> Result<VerifiedUser, AccessError> {
        match head.once(&AUTHORIZATION) {
            Once::Text(credentials) => Ok(self.oidc.verify_for(bearer_text(credentials)?, audience).await?),
            Once::Absent | Once::Unusable => Err(AccessError::Credentials { problem: NO_TOKEN }),
        }
    }

    /// Whether somebody may do something, on a stack if it is done to one. Ask before saying anything about the stack,
    /// also whether it exists.
    ///
    /// # Errors
    /// [`AccessError::Unauthenticated`], [`AccessError::Denied`], [`AccessError::UnknownStack`];
    /// [`AccessError::Unreadable`], [`AccessError::Store`].
    pub async fn authorize(&self, who: &Authenticated, action: Action, on: Option<StackId>) -> Result<(), AccessError> {
        let principal = &who.subject.principal;
        let on = match on {
            Some(stack) => Some(StackAccess { stack, granted: self.grants.role(&stack, principal).await? }),
            None => None,
        };
        match allows(&who.subject, action, on.as_ref()) {
            Decision::Allowed => Ok(()),
            Decision::Denied(denial) => Err(AccessError::denied(denial, principal, action)),
        }
    }

    /// What somebody may do on a stack, if anything.
    ///
    /// # Errors
    /// [`AccessError::Unreadable`], [`AccessError::Store`]
    pub async fn role_on(&self, who: &Authenticated, stack: &StackId) -> Result<Option<Role>, AccessError> {
        let granted = self.grants.role(stack, &who.subject.principal).await?;
        Ok(who.subject.role_on(stack, granted))
    }

    /// Makes somebody the node's first operator, in a request that carries the bootstrap token.
    ///
    /// # Errors
    /// [`AccessError::Bootstrap`] without the valid token; as [`Bootstrap::register_first_operator`].
    pub async fn register_first_operator(&self, head: &RequestHead<'_>, who: &Principal) -> Result<(), AccessError> {
        let text = head.text(&AUTHORIZATION).and_then(|credentials| bearer_text(credentials).ok());
        self.bootstrap.register_first_operator(text.ok_or(AccessError::Bootstrap)?, who).await
    }

    /// Removes some of what is no longer needed. To be called every minute or so, again at once while there is more.
    ///
    /// # Errors
    /// [`AccessError::Store`]
    pub async fn clean_step(&self) -> Result<Cleaned, AccessError> {
        self.nonces.clean_step().await
    }

    /// Roles on stacks.
    #[must_use]
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// Members and operators of the node.
    #[must_use]
    pub fn members(&self) -> &Members {
        &self.members
    }

    /// API tokens.
    #[must_use]
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// The way in when there is no operator.
    #[must_use]
    pub fn bootstrap(&self) -> &Bootstrap {
        &self.bootstrap
    }

    async fn by_signature(&self, head: &RequestHead<'_>) -> Result<Authenticated, AccessError> {
        let signature = self.verifier.verify(head)?;
        let principal = Principal::Key(signature.client);
        let node = self.members.role(&principal).await?;
        // Anybody can make keys and sign with them. Those that nobody knows leave no mark in the database, or anybody
        // could fill it; and they may do nothing, so that there is nothing to replay.
        if node.is_none() && !self.grants.has_any(&principal).await? {
            return Err(AccessError::UnknownClient { client: signature.client });
        }
        self.nonces.spend(&signature).await?;
        let subject = Subject::known(principal, node);
        Ok(Authenticated { subject, how: How::Signature, body: Some(signature.body), claims: Map::new() })
    }

    async fn by_bearer(&self, credentials: &str) -> Result<Authenticated, AccessError> {
        let text = bearer_text(credentials)?;
        match BearerKind::of(text) {
            Some(BearerKind::Token) => {
                let token = self.tokens.verify(text).await?;
                let node = self.members.role(&token.maker).await?;
                let subject = Subject::by_token(token.maker, node, token.scope);
                Ok(Authenticated { subject, how: How::Token(token.id), body: None, claims: Map::new() })
            }
            Some(BearerKind::Bootstrap) => {
                self.bootstrap.verify(text).await?;
                let subject = Subject::bootstrap();
                Ok(Authenticated { subject, how: How::Bootstrap, body: None, claims: Map::new() })
            }
            None => {
                let user = self.oidc.verify(text).await?;
                let principal = user.principal();
                let node = self.members.role(&principal).await?;
                let subject = Subject::known(principal, node);
                Ok(Authenticated { subject, how: How::Oidc, body: None, claims: user.claims })
            }
        }
    }
}

/// The token in the value of an `authorization` header.
fn bearer_text(credentials: &str) -> Result<&str, AccessError> {
    match credentials.split_once(' ') {
        Some((scheme, text)) if scheme.eq_ignore_ascii_case("bearer") => Ok(text.trim()),
        _ => Err(AccessError::Credentials { problem: "`authorization` is `Bearer` and a token" }),
    }
}

#[cfg(test)]
mod tests;
