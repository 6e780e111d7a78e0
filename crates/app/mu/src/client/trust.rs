//! Whose word a client takes for who a node is.

use std::fs;
use std::path::Path;

use ureq::tls::{PemItem, RootCerts, parse_pem};

use crate::failure::{Cause, Failure};

/// The certificate authorities that a client trusts.
#[derive(Clone, Debug)]
pub(crate) struct Trust(RootCerts);

impl Trust {
    /// Those of the system.
    pub(crate) fn system() -> Self {
        Self(RootCerts::PlatformVerifier)
    }

    /// Those in a PEM file and no others, if there is one; else those of the system.
    pub(crate) fn read(file: Option<&Path>) -> Result<Self, Failure> {
        let Some(file) = file else { return Ok(Self::system()) };
        let hint =
            "`--ca-file` takes the certificate of the authority in PEM, which begins `-----BEGIN CERTIFICATE-----`";
        let failed =
            |error: &dyn std::error::Error| Failure::from_error(Cause::Failed, file.display(), error).hint(hint);
        let pem = fs::read(file).map_err(|e| failed(&e))?;
        let mut certificates = Vec::new();
        for item in parse_pem(&pem) {
            if let PemItem::Certificate(certificate) = item.map_err(|e| failed(&e))? {
                certificates.push(certificate);
            }
        }
        if certificates.is_empty() {
            return Err(Failure::new(Cause::Failed, format!("{} has no certificate", file.display())).hint(hint));
        }
        Ok(Self(certificates.into()))
    }

    pub(super) fn roots(&self) -> RootCerts {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let missing = Trust::read(Some(&file)).unwrap_err();
        assert!(missing.message().contains("ca.pem"), "{}", missing.render());
        for text in ["", "no PEM", "-----BEGIN X-----\n-----END X-----\n"] {
            fs::write(&file, text).unwrap();
            let refused = Trust::read(Some(&file)).unwrap_err();
            assert!(refused.message().contains("has no certificate"), "{text}: {}", refused.render());
        }
        fs::write(&file, "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n").unwrap();
        assert!(matches!(Trust::read(Some(&file)).unwrap().roots(), RootCerts::Specific(all) if all.len() == 1));
        assert!(matches!(Trust::read(None).unwrap().roots(), RootCerts::PlatformVerifier));
    }
}
