//! What a request is counted as.

use http::Method;
use mu_invoke::{Cause, Verdict};
use serde_json::Value;

use crate::client::Client;
use crate::world::World;

/// The stack's requests and bytes so far. A response is counted once its connection is done with it.
async fn counted(world: &World) -> (u64, u64) {
    let usage = world.deployment.meter().totals().usage;
    (usage.gateway_requests, usage.gateway_traffic_bytes)
}

#[tokio::test]
async fn a_matched_request_is_counted_with_every_byte_of_it() {
    let world = World::start().await;
    let mut client = Client::http1(world.address).await;
    client.ask("GET", "/shop/api/nothing", &[], "").await;
    client.ask("GET", "/cinema/api/echo", &[], "").await;
    client.ask("DELETE", "/shop/api/echo", &[], "").await;
    assert_eq!(counted(&world).await, (0, 0));

    let path = "/shop/api/chatty?q=1";
    client.ask("GET", path, &[("x-any", "value")], "").await;
    // The next request on the same connection is read after the first one is done with.
    client.ask("GET", "/shop/api/nothing", &[], "").await;
    let request = "/shop/api/chattyq=1".len() + "host".len() + world.address.to_string().len() + "x-anyvalue".len();
    let response = "set-cookiea=1set-cookieb=2x-request-idnot mine to say".len() + "short and stout".len();
    assert_eq!(counted(&world).await, (1, (request + response) as u64));
}

#[tokio::test]
async fn the_body_of_a_request_is_counted_as_it_was_read() {
    let world = World::start().await;
    let mut client = Client::http1(world.address).await;
    for body in ["", "12345", &"many bytes ".repeat(20_000)] {
        let before = counted(&world).await.1;
        let answer = client.ask("PUT", "/shop/api/echo", &[("x-request-id", "1")], body).await;
        client.ask("GET", "/shop/api/nothing", &[], "").await;
        // The handler answers with the headers it saw, which are those that were sent.
        let headers = answer.json()["headers"].clone();
        let header_bytes = |header: &Value| header[0].as_str().unwrap().len() + header[1].as_str().unwrap().len();
        let sent: usize = headers.as_array().unwrap().iter().map(header_bytes).sum();
        let received = "content-typeapplication/json".len() + answer.body.len();
        let expected = "/shop/api/echo".len() + sent + body.len() + received;
        assert_eq!(counted(&world).await.1 - before, expected as u64);
    }
}

#[tokio::test]
async fn a_receipt_says_which_route_it_was() {
    let world = World::start().await;
    world.get("/shop/api/echo/1/x/2").await;
    let receipt = world.sink.receipts().remove(0);
    let Cause::Gateway { gateway, method, template } = &receipt.cause else { panic!("{:?}", receipt.cause) };
    assert_eq!((&**gateway, method, template.as_str()), ("api", &Method::GET, "/echo/{first}/x/{second}"));
    assert_eq!(receipt.verdict, Verdict::Answered(http::StatusCode::OK));
    assert_eq!(receipt.usage.instructions, 10);
}
