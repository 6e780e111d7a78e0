//! Who somebody is: the owner of a key, a user of a configured issuer, or nobody in particular.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Longest name of an issuer, in bytes.
pub const ISSUER_NAME_BYTES_MAX: usize = 64;
/// Longest subject of an issuer, in bytes; the limit of OpenID Connect Core 1.0, section 2.
pub const OIDC_SUBJECT_BYTES_MAX: usize = 255;
/// Base58 of 32 bytes is 32 to 44 characters; anything longer is refused before decoding, which is quadratic.
const KEY_TEXT_BYTES_MAX: usize = "k_".len() + 44;

/// A client: the public half of an ed25519 key, written `k_<base58>`.
///
/// Any 32 bytes are taken; those that are no key simply never verify a signature.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientKey([u8; 32]);

/// Who asks, or to whom something is granted.
///
/// As text: `k_...`, `oidc:ISSUER:SUBJECT` or `anonymous`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Principal {
    /// Whoever has the secret half of a key.
    Key(ClientKey),
    /// A user whom an issuer in the node's configuration vouches for.
    Oidc {
        /// The issuer, by its name in the configuration.
        issuer: IssuerName,
        /// The `sub` claim, which the issuer never gives to another user.
        subject: OidcSubject,
    },
    /// Nobody in particular.
    Anonymous,
}

/// The name of an issuer in the node's configuration: 1 to 64 bytes of `A-Z a-z 0-9 _ - .`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IssuerName(Arc<str>);

/// How an issuer names a user: 1 to 255 bytes without control characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OidcSubject(Arc<str>);

/// Why a text names nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParsePrincipalError {
    /// It is none of the three forms.
    #[error("a principal is `k_...` (a key), `oidc:ISSUER:SUBJECT` or `anonymous`")]
    Form,
    /// What follows `k_` is not base58 of 32 bytes.
    #[error("a client key is `k_` and the base58 form of 32 bytes")]
    Key,
    /// The issuer's name is not one.
    #[error("the name of an issuer is 1 to {ISSUER_NAME_BYTES_MAX} bytes of A-Z a-z 0-9 _ - .")]
    Issuer,
    /// The subject is not one.
    #[error("a subject is 1 to {OIDC_SUBJECT_BYTES_MAX} bytes without control characters")]
    Subject,
}

// === impl ClientKey ===

impl ClientKey {
    /// The client with these 32 bytes.
    #[must_use]
    pub const fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for ClientKey {
    type Err = ParsePrincipalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let encoded = text.strip_prefix("k_").ok_or(ParsePrincipalError::Key)?;
        if text.len() > KEY_TEXT_BYTES_MAX {
            return Err(ParsePrincipalError::Key);
        }
        let mut key = [0; 32];
        match bs58::decode(encoded).onto(&mut key) {
            Ok(32) => Ok(Self(key)),
            _ => Err(ParsePrincipalError::Key),
        }
    }
}

impl fmt::Display for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("k_{}", bs58::encode(self.0).into_string()))
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for ClientKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ClientKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

// === impl Principal ===

impl Principal {
    /// Whether this is nobody in particular.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        matches!(self, Self::Anonymous)
    }
}

impl From<ClientKey> for Principal {
    fn from(key: ClientKey) -> Self {
        Self::Key(key)
    }
}

impl FromStr for Principal {
    type Err = ParsePrincipalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "anonymous" {
            return Ok(Self::Anonymous);
        }
        if let Some(user) = text.strip_prefix("oidc:") {
            let (issuer, subject) = user.split_once(':').ok_or(ParsePrincipalError::Form)?;
            return Ok(Self::Oidc { issuer: issuer.parse()?, subject: subject.parse()? });
        }
        if text.starts_with("k_") { text.parse().map(Self::Key) } else { Err(ParsePrincipalError::Form) }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => fmt::Display::fmt(key, f),
            Self::Oidc { issuer, subject } => f.pad(&format!("oidc:{issuer}:{subject}")),
            Self::Anonymous => f.pad("anonymous"),
        }
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Principal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Principal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

// === impl IssuerName, OidcSubject ===

impl IssuerName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IssuerName {
    type Err = ParsePrincipalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        let fits = (1..=ISSUER_NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed);
        if fits { Ok(Self(text.into())) } else { Err(ParsePrincipalError::Issuer) }
    }
}

impl fmt::Display for IssuerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for IssuerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl OidcSubject {
    /// The subject as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OidcSubject {
    type Err = ParsePrincipalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (1..=OIDC_SUBJECT_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
        if fits { Ok(Self(text.into())) } else { Err(ParsePrincipalError::Subject) }
    }
}

impl fmt::Display for OidcSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for OidcSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_principal() {
        use ParsePrincipalError::{Form, Issuer, Key, Subject};
        let long_key = format!("k_{}", "1".repeat(100_000));
        let long_issuer = format!("oidc:{}:a", "i".repeat(65));
        let long_subject = format!("oidc:i:{}", "s".repeat(256));
        for (text, expected) in [
            ("", Form),
            ("Anonymous", Form),
            ("s_DfGaQSo67uZKUcC8zecSsLxdikFL9jefp8NJxj41CeEu", Form),
            ("k_", Key),
            ("k_0OIl", Key),
            ("k_abc", Key),
            (&long_key, Key),
            ("oidc:", Form),
            ("oidc:google", Form),
            ("oidc::me", Issuer),
            ("oidc:a b:me", Issuer),
            (&long_issuer, Issuer),
            ("oidc:google:", Subject),
            ("oidc:google:a\nb", Subject),
            (&long_subject, Subject),
        ] {
            assert_eq!(text.parse::<Principal>(), Err(expected), "{text:.60}");
        }
    }

    #[test]
    fn a_subject_may_have_colons() {
        let principal: Principal = "oidc:git-host:repo:org/app:ref:main".parse().unwrap();
        let Principal::Oidc { issuer, subject } = &principal else { panic!("{principal}") };
        assert_eq!((issuer.as_str(), subject.as_str()), ("git-host", "repo:org/app:ref:main"));
    }

    #[test]
    fn principals_are_text_in_json() {
        let principals = [Principal::Key(ClientKey::new([0; 32])), Principal::Anonymous];
        let json = serde_json::to_string(&principals).unwrap();
        assert_eq!(json, format!("[\"k_{}\",\"anonymous\"]", "1".repeat(32)));
        assert_eq!(serde_json::from_str::<[Principal; 2]>(&json).unwrap(), principals);
        assert!(serde_json::from_str::<Principal>("\"root\"").is_err());
    }

    proptest! {
        #[test]
        fn principals_survive_text(key in any::<[u8; 32]>(), issuer in "[a-zA-Z0-9_.-]{1,64}", subject in "\\PC{1,63}") {
            let user = Principal::Oidc { issuer: issuer.parse().unwrap(), subject: subject.parse().unwrap() };
            for principal in [Principal::Key(ClientKey::new(key)), user] {
                prop_assert_eq!(principal.to_string().parse::<Principal>(), Ok(principal));
            }
        }
    }
}
