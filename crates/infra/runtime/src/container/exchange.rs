//! The connection to a container's socket, which lasts for many calls.

use std::error::Error as _;
use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use bytes::Bytes;
use http::header::HeaderMap;
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustix::io::Errno;
use rustix::ioctl::{Getter, Opcode, ioctl};
use rustix::net::{RecvFlags, recv};
use tokio_util::task::AbortOnDropHandle;

use super::socket::Socket;
use crate::Failure;
use crate::message::{RESPONSE_HEADER_BYTES_MAX, RESPONSE_HEADERS_MAX, Uncollected, collect};

/// Room for the head of an answer, its first line included.
const HEAD_BYTES_MAX: usize = RESPONSE_HEADER_BYTES_MAX + 8 * 1024;

/// A connection on which one call after the other is made.
#[derive(Debug)]
pub(super) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    /// The same connection, to be looked at without reading from it.
    view: OwnedFd,
    driver: AbortOnDropHandle<hyper::Result<()>>,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Exchanged {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Why nothing came back.
#[derive(Debug)]
pub(super) enum Broken {
    /// The connection ended. How the container does will tell more.
    Closed,
    /// The connection ended, and the function has not read the request.
    Unread,
    /// What was said is not an answer.
    Answer(Failure),
}

impl Connection {
    /// Connects to the socket in a container's directory; `None` when nobody listens yet.
    ///
    /// # Errors
    /// When there is something else in its place.
    pub(super) async fn open(directory: &Path) -> io::Result<Option<Self>> {
        let Some(socket) = Socket::find(directory)? else { return Ok(None) };
        let stream = match socket.connect().await {
            Ok(stream) => stream,
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok(None),
            Err(error) => return Err(error),
        };
        let view = stream.as_fd().try_clone_to_owned()?;
        let mut builder = http1::Builder::new();
        builder.max_headers(RESPONSE_HEADERS_MAX).max_buf_size(HEAD_BYTES_MAX);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        let driver = AbortOnDropHandle::new(tokio::spawn(connection));
        Ok(Some(Self { sender, view, driver }))
    }

    /// Whether another call can be made on it: it is open, and nothing has come that nobody asked for, which would be
    /// taken for the answer.
    pub(super) async fn is_ready(&mut self) -> bool {
        self.sender.ready().await.is_ok() && self.is_quiet()
    }

    fn is_quiet(&self) -> bool {
        matches!(self.peek(), Err(Errno::AGAIN))
    }

    /// Whether something has come that nobody has read.
    fn has_said(&self) -> bool {
        matches!(self.peek(), Ok(1..))
    }

    /// How many bytes have come, at most one; 0 when the connection is closed.
    fn peek(&self) -> Result<usize, Errno> {
        recv(&self.view, &mut [0; 1][..], RecvFlags::PEEK | RecvFlags::DONTWAIT).map(|(_, bytes)| bytes)
    }

    /// Makes a call, and reads its answer whole. Afterwards the connection is ready for the next, unless this fails or
    /// is dropped.
    pub(super) async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
        body_bytes_max: u64,
    ) -> Result<Exchanged, Broken> {
        let response = match self.sender.send_request(request).await {
            Ok(response) => response,
            Err(error) => return Err(self.broken(&error).await),
        };
        let (head, body) = response.into_parts();
        let body = collect(body, body_bytes_max).await.map_err(|error| match error {
            Uncollected::TooLarge => {
                Broken::Answer(Failure::OutputTooLarge { what: "response", limit_bytes: body_bytes_max })
            }
            Uncollected::Broken(error) => broken(&error),
        })?;
        Ok(Exchanged { status: head.status, headers: head.headers, body })
    }

    /// Whether the function has left unread something that it was sent.
    fn has_unread(&self) -> bool {
        /// `SIOCOUTQ`: bytes that were sent and that the other end has not read.
        const UNREAD_BYTES: Opcode = 0x5411;
        // SAFETY: this request writes one `int`, and nothing else.
        #[expect(unsafe_code, reason = "there is no safe function for this request")]
        let unread = unsafe { ioctl(&self.view, Getter::<UNREAD_BYTES, c_int>::new()) };
        unread.is_ok_and(|bytes| bytes > 0)
    }

    /// Why there is no answer.
    async fn broken(&mut self, error: &hyper::Error) -> Broken {
        match self.ended(error).await {
            // It spoke and closed before it was sent anything, and sending was the first to fail.
            Broken::Closed | Broken::Unread if self.has_said() => {
                Broken::Answer(Failure::InvalidResponse("something before it had read the request".to_owned()))
            }
            broken => broken,
        }
    }

    /// What ended the connection.
    async fn ended(&mut self, error: &hyper::Error) -> Broken {
        if !error.is_canceled() {
            let broken = broken(error);
            return if matches!(broken, Broken::Closed) && self.has_unread() { Broken::Unread } else { broken };
        }
        // The request was not begun to be sent. What kept it from that is told with it, or to what drives the connection.
        let told = error.source().and_then(|source| source.downcast_ref::<hyper::Error>());
        let driven = if told.is_none() { (&mut self.driver).await.ok() } else { None };
        match told.or(driven.as_ref().and_then(|driven| driven.as_ref().err())) {
            Some(end) if io_kind(end).is_none() && !end.is_incomplete_message() => {
                Broken::Answer(Failure::InvalidResponse(format!("what is not HTTP: {end}")))
            }
            _ => Broken::Unread,
        }
    }
}

fn broken(error: &hyper::Error) -> Broken {
    if error.is_parse_too_large() {
        let limit_bytes = RESPONSE_HEADER_BYTES_MAX as u64;
        return Broken::Answer(Failure::OutputTooLarge { what: "response head", limit_bytes });
    }
    if error.is_parse() {
        return Broken::Answer(Failure::InvalidResponse(format!("what is not HTTP: {error}")));
    }
    match io_kind(error) {
        // The kernel says so of a local socket only when something that was sent was not read.
        Some(io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => Broken::Unread,
        _ => Broken::Closed,
    }
}

/// What the operating system said, if it was that.
fn io_kind(error: &hyper::Error) -> Option<io::ErrorKind> {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        source = error.source();
    }
    None
}
