//! Routes that want to know who calls.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::Client;
use crate::requests::seen;
use crate::world::World;

const ANN: (&str, &str) = ("authorization", "Bearer ann");
const BOB: (&str, &str) = ("authorization", "Bearer bob");

#[tokio::test]
async fn the_function_knows_who_calls() {
    let world = World::start().await;
    for mut client in [Client::http1(world.address).await, Client::http2(world.address).await] {
        for (method, path, caller, subject) in [
            ("GET", "/shop/closed/token", ANN, "oidc:accounts:ann"),
            ("HEAD", "/shop/closed/token", BOB, ""),
            ("GET", "/shop/closed/token", BOB, "oidc:accounts:bob"),
            ("PUT", "/shop/closed/jwt", ANN, "oidc:accounts:ann"),
            ("DELETE", "/shop/closed/rest/a/b", BOB, "oidc:accounts:bob"),
        ] {
            let forged =
                [caller, ("mu-auth-subject", "k_root"), ("mu_auth_subject", "k_root"), ("mu-auth-claims", "{}")];
            let answer = client.ask(method, path, &forged, "").await;
            assert_eq!(answer.status, 200, "{method} {path}: {answer:?}");
            if method == "HEAD" {
                continue;
            }
            let echo = answer.json();
            assert_eq!(seen(&echo, "mu-auth-subject"), [subject], "{method} {path}");
            assert!(seen(&echo, "mu_auth_subject").is_empty());
            let claims: serde_json::Value = serde_json::from_str(seen(&echo, "mu-auth-claims")[0]).unwrap();
            assert_eq!(claims["role"], json!(if caller == ANN { "admin" } else { "guest" }));
            // A token of the node is not passed on, one of someone else is.
            assert_eq!(seen(&echo, "authorization").is_empty(), !path.ends_with("jwt"), "{path}");
        }
    }
}

#[tokio::test]
async fn whoever_may_not_is_told_why() {
    let world = World::start().await;
    let nobody = ("authorization", "Bearer nobody");
    for (path, headers, error) in [
        ("/shop/closed/token", vec![], (401, "unauthenticated")),
        ("/shop/closed/token", vec![("authorization", "Basic YTpi")], (401, "unauthenticated")),
        ("/shop/closed/jwt", vec![], (401, "unauthenticated")),
        ("/shop/closed/jwt", vec![BOB], (403, "denied")),
        ("/shop/closed/token", vec![nobody], (503, "authentication_unavailable")),
    ] {
        let answer = world.ask("GET", path, &headers).await;
        assert_eq!(answer.error(), (error.0, error.1.to_owned()), "{path}");
        assert_eq!(answer.header("www-authenticate"), if error.0 == 401 { "Bearer" } else { "" });
        assert_eq!(answer.header("retry-after"), if error.0 == 503 { "3" } else { "" });
        assert!(!answer.header("x-request-id").is_empty());
        assert!(answer.headers.get("access-control-allow-origin").is_none(), "nobody asks from elsewhere");
    }
    assert!(world.sink.receipts().is_empty(), "nothing was invoked");
    // They reached a route, and are counted as requests to it.
    assert_eq!(world.deployment.meter().totals().usage.gateway_requests, 5);
}

#[tokio::test]
async fn what_asks_for_nothing_stays_open() {
    let world = World::start().await;
    let forged = [("mu-auth-subject", "k_root"), ("mu-auth-claims", "{}"), ANN];
    for path in ["/shop/closed/open", "/shop/api/echo"] {
        let echo = world.ask("GET", path, &forged).await.json();
        assert!(seen(&echo, "mu-auth-subject").is_empty() && seen(&echo, "mu-auth-claims").is_empty());
        assert_eq!(seen(&echo, "authorization"), ["Bearer ann"]);
    }
    // A browser asks for permission before it sends a token.
    let preflight = [("origin", "https://a.example"), ("access-control-request-method", "GET")];
    assert_eq!(world.ask("OPTIONS", "/shop/closed/token", &preflight).await.status, 204);
    assert_eq!(world.ask("POST", "/shop/closed/token", &[]).await.status, 405);
    // What comes from elsewhere may read why it was refused.
    let refused = world.ask("GET", "/shop/closed/token", &preflight[..1]).await;
    assert_eq!((refused.status, &*refused.header("access-control-allow-origin")), (401, "*"));
}

#[tokio::test]
async fn websockets_are_opened_by_those_who_may() {
    let world = World::start().await;
    let handshake = |headers: &str| {
        format!(
            "GET /shop/closed/token HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n{headers}\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
    };
    let mut refused = TcpStream::connect(world.address).await.unwrap();
    refused.write_all(handshake("mu-auth-subject: k_root\r\n").as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    refused.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 401");
    assert!(world.sink.receipts().is_empty());

    let mut socket = TcpStream::connect(world.address).await.unwrap();
    socket.write_all(handshake("authorization: Bearer bob\r\n").as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    // The first message is the answer to the handshake, the second one that to a message.
    for said in [None, Some(&[0x81, 0x80, 0, 0, 0, 0])] {
        if let Some(said) = said {
            socket.write_all(said).await.unwrap();
        }
        let mut message = [0; 19];
        socket.read_exact(&mut message).await.unwrap();
        assert_eq!(&message, b"\x81\x11oidc:accounts:bob");
    }
}
