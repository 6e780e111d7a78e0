//! Certificates and keys in files.

use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use tokio::io::AsyncReadExt as _;

/// Largest file of certificates or of a key, in bytes. A long chain has some ten kilobytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// A certificate and its key, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, followed by those that lead to a root.
    pub chain: PathBuf,
    /// The private key of the first one: PKCS #8, PKCS #1 or SEC1.
    pub key: PathBuf,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("reading {file}: {source}; check its path, and that the node may read it")]
    Read {
        /// The file.
        file: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file is too large for what it should be.
    #[error("{file} has more than {FILE_BYTES_MAX} bytes: it is no certificate or key in PEM")]
    TooLarge {
        /// The file.
        file: String,
    },
    /// A file is not PEM.
    #[error("{file} is not PEM: {reason}; it should have lines like `-----BEGIN CERTIFICATE-----`")]
    NotPem {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no certificate in a file.
    #[error("{file} has no certificate; put the chain there, the host's own certificate first")]
    NoCertificate {
        /// The file.
        file: String,
    },
    /// There is no private key in a file.
    #[error("{file} has no private key, or an encrypted one; put the key there that belongs to the certificate")]
    NoKey {
        /// The file.
        file: String,
    },
    /// A certificate cannot be understood.
    #[error("the certificate in {file} cannot be used: {reason}; put the host's X.509 certificate first")]
    BadCertificate {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A key is of an unknown kind, or does not belong to the certificate.
    #[error(
        "the key in {key} cannot be used with the certificate in {chain}: {reason}; give the key that it was issued for"
    )]
    BadKey {
        /// The file of the certificate.
        chain: String,
        /// The file of the key.
        key: String,
        /// What is wrong.
        reason: String,
    },
}

/// What both files contain.
pub(super) struct Contents {
    pub(super) chain: Vec<u8>,
    pub(super) key: Vec<u8>,
}

/// What tells that a file was changed: modification time, size, and which file it is.
pub(super) type Stamp = Option<(i64, i64, u64, u64)>;

impl CertificateFiles {
    pub(super) fn read(&self) -> Result<Contents, CertificateError> {
        Ok(Contents { chain: read(&self.chain)?, key: read(&self.key)? })
    }

    pub(super) async fn read_later(&self) -> Result<Contents, CertificateError> {
        Ok(Contents { chain: read_later(&self.chain).await?, key: read_later(&self.key).await? })
    }

    pub(super) fn stamps(&self) -> [Stamp; 2] {
        [&self.chain, &self.key].map(|path| std::fs::metadata(path).ok().as_ref().map(stamp))
    }

    pub(super) async fn stamps_later(&self) -> [Stamp; 2] {
        let (chain, key) = tokio::join!(tokio::fs::metadata(&self.chain), tokio::fs::metadata(&self.key));
        [chain, key].map(|metadata| metadata.ok().as_ref().map(stamp))
    }

    /// The certificate and the key in the files' contents.
    pub(super) fn parse(&self, contents: &Contents) -> Result<Arc<CertifiedKey>, CertificateError> {
        parse(contents, &self.chain.display().to_string(), &self.key.display().to_string())
    }
}

/// The certificate and the key in some PEM, which messages call `chain` and `key`.
pub(super) fn parse(contents: &Contents, chain: &str, key: &str) -> Result<Arc<CertifiedKey>, CertificateError> {
    let not_pem = |file: &str, error: rustls::pki_types::pem::Error| CertificateError::NotPem {
        file: file.to_owned(),
        reason: error.to_string(),
    };
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&contents.chain).collect();
    let certificates = certificates.map_err(|error| not_pem(chain, error))?;
    if certificates.is_empty() {
        return Err(CertificateError::NoCertificate { file: chain.to_owned() });
    }
    let private_key = PrivateKeyDer::from_pem_slice(&contents.key).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound => CertificateError::NoKey { file: key.to_owned() },
        error => not_pem(key, error),
    })?;
    let certified = CertifiedKey::from_der(certificates, private_key, &ring::default_provider());
    let certified = certified.map_err(|error| CertificateError::BadKey {
        chain: chain.to_owned(),
        key: key.to_owned(),
        reason: error.to_string(),
    })?;
    Ok(Arc::new(certified))
}

fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    checked(path, file.map(|_| bytes))
}

async fn read_later(path: &Path) -> Result<Vec<u8>, CertificateError> {
    let mut bytes = Vec::new();
    let read = match tokio::fs::File::open(path).await {
        Ok(file) => file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).await,
        Err(error) => Err(error),
    };
    checked(path, read.map(|_| bytes))
}

fn checked(path: &Path, read: io::Result<Vec<u8>>) -> Result<Vec<u8>, CertificateError> {
    let file = path.display().to_string();
    match read {
        Ok(bytes) if bytes.len() as u64 > FILE_BYTES_MAX => Err(CertificateError::TooLarge { file }),
        Ok(bytes) => Ok(bytes),
        Err(source) => Err(CertificateError::Read { file, source }),
    }
}

fn stamp(metadata: &std::fs::Metadata) -> (i64, i64, u64, u64) {
    (metadata.mtime(), metadata.mtime_nsec(), metadata.size(), metadata.ino())
}
