//! The body of a request as a function reads it: counted, and given up when the client pauses for too long.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use mu_invoke::Meter;
use mu_pricing::Usage;
use mu_runtime::{Body, BodyError, empty_body};
use tokio::time::{Instant, Sleep};

/// The client's body, made ready for a function.
pub(crate) fn request_body(incoming: Incoming, meter: &Arc<Meter>, pause_max: Duration) -> Body {
    if incoming.is_end_stream() {
        return empty_body();
    }
    let body =
        RequestBody { incoming, received_bytes: 0, meter: Arc::clone(meter), pause_max, pause: None, is_paused: false };
    body.boxed_unsync()
}

struct RequestBody {
    incoming: Incoming,
    received_bytes: u64,
    /// Told how much was received, once that is final.
    meter: Arc<Meter>,
    pause_max: Duration,
    /// Runs while the client has something to send and doesn't.
    pause: Option<Pin<Box<Sleep>>>,
    is_paused: bool,
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.incoming).poll_frame(cx) {
            this.is_paused = false;
            if let Some(Ok(frame)) = &frame {
                this.received_bytes += frame.data_ref().map_or(0, Bytes::len) as u64;
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(|error| BodyError::Broken(error.into()))));
        }
        let pause = this.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(this.pause_max)));
        if !this.is_paused {
            pause.as_mut().reset(Instant::now() + this.pause_max);
            this.is_paused = true;
        }
        ready!(pause.as_mut().poll(cx));
        Poll::Ready(Some(Err(BodyError::Stalled)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.meter.add(&Usage { gateway_traffic_bytes: self.received_bytes, ..Usage::default() });
    }
}
