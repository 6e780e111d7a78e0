//! From a handler's outcome to what the client receives.

use mu_gateway::GatewayConfig;
use mu_invoke::{FailureDetail, InvokeConfig};

use crate::client::{Client, send_raw};
use crate::world::World;

#[tokio::test]
async fn the_framing_of_a_response_is_the_gateways_business() {
    let world = World::start().await;
    for mut client in [Client::http1(world.address).await, Client::http2(world.address).await] {
        let answer = client.ask("GET", "/shop/api/chatty", &[], "").await;
        assert_eq!((answer.status, &answer.body[..]), (418, "short and stout"));
        assert_eq!(answer.header("content-length"), "15");
        assert_eq!(answer.header("set-cookie"), "a=1 | b=2");
        assert_ne!(answer.header("x-request-id"), "not mine to say");
        for gone in ["connection", "keep-alive", "transfer-encoding", "x-private"] {
            assert_eq!(answer.header(gone), "", "{gone}");
        }
    }
}

#[tokio::test]
async fn head_is_answered_like_get_without_the_body() {
    let world = World::start().await;
    for mut client in [Client::http1(world.address).await, Client::http2(world.address).await] {
        for (path, status, length) in [
            ("/shop/api/chatty", 418, "15"),
            ("/shop/api/own", 200, "1234"),
            ("/shop/api/no-content", 204, ""),
            ("/shop/api/stream", 200, ""),
        ] {
            let answer = client.ask("HEAD", path, &[], "").await;
            let got = (answer.status, &answer.header("content-length")[..], &answer.body[..]);
            assert_eq!(got, (status, length, ""), "{path}");
        }
        let (missing, head) = ("/shop/api/nothing", client.ask("HEAD", "/shop/api/nothing", &[], "").await);
        let get = client.ask("GET", missing, &[], "").await;
        assert_eq!((head.status, head.body.len()), (404, 0));
        assert_eq!(head.header("content-length"), get.body.len().to_string());
        // The connection is still in step.
        assert_eq!(client.ask("GET", "/shop/api/chatty", &[], "").await.body, "short and stout");
    }
}

#[tokio::test]
async fn a_status_without_a_body_has_none() {
    let world = World::start().await;
    for mut client in [Client::http1(world.address).await, Client::http2(world.address).await] {
        for _ in 0..2 {
            let answer = client.ask("GET", "/shop/api/no-content", &[], "").await;
            assert_eq!((answer.status, &answer.body[..]), (204, ""));
        }
    }
}

#[tokio::test]
async fn a_body_is_streamed_and_its_failure_is_seen() {
    let world = World::start().await;
    for (mut good, mut bad) in [
        (Client::http1(world.address).await, Client::http1(world.address).await),
        (Client::http2(world.address).await, Client::http2(world.address).await),
    ] {
        let answer = good.ask("GET", "/shop/api/stream", &[], "").await;
        assert_eq!((answer.is_whole, &answer.body[..]), (true, "one two three"));
        let answer = bad.ask("GET", "/shop/api/broken-stream", &[], "").await;
        assert!(!answer.is_whole);
    }
    let chunked =
        send_raw(world.address, b"GET /shop/api/stream HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(chunked.contains("transfer-encoding: chunked"), "{chunked}");
    // A client of HTTP/1.0 knows no chunks.
    let plain = send_raw(world.address, b"GET /shop/api/stream HTTP/1.0\r\n\r\n").await;
    assert!(plain.ends_with("\r\n\r\none two three"), "{plain}");
}

#[tokio::test]
async fn a_failed_function_is_a_502_that_tells_no_secrets() {
    let world = World::start().await;
    let answer = world.get("/shop/api/fail").await;
    assert_eq!(answer.error(), (502, "function_failed".to_owned()));
    let invocation = answer.header("x-mu-invocation-id");
    assert_eq!(answer.json()["details"]["invocation"], invocation.as_str());
    let message = format!("the function failed; its log has the reason under invocation {invocation}");
    assert_eq!(answer.json()["message"], message);

    let shown = InvokeConfig { failure_detail: FailureDetail::Shown, ..InvokeConfig::default() };
    let world = World::with(GatewayConfig::default(), shown).await;
    let answer = world.get("/shop/api/fail").await;
    assert_eq!(answer.json()["message"], "the function failed: a secret of the function");
}

#[tokio::test]
async fn no_room_is_a_503_that_says_when_to_try_again() {
    let config = InvokeConfig { concurrency_max: 1, queue_max: 0, ..InvokeConfig::default() };
    let world = World::with(GatewayConfig::default(), config).await;
    let first = tokio::spawn({
        let address = world.address;
        async move { Client::http1(address).await.ask("GET", "/shop/api/gate", &[], "").await }
    });
    world.gate.entered().await;
    let refused = world.get("/shop/api/echo").await;
    assert_eq!(refused.error(), (503, "queue_full".to_owned()));
    assert_eq!(refused.header("retry-after"), "1");
    world.gate.open();
    assert_eq!(first.await.unwrap().status, 200);
}
