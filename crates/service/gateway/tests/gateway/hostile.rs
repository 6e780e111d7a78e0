//! Clients that send too much, too slowly, or nonsense. Timeouts are short here, and every test ends when the gateway
//! acts, however long that takes.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use mu_gateway::GatewayConfig;
use mu_invoke::{InvokeConfig, Verdict};
use mu_telemetry::Limit;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{Client, read_to_end, send_raw};
use crate::world::World;

async fn world(config: GatewayConfig) -> World {
    World::with(config, InvokeConfig { request_bytes_max: 1000, ..InvokeConfig::default() }).await
}

fn quick() -> GatewayConfig {
    let short = Duration::from_millis(40);
    GatewayConfig { head_timeout: short, body_pause_max: short, ..GatewayConfig::default() }
}

#[tokio::test]
async fn too_much_is_refused() {
    let world = world(GatewayConfig::default()).await;
    let close = "host: x\r\nconnection: close\r\n";
    let long_path = format!("GET /shop/api/echo?{} HTTP/1.1\r\n{close}\r\n", "q".repeat(17_000));
    let long_header = format!("GET /shop/api/echo HTTP/1.1\r\nx-any: {}\r\n{close}\r\n", "v".repeat(70_000));
    let many_headers = format!("GET /shop/api/echo HTTP/1.1\r\n{}{close}\r\n", "a: b\r\n".repeat(101));
    let declared = format!("POST /shop/api/echo HTTP/1.1\r\ncontent-length: 1001\r\n{close}\r\n{}", "b".repeat(1001));
    let chunk = format!("fa0\r\n{}\r\n", "b".repeat(4000));
    let chunked = format!("POST /shop/api/echo HTTP/1.1\r\ntransfer-encoding: chunked\r\n{close}\r\n{chunk}0\r\n\r\n");
    for (request, status) in
        [(long_path, 414), (long_header, 431), (many_headers, 431), (declared, 413), (chunked, 413)]
    {
        let answer = send_raw(world.address, request.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {answer}");
    }
    // What a function reads until it is too much is in the receipt of its invocation.
    assert_eq!((world.hits(Limit::GatewayUriBytes), world.hits(Limit::FunctionsRequestBytes)), (1, 1));
    let mut client = Client::http2(world.address).await;
    let long = "v".repeat(70_000);
    assert_eq!(client.ask("GET", "/shop/api/echo", &[("x-any", &long)], "").await.status, 431);
    assert_eq!(client.ask("GET", &format!("/shop/api/echo?{}", &long[..17_000]), &[], "").await.status, 414);
    assert_eq!(client.ask("POST", "/shop/api/echo", &[], &long[..1001]).await.status, 413);
    // As much as is allowed is fine, and the connection lives.
    assert_eq!(client.ask("POST", "/shop/api/echo", &[], &long[..1000]).await.status, 200);
}

#[tokio::test]
async fn a_body_that_is_declared_too_large_is_not_asked_for() {
    let world = world(GatewayConfig::default()).await;
    let request = "POST /shop/api/echo HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\nconnection: close\r\n";
    let refused = send_raw(world.address, format!("{request}content-length: 1001\r\n\r\n").as_bytes()).await;
    assert!(refused.starts_with("HTTP/1.1 413 "), "{refused}");

    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(format!("{request}content-length: 4\r\n\r\n").as_bytes()).await.unwrap();
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).await.unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"body").await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(r#""body":"body""#), "{answer}");
}

#[tokio::test]
async fn nonsense_is_refused_and_harms_nobody_else() {
    let world = world(quick()).await;
    for nonsense in [
        &b"\x00\x01\x02\x03\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET /shop/api/echo HTTP/9.9\r\n\r\n",
        b"GET /shop/api/echo HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /shop/api/echo HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"POST /shop/api/echo HTTP/1.1\r\nhost: x\r\ncontent-length: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nthis is not a frame, is it? no, it is not",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ] {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        let _ = stream.write_all(nonsense).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(nonsense));
    }
    assert_eq!(world.get("/shop/api/echo").await.status, 200);
}

#[tokio::test]
async fn half_a_head_is_answered_408() {
    let world = world(quick()).await;
    for beginning in ["", "G", "GET /shop/api/echo HTTP/1.1\r\nhost: x\r\n"] {
        let answer = send_raw(world.address, beginning.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{beginning:?}: {answer}");
    }
    // Also when a first request went well.
    let twice = "GET /shop/api/stream HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(twice.as_bytes()).await.unwrap();
    let mut answered = Vec::new();
    while !answered.ends_with(b"0\r\n\r\n") {
        answered.push(stream.read_u8().await.unwrap());
    }
    stream.write_all(b"GET /sh").await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    // A client of HTTP/2 that says nothing is cut without words of HTTP/1.
    let answer = send_raw(world.address, b"PRI * HTTP/2.0\r\n\r\n").await;
    assert!(!answer.contains("HTTP/1.1"), "{answer}");
}

#[tokio::test]
async fn a_pause_inside_a_body_is_a_broken_request() {
    let world = world(quick()).await;
    let half = "POST /shop/api/echo HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n12345";
    let answer = send_raw(world.address, half.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("the sender of the body was silent for too long"), "{answer}");
    assert_eq!(world.sink.receipts()[0].verdict, Verdict::Failed("request_broken"));
}

#[tokio::test]
async fn a_response_held_back_by_windows_of_http2_ends_the_connection() {
    let short = Duration::from_millis(40);
    let world = world(GatewayConfig { write_pause_max: short, ..GatewayConfig::default() }).await;
    // No window at all, and one of a byte that is never opened again.
    for window_bytes in [0, 1] {
        let stream = TcpStream::connect(world.address).await.unwrap();
        let mut settings = http2::Builder::new(TokioExecutor::new());
        settings.initial_stream_window_size(window_bytes);
        let (mut client, connection) = settings.handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        let uri = format!("http://{}/shop/api/echo", world.address);
        // The response is kept, and its body is not read.
        let response = client.send_request(Request::get(uri).body(Empty::new()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        // The client may see the end of the connection as an error or as a close.
        let _ = connection.await.unwrap();
        drop(response);
    }
    world.deployment.drained().await;
    assert_eq!(world.get("/shop/api/echo").await.status, 200);
}

#[tokio::test]
async fn an_idle_connection_is_closed_without_a_word() {
    let config = GatewayConfig { keep_alive: Duration::from_millis(40), ..GatewayConfig::default() };
    let world = world(config).await;
    let answer = send_raw(world.address, b"GET /shop/api/no-content HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 204 ") && answer.ends_with("\r\n\r\n"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
}

#[tokio::test]
async fn a_client_that_goes_away_stops_its_call() {
    let world = world(GatewayConfig::default()).await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(b"GET /shop/api/gate HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    world.gate.entered().await;
    drop(stream);
    world.deployment.drained().await;
    assert_eq!(world.sink.receipts()[0].verdict, Verdict::Abandoned);
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let world = world(GatewayConfig { connections_max: 1, ..GatewayConfig::default() }).await;
    let mut first = Client::http1(world.address).await;
    assert_eq!(first.ask("GET", "/shop/api/echo", &[], "").await.status, 200);
    let address = world.address;
    let second = tokio::spawn(async move { Client::http1(address).await.ask("GET", "/shop/api/echo", &[], "").await });
    assert_eq!(first.ask("GET", "/shop/api/echo", &[], "").await.status, 200);
    assert!(!second.is_finished());
    drop(first);
    assert_eq!(second.await.unwrap().status, 200);
    assert_eq!(world.hits(Limit::GatewayConnections), 1);
}
