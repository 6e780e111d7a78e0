//! What goes back to the client.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use http_body::{Frame, SizeHint};
use mu_invoke::Meter;
use mu_pricing::Usage;
use mu_runtime::{Body, BodyError};

use crate::unread::Chunk;
use crate::watch::UnderWay;

/// The body of a response.
pub(crate) struct ResponseBody {
    content: Content,
    traffic: Option<Traffic>,
    /// Held until the response is written.
    under_way: Option<UnderWay>,
}

enum Content {
    Nothing,
    Whole(Bytes),
    Stream(Body),
}

/// Counts one request and its bytes, those of its body as far as they were sent, when the response is over.
pub(crate) struct Traffic {
    meter: Arc<Meter>,
    head_bytes: u64,
    body_bytes: u64,
    is_object: bool,
}

impl Traffic {
    /// A request to a function, of which `bytes` have been received so far.
    pub(crate) fn of_function(meter: &Arc<Meter>, bytes: u64) -> Self {
        Self { meter: Arc::clone(meter), head_bytes: bytes, body_bytes: 0, is_object: false }
    }

    /// A request for an object, of `bytes`. Its response's body is read from mu Storage, which counts as well.
    pub(crate) fn of_object(meter: &Arc<Meter>, bytes: u64) -> Self {
        Self { meter: Arc::clone(meter), head_bytes: bytes, body_bytes: 0, is_object: true }
    }

    /// Adds bytes of the request's or the response's head.
    pub(crate) fn add(&mut self, bytes: u64) {
        self.head_bytes += bytes;
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        let (reads, read_bytes) = if self.is_object { (1, self.body_bytes) } else { (0, 0) };
        self.meter.add(&Usage {
            gateway_requests: 1,
            gateway_traffic_bytes: self.head_bytes + self.body_bytes,
            storage_reads: reads,
            storage_read_bytes: read_bytes,
            ..Usage::default()
        });
    }
}

impl ResponseBody {
    pub(crate) fn nothing() -> Self {
        Self::new(Content::Nothing)
    }

    pub(crate) fn whole(data: impl Into<Bytes>) -> Self {
        Self::new(Content::Whole(data.into()))
    }

    pub(crate) fn stream(body: Body) -> Self {
        Self::new(Content::Stream(body))
    }

    /// Counts the body's bytes with the request's.
    pub(crate) fn counting(mut self, traffic: Traffic) -> Self {
        self.traffic = Some(traffic);
        self
    }

    /// Keeps the request under way until the body is sent.
    pub(crate) fn holding(mut self, under_way: UnderWay) -> Self {
        self.under_way = Some(under_way);
        self
    }

    /// The same without its content.
    pub(crate) fn emptied(mut self) -> Self {
        self.content = Content::Nothing;
        self
    }

    fn new(content: Content) -> Self {
        Self { content, traffic: None, under_way: None }
    }
}

impl http_body::Body for ResponseBody {
    type Data = Chunk;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Chunk>, BodyError>>> {
        let frame = match &mut self.content {
            Content::Nothing => None,
            Content::Whole(data) => {
                let data = std::mem::take(data);
                self.content = Content::Nothing;
                (!data.is_empty()).then(|| Ok(Frame::data(data)))
            }
            Content::Stream(body) => ready!(Pin::new(body).poll_frame(cx)),
        };
        if let (Some(Ok(frame)), Some(traffic)) = (&frame, &mut self.traffic) {
            traffic.body_bytes += frame.data_ref().map_or(0, Bytes::len) as u64;
        }
        let under_way = &self.under_way;
        Poll::Ready(frame.map(|frame| Ok(frame?.map_data(|data| Chunk::new(data, under_way.as_ref())))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Nothing => true,
            Content::Whole(data) => data.is_empty(),
            Content::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Nothing => SizeHint::with_exact(0),
            Content::Whole(data) => SizeHint::with_exact(data.len() as u64),
            Content::Stream(body) => body.size_hint(),
        }
    }
}

/// A response of these parts.
pub(crate) fn respond(status: StatusCode, headers: HeaderMap, body: ResponseBody) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// What a `HEAD` request gets: the response without its body, whose length is told all the same.
pub(crate) fn without_body(mut response: Response<ResponseBody>) -> Response<ResponseBody> {
    let length_bytes = http_body::Body::size_hint(response.body()).exact();
    if let Some(length_bytes) = length_bytes.filter(|&length| length > 0) {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length_bytes));
    }
    response.map(ResponseBody::emptied)
}
