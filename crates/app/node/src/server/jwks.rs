//! Keys of the issuers of bearer tokens, read from where they publish them.

use async_trait::async_trait;
use bytes::Bytes;
use mu_control::access::oidc::{DOCUMENT_BYTES_MAX, FetchError, JwksSource};
use mu_runtime::HttpClient;

/// Reads documents with the node's own client.
#[derive(Debug)]
pub(super) struct FetchedKeys(pub(super) HttpClient);

#[async_trait]
impl JwksSource for FetchedKeys {
    async fn fetch(&self, url: &str) -> Result<Bytes, FetchError> {
        let fetched = self.0.fetch(url, DOCUMENT_BYTES_MAX).await;
        fetched.map_err(|error| FetchError { url: url.to_owned(), reason: error.to_string() })
    }
}
