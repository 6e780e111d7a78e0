//! What a handler answers, made a response of the node.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{StatusCode, header};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::task::unconstrained;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use crate::message::{Pieces, check_head};
use crate::{BodyError, Failure, Response, empty_body, full_body};

/// A response, or the error that the handler has instead of one.
pub(super) type Answer = Result<http::Response<HyperOutgoingBody>, String>;

/// Whether a handler was stopped, or failed, before it had ended: then the body that it has not finished is cut off. Told
/// before the body's stream ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Cut(Arc<AtomicBool>);

impl Cut {
    pub(super) fn cut(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_cut(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// The node's response, whose body comes as the handler writes it.
pub(super) fn response(answer: Answer, cut: &Cut) -> Result<Response, Failure> {
    let answered = answer.map_err(|error| Failure::InvalidResponse(format!("the error {error}")))?;
    let (http::response::Parts { status, headers, .. }, body) = answered.into_parts();
    if status.is_informational() {
        return Err(Failure::InvalidResponse(format!("the status {status}, which is no final one")));
    }
    check_head(headers.len(), headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum())?;
    let may_have_body = status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED;
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let body = GuestBody { body, left_bytes: length.filter(|_| may_have_body), cut: cut.clone(), has_ended: false };
    Ok(Response { status, headers, body: body.boxed_unsync() })
}

/// A response of a handler that has ended.
pub(super) enum Settled {
    /// Its body is all there.
    Whole(Response),
    /// Its body ends before its end.
    Cut,
}

/// Gathers the body that a handler left behind: nothing is added to it any more.
pub(super) fn settle(mut response: Response) -> Settled {
    let mut pieces = Pieces::default();
    let trailers = loop {
        // What is there must show, however much the task has received before.
        match unconstrained(response.body.frame()).now_or_never() {
            Some(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => pieces.push(data),
                Err(frame) => break frame.into_trailers().ok(),
            },
            Some(None) => break None,
            Some(Some(Err(_))) | None => return Settled::Cut,
        }
    };
    let data = pieces.join();
    response.body = match trailers {
        Some(trailers) => full_body(data).with_trailers(std::future::ready(Some(Ok(trailers)))).boxed_unsync(),
        None if data.is_empty() => empty_body(),
        None => full_body(data),
    };
    Settled::Whole(response)
}

/// The body as the guest writes it. It says how long it is when the guest has said so.
struct GuestBody {
    body: HyperOutgoingBody,
    left_bytes: Option<u64>,
    cut: Cut,
    /// Whether the body was finished, so that it does not matter how the handler ends.
    has_ended: bool,
}

impl http_body::Body for GuestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if frame.is_none() && !self.has_ended {
            self.has_ended = true;
            if self.cut.is_cut() || self.left_bytes.is_some_and(|left| left > 0) {
                return Poll::Ready(Some(Err(BodyError::Broken("the function did not write all of it".into()))));
            }
        }
        if let (Some(Ok(frame)), Some(left)) = (&frame, &mut self.left_bytes) {
            *left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len) as u64);
        }
        Poll::Ready(frame.map(|frame| frame.map_err(|error| BodyError::Broken(error.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.left_bytes.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
