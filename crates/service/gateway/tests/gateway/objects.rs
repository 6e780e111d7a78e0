//! Objects of public boxes.

use bytes::Bytes;
use serde_json::json;

use crate::client::Client;
use crate::world::{STACK, World};

/// Larger than what is read from the store at once.
fn large() -> String {
    (0..100_000).map(|number| format!("{number:06}")).collect()
}

async fn world() -> World {
    let world = World::start().await;
    for (box_name, key, content) in [
        ("photos", "a.png", "not really a picture".to_owned()),
        ("photos", "deep/path to/é.html", "<p>".to_owned()),
        ("photos", "noextension", "0123456789".to_owned()),
        ("photos", "empty.txt", String::new()),
        ("photos", "large.bin", large()),
        ("secrets", "key", "secret".to_owned()),
    ] {
        world.boxes.put(STACK.key(), box_name, key, Bytes::from(content)).await.unwrap();
    }
    world
}

#[tokio::test]
async fn everyone_may_read_an_object() {
    let world = world().await;
    for mut client in [Client::http1(world.address).await, Client::http2(world.address).await] {
        for (path, body, content_type) in [
            ("/shop/photos/a.png", "not really a picture", "image/png"),
            ("/shop/photos/deep/path%20to/%C3%A9.html", "<p>", "text/html"),
            ("/shop/photos/noextension", "0123456789", "application/octet-stream"),
            ("/shop/photos/empty.txt", "", "text/plain"),
            ("/shop/photos/large.bin", &large(), "application/octet-stream"),
        ] {
            for method in ["GET", "HEAD"] {
                let answer = client.ask(method, path, &[], "").await;
                assert_eq!((answer.status, answer.is_whole), (200, true), "{path}");
                assert!(answer.body == if method == "GET" { body } else { "" }, "{path}");
                let headers = ["content-length", "content-type", "accept-ranges", "x-content-type-options"];
                let expected = [&body.len().to_string()[..], content_type, "bytes", "nosniff"];
                assert_eq!(headers.map(|name| answer.header(name)), expected, "{method} {path}");
                assert_eq!(answer.header("etag").len(), 34, "{answer:?}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_not_public_or_not_there_is_not_found() {
    let world = world().await;
    for path in ["/shop/secrets/key", "/shop/photos/b.png", "/shop/photos/", "/shop/photos", "/shop/photos//a.png"] {
        assert_eq!(world.get(path).await.error(), (404, "not_found".to_owned()), "{path}");
    }
    let long = "k".repeat(2000);
    assert_eq!(world.get(&format!("/shop/photos/{long}")).await.status, 404);
    let answer = world.get("/shop/photos/b.png").await.json();
    assert_eq!(answer["message"], json!("box `photos` of stack `shop` has no object `b.png`"));
    assert_eq!(answer["details"], json!({"stack": "shop", "box": "photos", "key": "b.png"}));
    assert_eq!(world.get("/shop/photos/%ff").await.status, 400);
}

#[tokio::test]
async fn an_object_can_be_read_in_parts() {
    let world = world().await;
    let large = large();
    for mut client in [Client::http1(world.address).await, Client::http2(world.address).await] {
        for (path, range, status, body, content_range) in [
            ("/shop/photos/noextension", "bytes=2-4", 206, "234", "bytes 2-4/10"),
            ("/shop/photos/noextension", "bytes=-3", 206, "789", "bytes 7-9/10"),
            ("/shop/photos/noextension", "bytes=0-99", 206, "0123456789", "bytes 0-9/10"),
            ("/shop/photos/noextension", "bytes=1-2,4-5", 200, "0123456789", ""),
            ("/shop/photos/large.bin", "bytes=65530-262150", 206, &large[65530..262_151], "bytes 65530-262150/600000"),
        ] {
            let answer = client.ask("GET", path, &[("range", range)], "").await;
            assert_eq!((answer.status, &answer.header("content-range")[..]), (status, content_range), "{range}");
            assert_eq!(answer.header("content-length"), body.len().to_string());
            assert!(answer.body == body, "{range}");
        }
        let answer = client.ask("GET", "/shop/photos/noextension", &[("range", "bytes=10-")], "").await;
        assert_eq!(answer.error(), (416, "range_not_satisfiable".to_owned()));
        assert_eq!(answer.header("content-range"), "bytes */10");
        let answer = client.ask("HEAD", "/shop/photos/noextension", &[("range", "bytes=2-4")], "").await;
        assert_eq!((answer.status, &answer.header("content-length")[..]), (200, "10"));
    }
}

#[tokio::test]
async fn a_client_that_has_the_object_need_not_read_it_again() {
    let world = world().await;
    let path = "/shop/photos/noextension";
    let etag = world.get(path).await.header("etag");
    for (method, header, value, status) in [
        ("GET", "if-none-match", &etag[..], 304),
        ("HEAD", "if-none-match", &etag, 304),
        ("GET", "if-none-match", "\"other\"", 200),
        ("GET", "if-match", &etag, 200),
        ("GET", "if-match", "\"other\"", 412),
    ] {
        let answer = world.ask(method, path, &[(header, value)]).await;
        assert_eq!(answer.status, status, "{method} {header}");
        if status == 304 {
            assert_eq!((answer.header("etag"), &answer.body[..]), (etag.clone(), ""));
        }
    }
    let ranged = |tag: String| {
        let world = &world;
        async move { world.ask("GET", path, &[("range", "bytes=0-0"), ("if-range", &tag)]).await.status }
    };
    assert_eq!((ranged(etag.clone()).await, ranged("\"other\"".to_owned()).await), (206, 200));
    world.boxes.put(STACK.key(), "photos", "noextension", Bytes::from_static(b"new")).await.unwrap();
    assert_eq!(world.ask("GET", path, &[("if-none-match", &etag)]).await.body, "new");
}

#[tokio::test]
async fn objects_are_only_read() {
    let world = world().await;
    for (method, status) in [("PUT", 405), ("POST", 405), ("DELETE", 405), ("PURGE", 405), ("OPTIONS", 204)] {
        let answer = world.ask(method, "/shop/photos/a.png", &[]).await;
        assert_eq!((answer.status, &answer.header("allow")[..]), (status, "GET, HEAD, OPTIONS"), "{method}");
    }
}

#[tokio::test]
async fn reading_an_object_is_counted() {
    let world = world().await;
    let mut client = Client::http1(world.address).await;
    let answer = client.ask("GET", "/shop/photos/noextension", &[("range", "bytes=0-4")], "").await;
    client.ask("GET", "/shop/photos/nothing", &[], "").await;
    let usage = world.deployment.meter().totals().usage;
    assert_eq!((usage.gateway_requests, usage.storage_reads, usage.storage_read_bytes), (1, 1, 5));
    let request = "/shop/photos/noextension".len() + "host".len() + world.address.to_string().len();
    let sent = ["accept-ranges", "content-length", "content-range", "content-type", "etag", "x-content-type-options"];
    let response: usize = sent.iter().map(|name| name.len() + answer.header(name).len()).sum();
    assert_eq!(usage.gateway_traffic_bytes, (request + "rangebytes=0-4".len() + response + 5) as u64);
}
