//! A handshake: whether there is room, whether the function accepts, and the start of the connection's task.

use std::sync::Arc;

use http::header::{self, HeaderMap};
use http::{Method, Response, StatusCode};
use http_body::Body as _;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade::downcast;
use mu_invoke::{
    Cause, Closing, Kind, MessageKind, OpenSocket, SocketEvent, SocketMessage, SocketParams, SocketsFull, SocketsMax,
};
use mu_runtime::{Form, Request, collect_body, empty_body};
use mu_telemetry::Limit;

use super::events::{Events, mark};
use super::handshake::{Handshake, check_origin};
use super::liveness::Patience;
use super::session::{Rules, Session};
use crate::auth::authenticate;
use crate::client_io::ClientIo;
use crate::client_stream::ClientStream;
use crate::error::ApiError;
use crate::function::{Matched, finish, prepare_headers};
use crate::headers::{remove_connection_headers, survey};
use crate::query::parse_query;
use crate::request_id::X_MU_INVOCATION_ID;
use crate::response::{ResponseBody, Traffic, respond};
use crate::service::{Received, Service, uri_bytes};

/// Answers a handshake. From here on the request is counted, also when it turns out to be malformed.
pub(crate) async fn open(service: &Service, matched: Matched<'_>, received: Received) -> Response<ResponseBody> {
    let mut traffic = Traffic::of_function(matched.deployment.meter(), uri_bytes(matched.uri) as u64);
    let invocation = received.invocation.clone();
    let mut response = match try_open(service, matched, received, &mut traffic).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    };
    traffic.add(survey(response.headers()).bytes);
    response.headers_mut().insert(&X_MU_INVOCATION_ID, invocation);
    response.map(|body| body.counting(traffic))
}

async fn try_open(
    service: &Service,
    matched: Matched<'_>,
    mut received: Received,
    traffic: &mut Traffic,
) -> Result<Response<ResponseBody>, ApiError> {
    let Matched { deployment, gateway, target, params, template, auth, uri, path } = matched;

    let handshake = Handshake::check(&received.headers)?;
    check_origin(&received.headers, uri, gateway.cors())?;
    let caller = authenticate(service, auth, deployment.id(), uri, &mut received).await?;
    let Received { id, request_id, version, mut headers, body, upgrade, .. } = received;
    let upgrade = upgrade.filter(|_| body.is_end_stream()).ok_or_else(no_upgrade)?;
    prepare_headers(&mut headers, version, uri, request_id, traffic)?;
    if let Some(caller) = &caller {
        caller.mark(&mut headers);
    }
    let query = uri.query().map(parse_query).transpose()?.unwrap_or_default();
    let limits = *gateway.websocket_limits();
    let message_bytes_max = limits.message.bytes();

    let open = service.invoker().sockets().open(
        SocketParams {
            id: service.env().new_connection_id(),
            stack: deployment.id(),
            gateway: Arc::clone(gateway.name()),
            path: path.into(),
            opened: service.env().now(),
            message_bytes_max,
        },
        SocketsMax { gateway: limits.connections as usize, node: service.config().websockets_max },
    );
    let open = open.map_err(|full| {
        if matches!(full, SocketsFull::Node { .. }) {
            service.limit_hit(Limit::GatewayWebSockets);
        }
        no_room(&full)
    })?;
    mark(&mut headers, SocketEvent::Open, open.socket());
    let cause = Cause::WebSocket {
        gateway: Arc::clone(gateway.name()),
        template: template.clone(),
        event: SocketEvent::Open,
        connection: open.socket().id(),
    };
    let request = Request {
        form: Form::Http,
        begun: None,
        method: Method::GET,
        path: path.to_owned(),
        path_params: params.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        query,
        raw_query: uri.query().map(str::to_owned),
        headers,
        body: empty_body(),
    };
    let answer = service.invoker().invoke(deployment, target, cause, id, request).await?;
    if !answer.status.is_success() {
        return Ok(finish(answer, false));
    }

    let mu_runtime::Response { mut headers, body, .. } = answer;
    let data = collect_body(body, message_bytes_max).await.map_err(|error| unfit(&error.to_string()))?;
    let first = (!data.is_empty()).then(|| SocketMessage::from_http(&headers, data, MessageKind::Text));
    remove_framing(&mut headers);
    let chosen = handshake.complete(&mut headers);
    chosen.map_err(|_| unfit("it chose a subprotocol that the client did not offer"))?;

    let config = service.config();
    let rules = Rules {
        message_bytes_max,
        rate: limits.rate,
        close_timeout: config.close_timeout,
        patience: Patience {
            ping_after: config.ping_after,
            pong: config.pong_timeout,
            write_pause: config.write_pause_max,
            idle: limits.idle_timeout,
        },
    };
    let events = Events {
        env: service.env().clone(),
        invoker: Arc::clone(service.invoker()),
        socket: Arc::clone(open.socket()),
        caller,
        query: uri.query().map(Into::into),
        message_bytes_max,
    };
    let (meter, sockets) = (Arc::clone(deployment.meter()), service.sockets());
    let finishing = sockets.finishing();
    sockets.spawn(async move {
        let events = Arc::new(events);
        match socket_of(upgrade).await {
            Some((stream, data)) => {
                let mut session = Session::new(stream, events, open, meter, rules);
                session.begin(&data, first.as_ref());
                // Held on to, they would keep the buffer of HTTP for as long as the connection lasts.
                drop((data, first));
                session.run(finishing).await;
            }
            None => vanished(&events, open).await,
        }
    });
    Ok(respond(StatusCode::SWITCHING_PROTOCOLS, headers, ResponseBody::nothing()))
}

/// The client's connection once the handshake is written, and what arrived behind the handshake; without the buffers of
/// HTTP.
async fn socket_of(upgrade: OnUpgrade) -> Option<(ClientStream, bytes::Bytes)> {
    let upgraded = upgrade.await.ok()?;
    let parts = downcast::<TokioIo<ClientIo>>(upgraded).ok()?;
    Some((parts.io.into_inner().into_stream(), parts.read_buf))
}

/// The client was gone before it had its connection, which the function has accepted.
async fn vanished(events: &Events, open: OpenSocket) {
    drop(open);
    events.close(&Closing::new(1006, "")).await;
}

/// Headers of the function's answer that would be about the body of an answer, and the framing.
fn remove_framing(headers: &mut HeaderMap) {
    if survey(headers).has_connection_headers {
        remove_connection_headers(headers);
    }
    for name in [header::CONTENT_LENGTH, header::CONTENT_TYPE, header::CONTENT_ENCODING] {
        headers.remove(name);
    }
}

fn no_upgrade() -> ApiError {
    ApiError::new(Kind::Invalid, "the WebSocket handshake is malformed: it has a body, or is not HTTP/1.1")
        .code("handshake_malformed")
}

fn no_room(full: &SocketsFull) -> ApiError {
    ApiError::new(Kind::Unavailable, full.to_string())
        .code("too_many_connections")
        .header(header::RETRY_AFTER, http::HeaderValue::from(1))
}

fn unfit(why: &str) -> ApiError {
    ApiError::new(Kind::FunctionFailed, format!("the function's answer to the handshake is unfit: {why}"))
        .code(mu_invoke::code::INVALID_RESPONSE)
}
