//! The connection to a container's socket, which lasts for many calls.

use std::io;
use std::path::Path;

use bytes::Bytes;
use http::header::HeaderMap;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio_util::task::AbortOnDropHandle;

use super::socket::Socket;
use crate::Failure;
use crate::message::{Pieces, RESPONSE_HEADER_BYTES_MAX, RESPONSE_HEADERS_MAX};

/// Room for the head of an answer, its first line included.
const HEAD_BYTES_MAX: usize = RESPONSE_HEADER_BYTES_MAX + 8 * 1024;

/// A connection on which one call after the other is made.
#[derive(Debug)]
pub(super) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    _driver: AbortOnDropHandle<()>,
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
        let mut builder = http1::Builder::new();
        builder.max_headers(RESPONSE_HEADERS_MAX).max_buf_size(HEAD_BYTES_MAX);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        // How it ends is told to whoever waits for an answer.
        let driver = tokio::spawn(async move { drop(connection.await) });
        Ok(Some(Self { sender, _driver: AbortOnDropHandle::new(driver) }))
    }

    /// Whether another call can be made on it.
    pub(super) async fn is_ready(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    /// Makes a call, and reads its answer whole. Afterwards the connection is ready for the next, unless this fails or
    /// is dropped.
    pub(super) async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
        body_bytes_max: u64,
    ) -> Result<Exchanged, Broken> {
        let response = self.sender.send_request(request).await.map_err(|error| broken(&error))?;
        let (head, body) = response.into_parts();
        let body = read(body, body_bytes_max).await?;
        Ok(Exchanged { status: head.status, headers: head.headers, body })
    }
}

async fn read(mut body: Incoming, limit_bytes: u64) -> Result<Bytes, Broken> {
    let mut pieces = Pieces::default();
    let mut total_bytes = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| broken(&error))?.into_data() else { continue };
        total_bytes += data.len() as u64;
        if total_bytes > limit_bytes {
            return Err(Broken::Answer(Failure::OutputTooLarge { what: "response", limit_bytes }));
        }
        pieces.push(data);
    }
    Ok(pieces.join())
}

fn broken(error: &hyper::Error) -> Broken {
    if error.is_parse_too_large() {
        let limit_bytes = RESPONSE_HEADER_BYTES_MAX as u64;
        return Broken::Answer(Failure::OutputTooLarge { what: "response head", limit_bytes });
    }
    if error.is_parse() {
        return Broken::Answer(Failure::InvalidResponse(format!("what is not HTTP: {error}")));
    }
    Broken::Closed
}
