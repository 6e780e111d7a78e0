//! Bearer tokens of issuers that the node's configuration trusts (OpenID Connect).
//!
//! A token is a JWT signed by its issuer. What it must be signed with is pinned per issuer, and never taken from the
//! token alone. Issuer, audience and times are checked here rather than by the library, which asks the operating system
//! for the time.

mod claims;
mod fetch;
mod jwt;
mod keys;

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use mu_env::Env;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::jwt::Jwt;
use self::keys::KeyCache;
use super::{IssuerName, OidcSubject, Principal};

pub use self::claims::{ClaimsMismatch, claims_match};
pub use self::fetch::{DOCUMENT_BYTES_MAX, FetchError, JwksSource, MemJwksSource};

/// Longest bearer token, in characters.
pub const JWT_CHARS_MAX: usize = 24 * 1024;
/// Most bytes of claims, as JSON.
pub const CLAIMS_BYTES_MAX: usize = 16 * 1024;
/// How far the issuer's clock may be from the server's.
pub const LEEWAY: Duration = Duration::from_secs(60);
/// Keys of one issuer are asked for again after this, at the soonest.
pub const REFRESH_PAUSE: Duration = Duration::from_secs(30);

/// An issuer, as the node's configuration names it.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// How principals name it.
    pub name: IssuerName,
    /// The `iss` claim of its tokens, a URL without a slash at the end unless the issuer has one.
    pub url: String,
    /// The `aud` claim that its tokens for this node have.
    pub audience: String,
    /// What it signs with. None of them is none at all.
    pub algorithms: Vec<SigningAlgorithm>,
    /// Where its keys are; discovered at `{url}/.well-known/openid-configuration` when not given.
    pub jwks_url: Option<String>,
}

/// How an issuer signs. Others are not taken, those with shared secrets in particular.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SigningAlgorithm {
    /// RSA with PKCS #1 v1.5 and SHA-256, and keys of 2048 to 4096 bits.
    #[serde(rename = "RS256")]
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

/// Somebody whom an issuer vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedUser {
    /// The issuer.
    pub issuer: IssuerName,
    /// How the issuer names them.
    pub subject: OidcSubject,
    /// All that the issuer says of them.
    pub claims: Map<String, Value>,
}

/// Why a bearer token is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OidcError {
    /// It is not a JWT of the expected form.
    #[error("the bearer token can't be used: {problem}")]
    Malformed {
        /// What is wrong.
        problem: &'static str,
    },
    /// It comes from somebody whom the configuration does not name.
    #[error("no issuer of this node's configuration is {issuer:?}: sign in with one of those, or add it")]
    UnknownIssuer {
        /// Its `iss` claim.
        issuer: String,
    },
    /// It is signed in another way than the configuration says.
    #[error("a token of {issuer} is signed by {algorithm:?}, which the node's configuration does not list for it")]
    Algorithm {
        /// The issuer.
        issuer: IssuerName,
        /// What the token says.
        algorithm: String,
    },
    /// The issuer has no such key.
    #[error("{issuer} has no key that signs this token: sign in anew")]
    UnknownKey {
        /// The issuer.
        issuer: IssuerName,
    },
    /// The issuer's key did not sign it.
    #[error("the bearer token is not signed by {issuer}: sign in anew")]
    Signature {
        /// The issuer.
        issuer: IssuerName,
    },
    /// It is for somebody else.
    #[error("the token of {issuer} is not for this node: its audience must be {audience:?}")]
    Audience {
        /// The issuer.
        issuer: IssuerName,
        /// What the configuration asks for.
        audience: String,
    },
    /// Its time is over.
    #[error("the token of {issuer} has expired: sign in anew")]
    Expired {
        /// The issuer.
        issuer: IssuerName,
    },
    /// Its time has not come.
    #[error("the token of {issuer} is not valid yet: wait, or set the clock")]
    NotYet {
        /// The issuer.
        issuer: IssuerName,
    },
    /// The issuer's keys cannot be had now, and none is remembered.
    #[error("the keys of {issuer} can't be fetched: {reason}; try again in half a minute")]
    Unavailable {
        /// The issuer.
        issuer: IssuerName,
        /// Why.
        reason: String,
    },
}

impl OidcError {
    /// Whether trying again later may help.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

/// Checks bearer tokens. Cloning is cheap; clones share the issuers' keys.
#[derive(Clone, Debug)]
pub struct Oidc {
    issuers: Arc<[Known]>,
    source: Arc<dyn JwksSource>,
    env: Env,
}

#[derive(Debug)]
struct Known {
    issuer: Issuer,
    keys: KeyCache,
}

impl Oidc {
    /// A check against these issuers, whose keys come from `source`.
    #[must_use]
    pub fn new(issuers: Vec<Issuer>, source: Arc<dyn JwksSource>, env: Env) -> Self {
        let known = |issuer| Known { issuer, keys: KeyCache::default() };
        Self { issuers: issuers.into_iter().map(known).collect(), source, env }
    }

    /// Whom this bearer token is about.
    ///
    /// # Errors
    /// [`OidcError`]
    pub async fn verify(&self, token: &str) -> Result<VerifiedUser, OidcError> {
        self.verify_for(token, None).await
    }

    /// The same for a token that is for this audience, where one is named, and not for the node's own.
    ///
    /// # Errors
    /// [`OidcError`]
    pub async fn verify_for(&self, token: &str, audience: Option<&str>) -> Result<VerifiedUser, OidcError> {
        let jwt = Jwt::read(token)?;
        let said = jwt.text_claim("iss")?;
        let known = self.issuers.iter().find(|known| known.issuer.url == said);
        let Known { issuer, keys } = known.ok_or_else(|| OidcError::UnknownIssuer { issuer: shortened(said) })?;

        let algorithm = issuer.algorithms.iter().copied().find(|algorithm| algorithm.as_str() == jwt.algorithm);
        let algorithm = algorithm.ok_or_else(|| OidcError::Algorithm {
            issuer: issuer.name.clone(),
            algorithm: shortened(&jwt.algorithm),
        })?;
        let key = keys.find(issuer, &*self.source, &self.env, algorithm, jwt.key_id.as_deref()).await?;
        let signed = jsonwebtoken::crypto::verify(jwt.signature, jwt.message.as_bytes(), &key, algorithm.to_library());
        if !signed.unwrap_or(false) {
            return Err(OidcError::Signature { issuer: issuer.name.clone() });
        }
        claims::check(issuer, audience.unwrap_or(&issuer.audience), &jwt.claims, self.env.now())?;
        let subject = jwt.text_claim("sub")?.parse();
        let subject = subject.map_err(|_| OidcError::Malformed { problem: "its `sub` claim is not 1 to 255 bytes" })?;
        Ok(VerifiedUser { issuer: issuer.name.clone(), subject, claims: jwt.claims })
    }
}

impl VerifiedUser {
    /// Who they are.
    #[must_use]
    pub fn principal(&self) -> Principal {
        Principal::Oidc { issuer: self.issuer.clone(), subject: self.subject.clone() }
    }
}

impl SigningAlgorithm {
    /// Its name in a JWT.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    fn to_library(self) -> Algorithm {
        match self {
            Self::Rs256 => Algorithm::RS256,
            Self::Es256 => Algorithm::ES256,
            Self::EdDsa => Algorithm::EdDSA,
        }
    }
}

/// What somebody sent, as far as a message repeats it.
fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests;
