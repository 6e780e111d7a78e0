//! The connection of one client: watched, and cut when nothing can be written to it for too long. Responses that the client
//! does not take although its socket could are the business of `unread`.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::client_stream::ClientStream;
use crate::watch::{Activity, Order};

/// What every HTTP/2 connection begins with, as far as it is needed to tell it from HTTP/1.
const HTTP2_PREFACE: &[u8] = b"PRI ";

const TOO_SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// A client's connection.
pub(crate) struct ClientIo {
    stream: ClientStream,
    activity: Arc<Activity>,
    has_read: bool,
    write_pause_max: Duration,
    /// Runs while a write waits for the client.
    pause: Option<Pin<Box<Sleep>>>,
    is_paused: bool,
}

impl ClientIo {
    pub(crate) fn new(stream: ClientStream, activity: Arc<Activity>, write_pause_max: Duration) -> Self {
        Self { stream, activity, has_read: false, write_pause_max, pause: None, is_paused: false }
    }

    /// The connection itself, for another protocol, which watches over itself.
    pub(crate) fn into_stream(self) -> ClientStream {
        self.stream
    }

    /// Passes on the outcome of a write, unless the client has not taken anything for too long.
    fn limit_pause<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.is_paused = false;
            return written;
        }
        let pause = self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.write_pause_max)));
        if !self.is_paused {
            pause.as_mut().reset(Instant::now() + self.write_pause_max);
            self.is_paused = true;
        }
        ready!(pause.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read its response")))
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.activity.order() == Order::Expire {
            if !self.activity.is_http2() {
                // Best effort: the connection ends either way.
                let _ = Pin::new(&mut self.stream).poll_write(cx, TOO_SLOW);
            }
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client sends too slowly")));
        }
        let filled_bytes = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let received = &buffer.filled()[filled_bytes..];
        if !received.is_empty() {
            self.activity.read();
            if !self.has_read {
                self.has_read = true;
                if received.starts_with(HTTP2_PREFACE) {
                    self.activity.speaks_http2();
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, data);
        self.limit_pause(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, data);
        self.limit_pause(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        // What waits in there is as little taken by the client as what could not be written.
        if self.stream.buffers_writes() { self.limit_pause(cx, flushed) } else { flushed }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
