//! Cross-origin requests.

use crate::world::{OWN_CORS, World};

const ALLOW_ORIGIN: &str = "access-control-allow-origin";

#[tokio::test]
async fn a_listed_origin_may_read_every_response() {
    let world = World::start().await;
    for (origin, permitted) in [("https://a.example", true), ("https://c.example", false), ("null", false)] {
        // A failure can be read as well.
        for (method, path, status) in
            [("GET", "/shop/listed/", 200), ("POST", "/shop/listed/", 502), ("GET", "/shop/listed/none", 404)]
        {
            let answer = world.ask(method, path, &[("origin", origin)]).await;
            assert_eq!(answer.status, status, "{path}");
            let expected = if permitted { [origin, "true", "x-three"] } else { [""; 3] };
            let headers = [ALLOW_ORIGIN, "access-control-allow-credentials", "access-control-expose-headers"];
            assert_eq!(headers.map(|name| answer.header(name)), expected, "{method} {path}");
            assert_eq!(answer.header("vary"), "origin");
        }
    }
    // A response to nobody in particular must not be cached for everybody.
    let answer = world.get("/shop/listed/").await;
    assert_eq!((answer.header("vary"), answer.header(ALLOW_ORIGIN)), ("origin".to_owned(), String::new()));
}

#[tokio::test]
async fn a_preflight_is_answered_by_the_manifest() {
    let world = World::start().await;
    for (path, origin, expected) in [
        (
            "/shop/listed/",
            "https://b.example",
            ["https://b.example", "GET, HEAD, POST, OPTIONS", "x-one, x-two", "600"],
        ),
        ("/shop/listed/", "https://c.example", [""; 4]),
        ("/shop/anyone/", "https://c.example", ["*", "GET", "x-asked", ""]),
    ] {
        let asked = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "x-asked"),
        ];
        let answer = world.ask("OPTIONS", path, &asked).await;
        let headers =
            [ALLOW_ORIGIN, "access-control-allow-methods", "access-control-allow-headers", "access-control-max-age"];
        assert_eq!(
            (answer.status, headers.map(|name| answer.header(name))),
            (204, expected.map(str::to_owned)),
            "{path}"
        );
    }
    // No handler ran, though one of the routes has an OPTIONS handler of its own; a plain OPTIONS reaches it.
    assert!(world.sink.receipts().is_empty());
    assert_eq!(world.ask("OPTIONS", "/shop/listed/", &[("origin", "https://a.example")]).await.status, 200);
    assert_eq!(world.sink.receipts().len(), 1);
}

#[tokio::test]
async fn without_rules_the_gateway_says_nothing_and_with_rules_it_overrules_the_function() {
    let world = World::start().await;
    let asked = [("origin", "https://a.example"), ("access-control-request-method", "GET")];
    let answer = world.ask("OPTIONS", "/shop/api/echo", &asked).await;
    assert_eq!((answer.status, answer.header(ALLOW_ORIGIN)), (204, String::new()));
    let answer = world.ask("GET", "/shop/anyone/own-cors", &[("origin", "https://a.example")]).await;
    let stated = OWN_CORS.map(|(name, _)| answer.header(name));
    assert_eq!(stated, ["*", "", "", "", "", ""]);
    let answer = world.ask("GET", "/shop/api/own-cors", &[("origin", "https://a.example")]).await;
    assert_eq!(OWN_CORS.map(|(name, _)| answer.header(name)), OWN_CORS.map(|(_, value)| value));
}
