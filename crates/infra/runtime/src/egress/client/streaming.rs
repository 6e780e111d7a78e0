//! Requests of components: bodies stream both ways, and redirections are answers like any other.

use std::error::Error as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, timeout};
use url::Url;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

use super::{FRAMING_HEADERS, HEADERS_MAX, HttpClient, Redirections, build, refusal_of_literal, with_causes};

/// The time until the head of an answer, and between two parts of its body, when the component says nothing.
const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(60);
const BETWEEN_BYTES_TIMEOUT: Duration = Duration::from_secs(60);

impl HttpClient {
    /// Sends one request of a component. The answer is there when its head is.
    pub(crate) async fn stream(
        &self,
        request: http::Request<WasiBody>,
        options: RequestOptions,
    ) -> Result<http::Response<WasiBody>, Error> {
        let settings = self.0.settings;
        let (parts, body) = request.into_parts();
        let url = Url::parse(&parts.uri.to_string()).map_err(|_| Error::HttpRequestUriInvalid)?;
        if refusal_of_literal(&url, settings.policy).is_some() {
            return Err(Error::DestinationIpProhibited);
        }
        let (headers, length) = headers(parts.headers)?;
        let place =
            Arc::clone(&self.0.room).acquire_owned().await.map_err(|e| Error::InternalError(Some(e.to_string())))?;
        let client = self.0.plain_client.get_or_try_init(|| build(settings, Redirections::Answered)).await;
        let client = client.map_err(|e| Error::InternalError(Some(e.to_string())))?;
        let body = OutgoingBody { body: Mutex::new(body), length };
        let sent = client.request(parts.method, url).headers(headers).body(reqwest::Body::wrap(body)).send();
        // Connecting is a part of the time until the first byte.
        let patience = options
            .connect_timeout
            .unwrap_or(settings.connect_timeout)
            .saturating_add(options.first_byte_timeout.unwrap_or(FIRST_BYTE_TIMEOUT));
        let response = timeout(patience, sent).await.map_err(|_| Error::HttpResponseTimeout)?;
        let response = http::Response::from(response.map_err(|error| told(&error))?);
        let pause_max = options.between_bytes_timeout.unwrap_or(BETWEEN_BYTES_TIMEOUT);
        Ok(response.map(|body| IncomingBody { body, pause_max, pause: None, _place: place }.boxed_unsync()))
    }
}

/// The headers as they may be sent, and the length that the component has declared for its body.
fn headers(mut headers: HeaderMap) -> Result<(HeaderMap, Option<u64>), Error> {
    if headers.len() > HEADERS_MAX {
        return Err(Error::HttpRequestHeaderSectionSize(u32::try_from(headers.len()).ok()));
    }
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    for name in FRAMING_HEADERS {
        headers.remove(*name);
    }
    // The client names the host that it connects to.
    headers.remove(header::HOST);
    Ok((headers, length))
}

/// What went wrong, as `wasi:http` says it.
fn told(error: &reqwest::Error) -> Error {
    if error.is_timeout() {
        return Error::ConnectionTimeout;
    }
    let text = with_causes(error);
    if text.contains("is not permitted") {
        return Error::DestinationIpProhibited;
    }
    if error.is_connect() {
        let mut cause = error.source();
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<std::io::Error>()
                && error.kind() == std::io::ErrorKind::ConnectionRefused
            {
                return Error::ConnectionRefused;
            }
            cause = error.source();
        }
        if text.contains("dns error") {
            return Error::DnsError { rcode: None, info_code: None };
        }
        return Error::DestinationUnavailable;
    }
    Error::InternalError(Some(text))
}

/// The component's body. The client wants one that threads could share, which it never does.
struct OutgoingBody {
    body: Mutex<WasiBody>,
    length: Option<u64>,
}

impl Body for OutgoingBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let body = self.body.get_mut().unwrap_or_else(PoisonError::into_inner);
        let frame = ready!(Pin::new(body).poll_frame(cx));
        if let (Some(Ok(frame)), Some(length)) = (&frame, &mut self.length) {
            *length = length.saturating_sub(frame.data_ref().map_or(0, Bytes::len) as u64);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.lock().unwrap_or_else(PoisonError::into_inner).is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.length {
            Some(length) => SizeHint::with_exact(length),
            None => self.body.lock().unwrap_or_else(PoisonError::into_inner).size_hint(),
        }
    }
}

/// The answer's body, given up when the server pauses for too long. Counts as a request until it is read.
struct IncomingBody {
    body: reqwest::Body,
    pause_max: Duration,
    pause: Option<Pin<Box<Sleep>>>,
    _place: OwnedSemaphorePermit,
}

impl Body for IncomingBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.pause = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(|error| told(&error))));
        }
        let pause_max = this.pause_max;
        let pause = this.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + pause_max)));
        ready!(pause.as_mut().poll(cx));
        Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
