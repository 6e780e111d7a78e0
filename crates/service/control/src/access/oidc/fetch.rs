//! Where documents of issuers come from: a port, and its twin in memory.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

/// Most bytes of a document of an issuer.
pub const DOCUMENT_BYTES_MAX: usize = 256 * 1024;

/// Fetches JSON documents from URLs that the node's configuration names, or that an issuer named there points to.
#[async_trait]
pub trait JwksSource: Send + Sync + fmt::Debug {
    /// The document, if the server answers with 200. An adapter stops reading after [`DOCUMENT_BYTES_MAX`], and follows
    /// no redirects. The caller gives up after five seconds.
    async fn fetch(&self, url: &str) -> Result<Bytes, FetchError>;
}

/// A document could not be fetched, for this reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{url}: {reason}")]
pub struct FetchError {
    /// Which one.
    pub url: String,
    /// Why.
    pub reason: String,
}

/// Documents in memory, for tests and simulations.
#[derive(Debug, Default)]
pub struct MemJwksSource {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    documents: HashMap<String, Bytes>,
    fetches: usize,
}

impl MemJwksSource {
    /// Publishes a document, in place of the one that is there.
    pub fn publish(&self, url: &str, document: impl Into<Bytes>) {
        self.with(|state| state.documents.insert(url.to_owned(), document.into()));
    }

    /// Takes a document away.
    pub fn withdraw(&self, url: &str) {
        self.with(|state| state.documents.remove(url));
    }

    /// How often a document was asked for.
    #[must_use]
    pub fn fetches(&self) -> usize {
        self.with(|state| state.fetches)
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl JwksSource for MemJwksSource {
    async fn fetch(&self, url: &str) -> Result<Bytes, FetchError> {
        let found = self.with(|state| {
            state.fetches += 1;
            state.documents.get(url).cloned()
        });
        found.ok_or_else(|| FetchError { url: url.to_owned(), reason: "there is nothing here".to_owned() })
    }
}
