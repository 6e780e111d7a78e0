//! Events of WebSocket connections, and what is sent to them.

use mu_sdk::{Delivery, HttpError, HttpMethod, Request, Response, Status, test::TestContext};

use crate::render;

#[mu_sdk::mu_functions]
mod sockets {
    use mu_sdk::*;

    #[mu_function]
    fn show(event: WebSocketEvent<'_>) -> String {
        format!("{} {:?}", event.connection, event.kind)
    }
}

fn event(kind: &str, more: &[(&str, &str)], body: &[u8]) -> Request {
    let request =
        Request::default().with_header("mu-websocket-event", kind).with_header("mu-websocket-connection", "id");
    more.iter().fold(request, |request, (name, value)| request.with_header(*name, *value)).with_body(body)
}

#[test]
fn events_are_read_from_requests() {
    let invalid = |message: &str| format!(r#"400 Bad Request: {{"code":"invalid","message":"{message}"}}"#);
    let text = ("content-type", "text/plain; charset=utf-8");
    let binary = ("content-type", "application/octet-stream");
    for (request, expected) in [
        (event("open", &[], b""), "200 OK: id Open".to_owned()),
        (event("message", &[text], b"hi"), r#"200 OK: id Text("hi")"#.to_owned()),
        (event("message", &[binary], b"hi"), "200 OK: id Binary([104, 105])".to_owned()),
        (
            event("close", &[("mu-websocket-code", "1006")], b""),
            r#"200 OK: id Close { code: 1006, reason: "" }"#.to_owned(),
        ),
        (event("message", &[text], b"\xff"), invalid("the body is not text")),
        (event("close", &[], b""), invalid("this is no event of a WebSocket: it has no `mu-websocket-code`")),
        (event("close", &[("mu-websocket-code", "x")], b""), invalid("the code is not a number")),
        (event("pause", &[], b""), invalid("the WebSocket event `pause` is unknown")),
        (Request::default(), invalid("this is no event of a WebSocket: it has no `mu-websocket-event`")),
    ] {
        let response = TestContext::new().call(sockets::MU_FUNCTIONS, "show", &request).expect("a known handler");
        let rendered = render(&response);
        let (head, body) = rendered.split_once("\n\n").expect("a head and a body");
        assert_eq!(format!("{}: {body}", head.lines().next().unwrap_or_default()), expected);
    }
}

#[test]
fn sending_asks_the_host() {
    let context = TestContext::new();
    for status in [204, 404, 429] {
        context.respond_to_http(Ok(Response::new(Status::from(status))));
    }
    let sockets = context.websockets();
    assert_eq!(sockets.send_text("a1", "hi").expect("a delivery"), Delivery::Queued);
    assert_eq!(sockets.send_binary("../x", [1, 2]).expect("a delivery"), Delivery::Gone);
    assert_eq!(sockets.close("a1", 4000, "so long & bye").expect("a delivery"), Delivery::Full);
    let asked: Vec<_> = context.http_requests().into_iter().map(|request| (request.method, request.url)).collect();
    assert_eq!(
        asked,
        [
            (HttpMethod::Post, "http://mu.internal/connections/a1".to_owned()),
            (HttpMethod::Post, "http://mu.internal/connections/%2E%2E%2Fx".to_owned()),
            (HttpMethod::Delete, "http://mu.internal/connections/a1?code=4000&reason=so%20long%20%26%20bye".to_owned()),
        ]
    );
    assert_eq!(context.http_requests()[0].headers[0].value, "text/plain; charset=utf-8");
    assert_eq!(context.http_requests()[1].headers[0].value, "application/octet-stream");
}

#[test]
fn what_cannot_be_sent_is_an_error() {
    let context = TestContext::new();
    context.respond_to_http(Ok(Response::new(Status::from(413)).with_body("too large")));
    context.respond_to_http(Err(HttpError::Request("no".to_owned())));
    let error = context.websockets().send_text("a1", "hi").expect_err("a status of 413");
    assert_eq!(error.to_string(), "sending to a connection: 413 too large");
    assert!(context.websockets().send_text("a1", "hi").is_err());
}
