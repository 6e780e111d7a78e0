//! The certificates in use, which change while the node runs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::certificates::{Certificates, names};
use super::files::{CertificateError, CertificateFiles, Contents, Stamp, parse};

/// The certificates of a node, chosen by the name that a client asks for.
///
/// They come from files, which are read again when they change, and from whoever [adds](Self::add) them: what obtains
/// certificates by itself puts them here. They are replaced all at once: no handshake sees half of a change.
#[derive(Debug)]
pub struct CertificateStore {
    files: Vec<CertificateFiles>,
    current: ArcSwap<Certificates>,
    parts: Mutex<Parts>,
}

/// What the certificates in use are made of. Holding it serializes changes.
#[derive(Debug, Default)]
struct Parts {
    of_files: Vec<Named>,
    /// By the name they were added under.
    added: BTreeMap<String, Named>,
    /// What the files looked like when they were last read, with or without success.
    stamps: Vec<[Stamp; 2]>,
}

/// A certificate and its names.
#[derive(Clone, Debug)]
struct Named {
    names: Vec<Box<str>>,
    certified: Arc<CertifiedKey>,
}

impl CertificateStore {
    /// Reads certificates and their keys. The first one is for clients that ask for none of the names; where two have a
    /// name, it belongs to the first. Without any, handshakes fail until one is added. Blocking.
    ///
    /// # Errors
    /// When a file cannot be read, or what is in it cannot be used. The error names the file and what to do.
    pub fn load(files: Vec<CertificateFiles>) -> Result<Self, CertificateError> {
        let stamps = files.iter().map(CertificateFiles::stamps).collect();
        let of_files: Result<Vec<_>, _> = files.iter().map(|files| named(files, &files.read()?)).collect();
        let parts = Parts { of_files: of_files?, added: BTreeMap::new(), stamps };
        Ok(Self { files, current: ArcSwap::from_pointee(parts.certificates()), parts: Mutex::new(parts) })
    }

    /// Adds a certificate in PEM, in place of the one that was added under the same name before. It is not read from
    /// files, and stays when those are read again; certificates from files come before it.
    ///
    /// # Errors
    /// When the certificate or the key cannot be used.
    pub fn add(&self, name: &str, chain: &[u8], key: &[u8]) -> Result<(), CertificateError> {
        let contents = Contents { chain: chain.to_vec(), key: key.to_vec() };
        let label = format!("the certificate added for {name}");
        let certified = parse(&contents, &label, &label)?;
        let named = Named::new(certified, &label)?;
        let mut parts = self.lock();
        parts.added.insert(name.to_owned(), named);
        self.current.store(Arc::new(parts.certificates()));
        Ok(())
    }

    /// Takes out a certificate that was added under this name.
    pub fn remove(&self, name: &str) {
        let mut parts = self.lock();
        parts.added.remove(name);
        self.current.store(Arc::new(parts.certificates()));
    }

    /// Reads the files again if one of them has changed since they were last read; whether that was so.
    ///
    /// # Errors
    /// When one of them cannot be used now. The certificates before stay in use, and the files are read again only after
    /// another change.
    pub async fn reload(&self) -> Result<bool, CertificateError> {
        let mut stamps = Vec::with_capacity(self.files.len());
        for files in &self.files {
            stamps.push(files.stamps_later().await);
        }
        {
            let mut parts = self.lock();
            if parts.stamps == stamps {
                return Ok(false);
            }
            parts.stamps = stamps;
        }
        let mut of_files = Vec::with_capacity(self.files.len());
        for files in &self.files {
            of_files.push(named(files, &files.read_later().await?)?);
        }
        let mut parts = self.lock();
        parts.of_files = of_files;
        self.current.store(Arc::new(parts.certificates()));
        Ok(true)
    }

    /// Looks for changed files once per period, without end.
    pub async fn follow(&self, period: Duration) {
        loop {
            tokio::time::sleep(period).await;
            match self.reload().await {
                Ok(true) => tracing::info!("the certificates have changed, and the new ones are in use"),
                Ok(false) => {}
                Err(error) => tracing::error!(%error, "the certificates have changed; those before stay in use"),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Parts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResolvesServerCert for CertificateStore {
    fn resolve(&self, client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current.load().find(client_hello.server_name()).cloned()
    }
}

impl Parts {
    fn certificates(&self) -> Certificates {
        let mut certificates = Certificates::default();
        for Named { names, certified } in self.of_files.iter().chain(self.added.values()) {
            certificates.add(names, certified);
        }
        certificates
    }
}

impl Named {
    fn new(certified: Arc<CertifiedKey>, file: &str) -> Result<Self, CertificateError> {
        let bad = |reason: String| CertificateError::BadCertificate { file: file.to_owned(), reason };
        let names = names(&certified).map_err(|error| bad(error.to_string()))?;
        Ok(Self { names, certified })
    }
}

fn named(files: &CertificateFiles, contents: &Contents) -> Result<Named, CertificateError> {
    Named::new(files.parse(contents)?, &files.chain.display().to_string())
}
