//! From a URL to a handler.

use serde_json::{Value, json};

use crate::client::Client;
use crate::world::{STACK, World};

/// What the handler saw in a header; null when it was not there.
pub(crate) fn seen<'a>(echo: &'a Value, name: &str) -> Vec<&'a str> {
    let headers = echo["headers"].as_array().unwrap();
    headers.iter().filter(|header| header[0] == name).map(|header| header[1].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_request_reaches_the_handler_of_its_route() {
    let world = World::start().await;
    for mut client in [Client::http1(world.address).await, Client::http2(world.address).await] {
        for (path, expected_path, params, query) in [
            ("/shop/api/echo", "/echo", json!([]), json!([])),
            ("/shop/api", "/", json!([]), json!([])),
            ("/shop/api/", "/", json!([]), json!([])),
            (&format!("/{STACK}/api/echo"), "/echo", json!([]), json!([])),
            ("/sh%6Fp/%61pi/%65cho", "/%65cho", json!([]), json!([])),
            ("/shop/api/caf%C3%A9", "/caf%C3%A9", json!([]), json!([])),
            (
                "/shop/api/echo/a%20b/x/c%2Fd",
                "/echo/a%20b/x/c%2Fd",
                json!([["first", "a b"], ["second", "c/d"]]),
                json!([]),
            ),
            (
                "/shop/api/echo?tag=x&tag=y&q=a+b%26c&flag",
                "/echo",
                json!([]),
                json!([["tag", "x"], ["tag", "y"], ["q", "a b&c"], ["flag", ""]]),
            ),
        ] {
            let answer = client.ask("GET", path, &[], "").await;
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
            let echo = answer.json();
            let got = (&echo["method"], &echo["path"], &echo["params"], &echo["query"]);
            assert_eq!(got, (&json!("GET"), &json!(expected_path), &params, &query), "{path}");
        }
    }
}

#[tokio::test]
async fn a_body_and_headers_reach_the_handler() {
    let world = World::start().await;
    for mut client in [Client::http1(world.address).await, Client::http2(world.address).await] {
        let headers = [("x-twice", "1"), ("x-twice", "2"), ("x-text", "café"), ("cookie", "a=1"), ("cookie", "b=2")];
        let body = "bytes ".repeat(50_000);
        let answer = client.ask("POST", "/shop/api/echo", &headers, &body).await;
        let echo = answer.json();
        assert_eq!(echo["body"], json!(body));
        assert_eq!(seen(&echo, "x-twice"), ["1", "2"]);
        assert_eq!(seen(&echo, "x-text"), ["café"]);
        assert_eq!(seen(&echo, "host"), [world.address.to_string()]);
        if matches!(client, Client::Http2(..)) {
            assert_eq!(seen(&echo, "cookie"), ["a=1; b=2"]);
        }
    }
}

#[tokio::test]
async fn headers_about_the_connection_stay_at_the_gateway() {
    let world = World::start().await;
    let headers = [("connection", "x-private, keep-alive"), ("x-private", "1"), ("te", "trailers"), ("x-public", "2")];
    let echo = world.ask("GET", "/shop/api/echo", &headers).await.json();
    for gone in ["connection", "x-private", "te"] {
        assert!(seen(&echo, gone).is_empty(), "{gone}: {echo}");
    }
    assert_eq!(seen(&echo, "x-public"), ["2"]);
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let world = World::start().await;
    for (path, message) in [
        (
            "/",
            "this is a gateway of mu: a function answers at /{stack}/{gateway}/{path}, an object of a public box at /{stack}/{box}/{key}",
        ),
        (
            "/healthz",
            "this is a gateway of mu: a function answers at /{stack}/{gateway}/{path}, an object of a public box at /{stack}/{box}/{key}",
        ),
        ("/cinema/api/echo", "no stack with the id or name `cinema` is deployed here"),
        ("/shop/nowhere/echo", "stack `shop` has no gateway or public box `nowhere`"),
        ("/shop/secrets/key", "stack `shop` has no gateway or public box `secrets`"),
        ("/shop/api/nothing", "gateway `api` of stack `shop` has no path `/nothing`"),
        ("/shop/api/echo/", "gateway `api` of stack `shop` has no path `/echo/`"),
    ] {
        let answer = world.get(path).await;
        assert_eq!(answer.error(), (404, "not_found".to_owned()), "{path}");
        assert_eq!(answer.json()["message"], json!(message), "{path}");
        assert_eq!(answer.header("content-type"), "application/json");
    }
    let details = world.get("/shop/api/nothing").await.json()["details"].clone();
    assert_eq!(details, json!({"stack": "shop", "gateway": "api", "path": "/nothing"}));
    assert_eq!(world.sink.receipts().len(), 0);
}

#[tokio::test]
async fn a_name_of_two_stacks_is_refused_and_their_ids_are_not() {
    let world = World::start().await;
    world.deploy_twin().await;
    assert_eq!(world.get("/shop/api/echo").await.error(), (404, "ambiguous_name".to_owned()));
    assert_eq!(world.get(&format!("/{STACK}/api/echo")).await.status, 200);
}

#[tokio::test]
async fn malformed_requests_are_the_clients_fault() {
    let world = World::start().await;
    for (path, header, message) in [
        ("/shop/api/echo?a=%ff", "", "`%ff` in the query is not UTF-8 when decoded"),
        ("/%ff/api/echo", "", "`%ff` in the path is not UTF-8 when decoded"),
        ("/shop/api/%ff", "", "the path `/%ff` cannot be percent-decoded"),
        ("/shop/api/%zz", "", "the path `/%zz` cannot be percent-decoded"),
    ] {
        let answer = world.ask("GET", path, &[("x-any", header)]).await;
        assert_eq!(answer.error(), (400, "invalid".to_owned()), "{path}");
        assert_eq!(answer.json()["message"], json!(message), "{path}");
    }
    let request = b"GET /shop/api/echo HTTP/1.1\r\nhost: x\r\nx-user: caf\xe9\r\nconnection: close\r\n\r\n";
    let answer = crate::client::send_raw(world.address, request).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("the value of the header `x-user` is not UTF-8"), "{answer}");
}

#[tokio::test]
async fn the_wrong_method_is_told_the_right_ones() {
    let world = World::start().await;
    for mut client in [Client::http1(world.address).await, Client::http2(world.address).await] {
        for (method, path, status, allow) in [
            ("DELETE", "/shop/api/echo", 405, "GET, HEAD, POST, PUT, OPTIONS"),
            ("PURGE", "/shop/api/echo", 405, "GET, HEAD, POST, PUT, OPTIONS"),
            ("TRACE", "/shop/api/own", 405, "GET, HEAD, OPTIONS"),
            ("PURGE", "/shop/api/nothing", 404, ""),
            ("OPTIONS", "/shop/api/echo", 204, "GET, HEAD, POST, PUT, OPTIONS"),
            ("OPTIONS", "/shop/api/nothing", 404, ""),
            ("OPTIONS", "/shop/api/own", 200, ""),
        ] {
            let answer = client.ask(method, path, &[], "").await;
            assert_eq!((answer.status, &answer.header("allow")[..]), (status, allow), "{method} {path}");
        }
    }
    let answer = world.ask("DELETE", "/shop/api/echo", &[]).await;
    let expected = json!({
        "code": "method_not_allowed",
        "message": "the path `/echo` has no DELETE; it has GET, HEAD, POST, PUT, OPTIONS",
        "details": {"allow": "GET, HEAD, POST, PUT, OPTIONS"},
    });
    assert_eq!(answer.json(), expected);
}

#[tokio::test]
async fn a_request_keeps_its_id_or_gets_one() {
    let world = World::start().await;
    for mut client in [Client::http1(world.address).await, Client::http2(world.address).await] {
        let answer = client.ask("GET", "/shop/api/echo", &[("x-request-id", "mine-1")], "").await;
        assert_eq!(answer.header("x-request-id"), "mine-1");
        assert_eq!(seen(&answer.json(), "x-request-id"), ["mine-1"]);
        let receipt = world.sink.receipts().remove(0);
        assert_eq!(answer.header("x-mu-invocation-id"), receipt.invocation.to_string());

        for unfit in ["", "two words"] {
            let answer = client.ask("GET", "/shop/api/echo", &[("x-request-id", unfit)], "").await;
            let id = answer.header("x-mu-invocation-id");
            assert_eq!(
                (answer.header("x-request-id"), seen(&answer.json(), "x-request-id")),
                (id.clone(), vec![&id[..]])
            );
            world.sink.receipts();
        }
        let answer = client.ask("GET", "/shop/api/nothing", &[], "").await;
        assert_eq!((answer.header("x-request-id").len(), answer.header("x-mu-invocation-id")), (32, String::new()));
    }
}
