//! Who gets a connection.

use mu_gateway::GatewayConfig;
use mu_invoke::InvokeConfig;
use mu_telemetry::Limit;

use super::client::{Socket, handshake};
use super::world::World;
use crate::client::{Client, send_raw};
use crate::world::hits;

#[tokio::test]
async fn the_function_sees_the_handshake_and_accepts() {
    let world = World::start().await;
    let headers = [
        ("cookie", "user=1"),
        ("sec-websocket-protocol", "chat, other"),
        ("mu-websocket-event", "close"),
        ("mu-websocket-connection", "forged"),
        ("mu-websocket-code", "1"),
    ];
    let path = "/shop/live/room/a%20b?protocol=chat&hello=welcome";
    let (answer, mut socket) = handshake(world.address, path, &headers).await;
    assert_eq!(answer.status, 101);
    for line in [
        "upgrade: websocket",
        "connection: upgrade",
        "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=",
        "sec-websocket-protocol: chat",
        "x-own: 1",
        "x-request-id: ",
        "x-mu-invocation-id: ",
    ] {
        assert!(answer.head.contains(&format!("\r\n{line}")), "{line}: {}", answer.head);
    }
    assert!(!answer.head.contains("close") && !answer.head.contains("content-"), "{}", answer.head);
    assert_eq!(socket.hear().await, "welcome");

    let event = world.event().await;
    assert_eq!(event.line, "open GET /room/a%20b room=a b protocol=chat hello=welcome");
    assert_eq!(event.connection.len(), 32);
    assert!(event.headers.contains_key("cookie") && event.headers.contains_key("sec-websocket-key"));
    assert!(!event.headers.contains_key("mu-websocket-code"));
    assert_eq!(event.headers.get_all("mu-websocket-event").iter().count(), 1);
    assert_eq!(world.receipts.lines(), ["open live /room/{room} Answered(200)"]);
}

#[tokio::test]
async fn any_other_status_refuses() {
    let world = World::start().await;
    for (query, status, body) in [
        ("status=403&hello=no", 403, "no"),
        ("status=302", 302, ""),
        ("status=500&hello=sorry", 500, "sorry"),
        ("fatal=1", 502, "function_failed"),
        ("protocol=unasked", 502, "function_response_invalid"),
    ] {
        let head =
            format!("GET /shop/live/only?{query} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n");
        let rest = "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        let mut client = tokio::net::TcpStream::connect(world.address).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut client, format!("{head}{rest}GET / HTTP/1.0\r\n\r\n").as_bytes())
            .await
            .unwrap();
        let answer = crate::client::read_to_end(&mut client).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains(body), "{answer}");
        assert!(world.line().await.starts_with("open "));
    }
    // Nobody was accepted, so that nothing is to be closed.
    assert!(world.has_no_event().await);
    assert_eq!(world.invoker.sockets().count(), 0);
}

#[tokio::test]
async fn a_path_has_requests_and_connections() {
    let world = World::start().await;
    let mut client = Client::http1(world.address).await;
    let forged = [("mu-websocket-event", "message"), ("mu-websocket-connection", "x"), ("x-any", "1")];
    let answer = client.ask("GET", "/shop/live/room/1", &forged, "").await;
    assert_eq!((answer.status, &answer.body[..]), (200, "host x-any x-request-id"));

    for method in ["GET", "HEAD"] {
        let answer = client.ask(method, "/shop/live/only", &[], "").await;
        assert_eq!((answer.status, &*answer.header("upgrade")), (426, "websocket"));
    }
    let answer = client.ask("POST", "/shop/live/only", &[], "").await;
    assert_eq!((answer.status, &*answer.header("allow")), (405, "GET, HEAD, OPTIONS"));
    let answer = client.ask("OPTIONS", "/shop/live/only", &[], "").await;
    assert_eq!((answer.status, &*answer.header("allow")), (204, "GET, HEAD, OPTIONS"));

    // Whoever asks for a WebSocket where there is none gets what is there.
    let (answer, _) = handshake(world.address, "/shop/live/plain", &[]).await;
    assert_eq!(answer.status, 200);
    let (answer, _) = handshake(world.address, "/shop/live/none", &[]).await;
    assert_eq!(answer.status, 404);
    assert!(world.has_no_event().await);
}

#[tokio::test]
async fn malformed_handshakes_are_refused_before_the_function_hears_of_them() {
    let world = World::start().await;
    let key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==";
    for (lines, status) in [
        (vec!["connection: upgrade", "sec-websocket-version: 13"], 400),
        (vec![key, "sec-websocket-version: 13"], 400),
        (vec![key, "connection: upgrade"], 426),
        (vec![key, "connection: upgrade", "sec-websocket-version: 12"], 426),
        (vec![key, "connection: upgrade", "sec-websocket-version: 13", "content-length: 5"], 400),
        (vec!["sec-websocket-key: short", "connection: upgrade", "sec-websocket-version: 13"], 400),
    ] {
        let request = format!(
            "GET /shop/live/only HTTP/1.1\r\nhost: x\r\nupgrade: WebSocket\r\n{}\r\n\r\nhelloGET / HTTP/1.0\r\n\r\n",
            lines.join("\r\n")
        );
        let answer = send_raw(world.address, request.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{lines:?}: {answer}");
        assert!(status != 426 || answer.contains("sec-websocket-version: 13"), "{answer}");
    }
    assert!(world.has_no_event().await);
}

#[tokio::test]
async fn pages_of_other_origins_need_permission() {
    let world = World::start().await;
    let own = format!("http://{}", world.address);
    for (path, origin, status) in [
        ("/shop/live/only", &own[..], 101),
        ("/shop/live/only", "https://a.example", 403),
        ("/shop/shared/", "https://a.example", 101),
        ("/shop/shared/", "https://b.example", 403),
    ] {
        let (answer, _socket) = handshake(world.address, path, &[("origin", origin)]).await;
        assert_eq!(answer.status, status, "{path} {origin}");
    }
}

#[tokio::test]
async fn connections_are_limited_for_a_gateway_and_for_the_node() {
    let config = GatewayConfig { websockets_max: 4, ..GatewayConfig::default() };
    let world = World::with(config, InvokeConfig::default()).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(Socket::open(world.address, "/shop/live/only").await);
    }
    let refused = |path| async move {
        let (answer, _) = handshake(world.address, path, &[]).await;
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(answer.head.contains("\r\nretry-after: 1\r\n"), "{answer:?}");
    };
    refused("/shop/live/only").await;
    open.push(Socket::open(world.address, "/shop/usual/").await);
    refused("/shop/usual/").await;
    // The gateway's own limit is the author's.
    assert_eq!(hits(&world.metrics, Limit::GatewayWebSockets), 1);
}

#[tokio::test]
async fn a_connection_that_ends_makes_room() {
    let world = World::start().await;
    let mut sockets = Vec::new();
    for _ in 0..3 {
        sockets.push(Socket::open(world.address, "/shop/live/only").await);
        assert_eq!(world.line().await, "open GET /only");
    }
    sockets.pop();
    assert_eq!(world.line().await, "close 1006 ");
    sockets.push(Socket::open(world.address, "/shop/live/only").await);
    assert_eq!(world.invoker.sockets().count(), 3);
}
