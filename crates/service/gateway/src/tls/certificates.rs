//! Certificates by the names that they are for.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::sign::CertifiedKey;
use webpki::EndEntityCert;

/// Some certificates, found by the name that a client asks for (SNI).
#[derive(Debug, Default)]
pub(super) struct Certificates {
    /// By whole names, in lower case.
    exact: HashMap<Box<str>, Arc<CertifiedKey>>,
    /// By what follows `*.` in their names.
    wildcard: HashMap<Box<str>, Arc<CertifiedKey>>,
    /// For clients that ask for no name, or for one that nobody has.
    default: Option<Arc<CertifiedKey>>,
}

/// A certificate that is no X.509.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unreadable(String);

/// The names that a certificate is for, in lower case.
pub(super) fn names(certified: &CertifiedKey) -> Result<Vec<Box<str>>, Unreadable> {
    let end_entity = certified.end_entity_cert().map_err(|error| Unreadable(error.to_string()))?;
    let parsed = EndEntityCert::try_from(end_entity).map_err(|error| Unreadable(error.to_string()))?;
    Ok(parsed.valid_dns_names().map(|name| name.to_ascii_lowercase().into()).collect())
}

impl Certificates {
    /// Adds a certificate. Names that one before it has stay with that one; the very first is the default.
    pub(super) fn add(&mut self, names: &[Box<str>], certified: &Arc<CertifiedKey>) {
        self.default.get_or_insert_with(|| Arc::clone(certified));
        for name in names {
            let (map, name) = match name.strip_prefix("*.") {
                Some(parent) => (&mut self.wildcard, parent),
                None => (&mut self.exact, &**name),
            };
            map.entry(name.into()).or_insert_with(|| Arc::clone(certified));
        }
    }

    /// The certificate for a name: one for exactly this name, else one for all names beside it, else the default.
    pub(super) fn find(&self, name: Option<&str>) -> Option<&Arc<CertifiedKey>> {
        let named = name.and_then(|name| {
            let name = name.to_ascii_lowercase();
            let name = name.strip_suffix('.').unwrap_or(&name);
            // A wildcard stands for one label.
            let beside = || name.split_once('.').and_then(|(_, parent)| self.wildcard.get(parent));
            self.exact.get(name).or_else(beside)
        });
        named.or(self.default.as_ref())
    }
}
