//! What the node itself answers to a function: `http://mu.internal/connections/{id}`.

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use mu_env::ConnectionId;
use mu_stack::StackId;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::error::{Kind, RETRY_AFTER};
use crate::websocket::{Closing, MessageKind, SendError, Socket, SocketMessage, Sockets};

/// Answers one request of a function of `stack`.
pub(super) fn answer(sockets: &Sockets, stack: StackId, request: Request<Bytes>) -> Response<Bytes> {
    let Some(id) = request.uri().path().strip_prefix("/connections/") else {
        let message = "the node has /connections/{id} and nothing else";
        return refusal(Kind::NotFound, message);
    };
    let found = id.parse::<ConnectionId>().ok().and_then(|id| sockets.find(stack, id));
    let Some(socket) = found else { return gone() };
    let done = match *request.method() {
        Method::GET | Method::HEAD => return view(&socket),
        Method::POST => {
            let (head, data) = request.into_parts();
            socket.send(SocketMessage::from_http(&head.headers, data, MessageKind::Text))
        }
        Method::DELETE => match closing(request.uri().query().unwrap_or_default()) {
            Ok(closing) => socket.close(closing),
            Err(message) => return refusal(Kind::Invalid, message),
        },
        _ => {
            let mut response =
                refusal(Kind::MethodNotAllowed, "a connection is sent to by POST, ended by DELETE, looked at by GET");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST, DELETE"));
            return response;
        }
    };
    match done {
        Ok(()) => respond(StatusCode::NO_CONTENT, Bytes::new()),
        Err(SendError::Gone) => gone(),
        Err(error @ SendError::TooLarge { .. }) => refusal(Kind::TooLarge, &error.to_string()),
        Err(error @ SendError::Full) => {
            let mut response = refusal(Kind::Exhausted, &error.to_string());
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER.as_secs()));
            response
        }
    }
}

fn view(socket: &Socket) -> Response<Bytes> {
    let view = json!({
        "connection": socket.id().to_string(),
        "connected_at": socket.opened().to_string(),
        "gateway": &**socket.gateway(),
        "path": socket.path(),
        "waiting_messages": socket.waiting(),
    });
    with_json(StatusCode::OK, &view)
}

/// `code=1000&reason=...`, both of which may be left out.
fn closing(query: &str) -> Result<Closing, &'static str> {
    let mut closing = Closing::new(1000, "");
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=').unwrap_or((pair, "")) {
            ("code", code) => {
                let code = code.parse().ok().filter(|&code| Closing::is_sendable(code));
                closing.code = code.ok_or("`code` is 1000 to 1003, 1007 to 1014, or 3000 to 4999")?;
            }
            ("reason", reason) => {
                let spaced = reason.replace('+', " ");
                let text = percent_decode_str(&spaced).decode_utf8().map_err(|_| "`reason` is not UTF-8")?;
                if text.len() > Closing::REASON_BYTES_MAX {
                    return Err("`reason` has more than 123 bytes");
                }
                closing.reason = text.into_owned();
            }
            _ => return Err("the query has `code` and `reason`, and nothing else"),
        }
    }
    Ok(closing)
}

fn gone() -> Response<Bytes> {
    refusal(Kind::NotFound, "the stack has no connection of this id, or no longer")
}

/// An error in the shape that all interfaces of a node have.
fn refusal(kind: Kind, message: &str) -> Response<Bytes> {
    with_json(kind.http_status(), &json!({ "code": kind.as_str(), "message": message, "details": {} }))
}

fn with_json(status: StatusCode, body: &Value) -> Response<Bytes> {
    let mut response = respond(status, body.to_string().into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn respond(status: StatusCode, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}
