//! WebSocket connections: events of clients, and what is sent to them.

use std::fmt;

use mu_abi::{Header, HttpMethod, HttpRequest, Incoming, Outgoing, Request, Response};

use crate::{
    error::{Error, Result},
    extract::FromRequest,
    host::Host,
    percent,
};

/// Something that happened on a WebSocket connection: what a handler gets to which the manifest routes `websocket`.
///
/// ```
/// #[mu_sdk::mu_functions]
/// mod echo {
///     use mu_sdk::*;
///
///     #[mu_function]
///     fn on_event(event: WebSocketEvent<'_>) -> Response {
///         match event.kind {
///             WebSocketKind::Open => Response::new(Status::OK),
///             WebSocketKind::Text(text) => text.into_response(),
///             WebSocketKind::Binary(data) => data.into_response(),
///             WebSocketKind::Close { code, .. } => {
///                 log::info!("connection {} ended with {code}", event.connection);
///                 Response::new(Status::OK)
///             }
///         }
///     }
/// }
/// ```
///
/// What the handler answers means, to
///
/// - **open**: any status of 200 to 299 accepts the connection, and a body is its first message; any other refuses it,
///   and is what the client sees. The other parts of the handshake can be read by further parameters, as those of
///   any request: headers, cookies, parameters of path and query. Of these only path and query come again.
/// - **a message**: a body is sent back, as bytes when its content type is `application/octet-stream` and as text
///   otherwise. A status of 400 to 499 ends the connection with code 1008, another error with 1011.
/// - **close**: nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebSocketEvent<'a> {
    /// The id of the connection, for [`WebSockets`].
    pub connection: &'a str,
    /// What happened.
    pub kind: WebSocketKind<'a>,
}

/// What happened on a WebSocket connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebSocketKind<'a> {
    /// A client asks for a connection.
    Open,
    /// The client sent text.
    Text(&'a str),
    /// The client sent bytes.
    Binary(&'a [u8]),
    /// The connection has ended.
    Close {
        /// Why, by the numbers of RFC 6455: 1006 when the client just vanished.
        code: u16,
        /// Why, in words; often empty.
        reason: &'a str,
    },
}

/// Sends to WebSocket connections of the function's stack, in whatever invocation their ids are known.
#[derive(Clone, Copy)]
pub struct WebSockets<'a> {
    host: &'a dyn Host,
}

/// What came of something sent to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a connection may be gone"]
pub enum Delivery {
    /// It is on its way. Whether it arrives, only the client can say.
    Queued,
    /// The connection has ended, or never was one of this stack: forget it.
    Gone,
    /// Too much is on its way already: the client is slow.
    Full,
}

const EVENT: &str = "mu-websocket-event";
const CONNECTION: &str = "mu-websocket-connection";
const CODE: &str = "mu-websocket-code";

/// Where the host answers for itself.
const CONNECTIONS: &str = "http://mu.internal/connections/";

// === impl WebSocketEvent ===

impl<'a> FromRequest<'a> for WebSocketEvent<'a> {
    fn from_request(request: &'a Request) -> Result<Self> {
        let missing = |name: &str| Error::bad_request(format!("this is no event of a WebSocket: it has no `{name}`"));
        let header = |name: &'static str| request.header(name).ok_or_else(|| missing(name));
        let text = |data: &'a [u8]| str::from_utf8(data).map_err(|_| Error::bad_request("the body is not text"));
        let kind = match header(EVENT)? {
            "open" => WebSocketKind::Open,
            "message" => match request.header("content-type") {
                Some("application/octet-stream") => WebSocketKind::Binary(&request.body),
                _ => WebSocketKind::Text(text(&request.body)?),
            },
            "close" => {
                let code = header(CODE)?.parse().map_err(|_| Error::bad_request("the code is not a number"))?;
                WebSocketKind::Close { code, reason: text(&request.body)? }
            }
            other => return Err(Error::bad_request(format!("the WebSocket event `{other}` is unknown"))),
        };
        Ok(Self { connection: header(CONNECTION)?, kind })
    }
}

// === impl WebSockets ===

impl<'a> WebSockets<'a> {
    pub(crate) fn new(host: &'a dyn Host) -> Self {
        Self { host }
    }

    /// Sends text.
    ///
    /// # Errors
    /// If the text is larger than messages of the gateway may be.
    pub fn send_text(&self, connection: &str, text: impl Into<String>) -> Result<Delivery> {
        self.send(connection, "text/plain; charset=utf-8", text.into().into_bytes())
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// If there are more of them than messages of the gateway may have.
    pub fn send_binary(&self, connection: &str, data: impl Into<Vec<u8>>) -> Result<Delivery> {
        self.send(connection, "application/octet-stream", data.into())
    }

    /// Ends a connection when all that was sent before is on its way. 1000 is the usual code, and 3000 to 4999 are
    /// free; the reason has at most 123 bytes.
    ///
    /// # Errors
    /// If code or reason cannot be sent.
    pub fn close(&self, connection: &str, code: u16, reason: &str) -> Result<Delivery> {
        let mut url = url(connection);
        url.push_str(&format!("?code={code}&reason="));
        percent::encode(reason, b"-._~", &mut url);
        self.ask(HttpRequest { method: HttpMethod::Delete, url, ..HttpRequest::default() })
    }

    fn send(&self, connection: &str, content_type: &str, body: Vec<u8>) -> Result<Delivery> {
        let headers = vec![Header::new("content-type", content_type)];
        let url = url(connection);
        self.ask(HttpRequest { method: HttpMethod::Post, url, headers, body, ..HttpRequest::default() })
    }

    fn ask(&self, request: HttpRequest) -> Result<Delivery> {
        match self.host.ask(Outgoing::Http(request))? {
            Incoming::Http(Ok(response)) => delivery(&response),
            Incoming::Http(Err(error)) => Err(error.into()),
            _ => Err(Error::internal("the host answered a request about a connection with something else")),
        }
    }
}

impl fmt::Debug for WebSockets<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("WebSockets").finish_non_exhaustive()
    }
}

fn url(connection: &str) -> String {
    let mut url = CONNECTIONS.to_owned();
    percent::encode(connection, b"", &mut url);
    url
}

fn delivery(response: &Response) -> Result<Delivery> {
    match response.status.code() {
        204 => Ok(Delivery::Queued),
        404 => Ok(Delivery::Gone),
        429 => Ok(Delivery::Full),
        status => {
            let said = String::from_utf8_lossy(&response.body);
            Err(Error::internal(format!("sending to a connection: {status} {said}")))
        }
    }
}
