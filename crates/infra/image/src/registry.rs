//! Talking to a registry about one image.
//!
//! The distribution protocol is a handful of requests. They are made here and not by a library because the ones there are
//! read what a registry sends to its end whatever its size, and do not tell which status it answered with; here everything
//! is bounded and checked while it arrives, and a registry's status reaches the caller.

mod answer;
mod auth;
mod client;
mod download;
mod reach;
mod upload;

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use tokio::sync::Mutex;

pub(crate) use client::Clients;
pub(crate) use reach::{Permits, Reach};

use crate::manifest::{ACCEPTED, Descriptor};
use crate::reference::DOCKER_HUB;
use crate::registries::Credentials;
use crate::{Digest, ImageError, ImageRef, Registries};

/// Docker Hub's registry is not where its name leads.
const DOCKER_HUB_REGISTRY: &str = "registry-1.docker.io";
/// What failed in passing is tried again after these pauses.
const PAUSES: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(1)];

/// A conversation with the registry of one image, with the token that it gave.
pub(crate) struct Registry {
    image: ImageRef,
    client: Client,
    /// `https://host/v2/repository/`
    base: Url,
    credentials: Option<Arc<Credentials>>,
    reach: Option<Reach>,
    /// The header that the registry was content with.
    authorization: Mutex<Option<HeaderValue>>,
}

impl Registry {
    pub(crate) async fn of(image: &ImageRef, registries: &Registries) -> Result<Self, ImageError> {
        let is_plain = registries.is_plain(image.registry());
        let scheme = if is_plain { "http" } else { "https" };
        let host = if image.registry() == DOCKER_HUB { DOCKER_HUB_REGISTRY } else { image.registry() };
        let base = Url::parse(&format!("{scheme}://{host}/v2/{}/", image.repository()));
        let base =
            base.map_err(|error| ImageError::Reference { text: image.to_string(), reason: error.to_string() })?;
        let (is_listed, reach) = (registries.is_listed(image.registry()), registries.reach(image.registry()));
        check_reach(image, reach.as_ref(), &base)?;
        let client = registries.clients().client(is_plain, is_listed, reach.as_ref()).await?;
        let credentials = registries.credentials(image.registry(), image.repository());
        Ok(Self { image: image.clone(), client, base, credentials, reach, authorization: Mutex::default() })
    }

    /// A manifest or an index, by a tag or a digest.
    pub(crate) async fn manifest(&self, wanted: &str, bytes_max: u64) -> Result<Vec<u8>, ImageError> {
        let url = self.url(&["manifests", wanted])?;
        let accepted = ACCEPTED.join(", ");
        let text = self.retrying(|| async {
            let response = self.send(|client| client.get(url.clone()).header(ACCEPT, &accepted)).await?;
            download::in_memory(self, "its manifest", response, bytes_max).await
        });
        let text = text.await?;
        match wanted.parse::<Digest>() {
            Ok(digest) if Digest::of(&text) != digest => {
                let reason = format!("{} sent a manifest that is not {digest}", self.image.registry());
                Err(ImageError::Corrupt { image: self.image.to_string(), reason })
            }
            _ => Ok(text),
        }
    }

    /// Other content that is small: a configuration.
    pub(crate) async fn small_blob(&self, blob: &Descriptor, bytes_max: u64) -> Result<Vec<u8>, ImageError> {
        let content = self.retrying(|| async {
            download::in_memory(self, "its configuration", self.blob(blob).await?, bytes_max).await
        });
        let content = content.await?;
        if Digest::of(&content) == blob.digest { Ok(content) } else { Err(self.wrong_content(&blob.digest)) }
    }

    /// Writes a layer to an empty file, checked. The place in the file is at its end afterwards.
    pub(crate) async fn download(&self, blob: &Descriptor, file: &std::fs::File) -> Result<(), ImageError> {
        self.retrying(|| async {
            let response = self.blob(blob).await?;
            download::to_file(self, blob, response, file).await
        })
        .await
    }

    async fn blob(&self, blob: &Descriptor) -> Result<Response, ImageError> {
        let url = self.url(&["blobs", blob.digest.as_str()])?;
        self.send(|client| client.get(url.clone())).await.map_err(|error| match error {
            ImageError::NotFound { image, registry } => {
                let reason = format!("{registry} has its manifest, and not what that names ({})", blob.digest);
                ImageError::Corrupt { image, reason }
            }
            other => other,
        })
    }

    /// Sends a request, and if the registry wants to know who asks, again with an answer to that. Answers responses of
    /// success only.
    async fn send(&self, request: impl Fn(&Client) -> RequestBuilder) -> Result<Response, ImageError> {
        let asked = self.authorized(request(&self.client)).await;
        let response = answer::in_time(&self.image, asked.send()).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return answer::check(&self.image, response).await;
        }
        let authorization = self.authorization_for(&response).await?;
        *self.authorization.lock().await = Some(authorization);
        let again = self.authorized(request(&self.client)).await;
        answer::check(&self.image, answer::in_time(&self.image, again.send()).await?).await
    }

    async fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match self.authorization.lock().await.clone() {
            Some(authorization) => request.header(AUTHORIZATION, authorization),
            None => request,
        }
    }

    /// Runs what may fail in passing up to three times.
    async fn retrying<T, A>(&self, attempt: impl Fn() -> A) -> Result<T, ImageError>
    where
        A: Future<Output = Result<T, ImageError>>,
    {
        for pause in PAUSES {
            let attempted = attempt().await;
            match attempted.as_ref().err().and_then(|error| answer::pause_after(error, pause)) {
                Some(pause) => {
                    tracing::debug!(image = %self.image, ?pause, "will be tried again");
                    tokio::time::sleep(pause).await;
                }
                None => return attempted,
            }
        }
        attempt().await
    }

    fn url(&self, parts: &[&str]) -> Result<Url, ImageError> {
        self.base.join(&parts.join("/")).map_err(|error| self.misbehaves(&error.to_string()))
    }

    fn wrong_content(&self, digest: &Digest) -> ImageError {
        let reason = format!("what {} sent for {digest} is something else", self.image.registry());
        ImageError::Corrupt { image: self.image.to_string(), reason }
    }

    fn misbehaves(&self, reason: &str) -> ImageError {
        answer::unavailable(&self.image, reason)
    }

    fn is_same_host(&self, url: &Url) -> bool {
        url.host_str() == self.base.host_str() && url.port_or_known_default() == self.base.port_or_known_default()
    }

    /// A place that the registry names: with TLS, unless the registry itself goes without.
    fn permitted(&self, url: Url) -> Result<Url, ImageError> {
        if url.scheme() == "https" || url.scheme() == "http" && self.base.scheme() == "http" {
            check_reach(&self.image, self.reach.as_ref(), &url)?;
            return Ok(url);
        }
        Err(self.misbehaves("it leads to a place without TLS"))
    }
}

fn check_reach(image: &ImageRef, reach: Option<&Reach>, url: &Url) -> Result<(), ImageError> {
    reach.map_or(Ok(()), |reach| reach.check(url)).map_err(|error| answer::out_of_reach(image, &error))
}
