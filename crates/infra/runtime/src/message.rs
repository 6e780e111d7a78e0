//! Requests and responses as they travel inside a node: HTTP's types, with bodies that stream.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use tokio::sync::oneshot;

use crate::Failure;

/// A body of a request or response; data arrives in chunks.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// Why a body could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The body is larger than this many bytes.
    #[error("the body is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The most bytes that would have been accepted.
        limit_bytes: u64,
    },
    /// The sender paused for longer than it may.
    #[error("the sender of the body was silent for too long")]
    Stalled,
    /// The connection failed.
    #[error("reading the body: {0}")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What a request is to the function. Containers tell the two apart; to WebAssembly everything is HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// An HTTP request, which the function answers with status, headers and body.
    #[default]
    Http,
    /// A body with some headers, which the function answers with the same: a call of Project Fn's `/invoke`.
    Plain,
}

/// A request to a handler.
#[derive(Debug)]
pub struct Request {
    /// What it is to the function.
    pub form: Form,
    /// One of the seven methods a route can name.
    pub method: Method,
    /// The path below the gateway, as the client wrote it (percent-encoded), with its leading slash.
    pub path: String,
    /// Values of the route's `{parameters}`, percent-decoded.
    pub path_params: Vec<(String, String)>,
    /// The query's pairs in their order, percent-decoded, repeated keys kept.
    pub query: Vec<(String, String)>,
    /// The query as the client wrote it, without the `?`; `None` when there is none.
    pub raw_query: Option<String>,
    /// Headers, repeated ones kept.
    pub headers: HeaderMap,
    /// The body.
    pub body: Body,
    /// Told when the function begins to run; dropped without a word when it does not.
    pub begun: Option<oneshot::Sender<()>>,
}

/// A handler's answer.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: StatusCode,
    /// Headers, repeated ones kept.
    pub headers: HeaderMap,
    /// The body.
    pub body: Body,
}

/// A body without data.
#[must_use]
pub fn empty_body() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A body that is in memory already.
#[must_use]
pub fn full_body(data: impl Into<Bytes>) -> Body {
    Full::new(data.into()).map_err(|never| match never {}).boxed_unsync()
}

/// Reads a body to its end, into one buffer of at most `limit_bytes`.
///
/// # Errors
/// [`BodyError::TooLarge`] as soon as the body is known to exceed the limit, without reading the rest of it.
pub async fn collect_body(body: Body, limit_bytes: u64) -> Result<Bytes, BodyError> {
    collect(body, limit_bytes).await.map_err(|error| match error {
        Uncollected::TooLarge => BodyError::TooLarge { limit_bytes },
        Uncollected::Broken(error) => error,
    })
}

/// Why a body was not collected.
pub(crate) enum Uncollected<E> {
    TooLarge,
    Broken(E),
}

/// The same for every kind of body.
pub(crate) async fn collect<B>(mut body: B, limit_bytes: u64) -> Result<Bytes, Uncollected<B::Error>>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    if body.size_hint().lower() > limit_bytes {
        return Err(Uncollected::TooLarge);
    }
    let mut pieces = Pieces::default();
    let mut total_bytes = 0_u64;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(Uncollected::Broken)?.into_data() else { continue };
        total_bytes = total_bytes.saturating_add(data.len() as u64);
        if total_bytes > limit_bytes {
            return Err(Uncollected::TooLarge);
        }
        pieces.push(data);
    }
    Ok(pieces.join())
}

/// The pieces of a body. Most bodies arrive in one, which is then passed on as it is.
#[derive(Default)]
pub(crate) struct Pieces {
    first: Bytes,
    rest: BytesMut,
}

impl Pieces {
    pub(crate) fn push(&mut self, data: Bytes) {
        if self.first.is_empty() {
            self.first = data;
        } else {
            self.rest.extend_from_slice(&data);
        }
    }

    pub(crate) fn join(self) -> Bytes {
        if self.rest.is_empty() {
            return self.first;
        }
        let mut whole = BytesMut::with_capacity(self.first.len() + self.rest.len());
        whole.extend_from_slice(&self.first);
        whole.extend_from_slice(&self.rest);
        whole.freeze()
    }
}

/// Names and values of a response's headers together; clients and proxies rarely accept more.
pub(crate) const RESPONSE_HEADER_BYTES_MAX: usize = 64 << 10;
pub(crate) const RESPONSE_HEADERS_MAX: usize = 1_000;

/// Whether the head of a response can be sent on. More headers than a `HeaderMap` can hold would panic in it.
pub(crate) fn check_head(headers: usize, header_bytes: usize) -> Result<(), Failure> {
    if headers > RESPONSE_HEADERS_MAX {
        return Err(Failure::InvalidResponse(format!("{headers} headers, and {RESPONSE_HEADERS_MAX} are possible")));
    }
    if header_bytes > RESPONSE_HEADER_BYTES_MAX {
        return Err(Failure::OutputTooLarge { what: "response head", limit_bytes: RESPONSE_HEADER_BYTES_MAX as u64 });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http_body_util::StreamBody;

    use super::*;

    fn chunked(chunks: &'static [&'static str]) -> Body {
        let frames = chunks.iter().map(|c| Ok(http_body::Frame::data(Bytes::from_static(c.as_bytes()))));
        StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync()
    }

    #[tokio::test]
    async fn collects_chunks_within_the_limit() {
        assert_eq!(collect_body(chunked(&["ab", "", "cd", "e"]), 5).await.unwrap(), "abcde");
        assert_eq!(collect_body(empty_body(), 0).await.unwrap(), "");
        for (body, limit_bytes) in [(chunked(&["ab", "cd"]), 3), (full_body("abcd"), 3)] {
            let error = collect_body(body, limit_bytes).await.unwrap_err();
            assert!(matches!(error, BodyError::TooLarge { limit_bytes: 3 }));
        }
    }
}
