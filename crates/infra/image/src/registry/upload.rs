//! Sending an image to its registry.

use std::io;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use reqwest::{Body, Response, StatusCode, Url};
use tokio::sync::watch;

use super::{Registry, answer};
use crate::ImageError;
use crate::manifest::Descriptor;

impl Registry {
    /// Whether the registry has this content in this repository.
    pub(crate) async fn has(&self, blob: &Descriptor) -> Result<bool, ImageError> {
        let url = self.url(&["blobs", blob.digest.as_str()])?;
        match self.retrying(|| self.send(|client| client.head(url.clone()))).await {
            Ok(_) => Ok(true),
            Err(ImageError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Sends content, in one piece.
    pub(crate) async fn upload(
        &self,
        blob: &Descriptor,
        content: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Result<(), ImageError> {
        let uploads = self.url(&["blobs", "uploads", ""])?;
        let begun = self.retrying(|| self.send(|client| client.post(uploads.clone()).header(CONTENT_LENGTH, 0)));
        let mut place = self.place(&begun.await?, &uploads)?;
        place.query_pairs_mut().append_pair("digest", blob.digest.as_str());
        let is_here = self.is_same_host(&place);
        let (moved, moves) = watch::channel(());
        let content = content.inspect(move |_| moved.send_replace(()));
        let request = self.client.put(place);
        let request = request
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_LENGTH, blob.size)
            .body(Body::wrap_stream(content));
        // Where the registry sends elsewhere, that place says in its address who may.
        let request = if is_here { self.authorized(request).await } else { request };
        let sent = answer::while_it_moves(&self.image, request.send(), moves).await?;
        self.expect_created(&answer::check(&self.image, sent).await?)
    }

    /// Gives the image its name.
    pub(crate) async fn put_manifest(&self, wanted: &str, media_type: &str, text: &[u8]) -> Result<(), ImageError> {
        let url = self.url(&["manifests", wanted])?;
        let text = Bytes::copy_from_slice(text);
        self.retrying(|| async {
            let put = self.send(|client| client.put(url.clone()).header(CONTENT_TYPE, media_type).body(text.clone()));
            self.expect_created(&put.await?)
        })
        .await
    }

    fn place(&self, response: &Response, asked: &Url) -> Result<Url, ImageError> {
        let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
        let place = location.and_then(|location| asked.join(location).ok());
        self.permitted(place.ok_or_else(|| self.misbehaves("it does not say where to send layers to"))?)
    }

    /// Anything else means that somebody between us and the registry answered.
    fn expect_created(&self, response: &Response) -> Result<(), ImageError> {
        match response.status() {
            StatusCode::CREATED => Ok(()),
            status => Err(self.misbehaves(&format!("it answered an upload with status {}", status.as_u16()))),
        }
    }
}
