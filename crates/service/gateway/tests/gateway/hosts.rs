//! Hosts of gateways' own.

use mu_gateway::{HostRoute, Hosts};
use mu_stack::StackId;
use serde_json::json;

use crate::client::{Answer, Client, send_raw};
use crate::world::{KIOSK, STACK, World};

/// Asks with this host, by name, over either protocol.
async fn ask_host(world: &World, is_http2: bool, method: &str, host: &str, path: &str) -> Answer {
    let mut client = match is_http2 {
        true => Client::http2(world.address).await,
        false => Client::http1(world.address).await,
    };
    client.ask_host(method, host, path, &[], "").await
}

fn hosts() -> Hosts {
    let mut hosts = Hosts::default();
    let route = |stack, gateway: &str| HostRoute { stack, gateway: Some(gateway.parse().unwrap()) };
    hosts.route("api.example".parse().unwrap(), route(STACK, "api"));
    hosts.route("gone.example".parse().unwrap(), route(StackId::new([9; 32]), "api"));
    hosts.route("closed.example".parse().unwrap(), route(STACK, "nothing"));
    hosts.route("photos.example".parse().unwrap(), route(STACK, "photos"));
    let one_of = |stack| HostRoute { stack, gateway: None };
    hosts.route("one.example".parse().unwrap(), one_of(KIOSK));
    hosts.route("several.example".parse().unwrap(), one_of(STACK));
    hosts
}

#[tokio::test]
async fn a_host_of_its_own_belongs_to_one_gateway() {
    let world = World::start().await;
    world.deploy_kiosk().await;
    world.hosts.replace(hosts());
    for is_http2 in [false, true] {
        for (host, path, expected) in [
            ("api.example", "/echo", Ok("/echo")),
            ("API.Example:8443", "/echo", Ok("/echo")),
            ("api.example.", "/echo/a/x/b", Ok("/echo/a/x/b")),
            ("api.example", "/", Ok("/")),
            // There is nothing but the gateway, whatever the path looks like.
            ("api.example", "/shop/api/echo", Err(404)),
            ("api.example", "/shop/photos/cat", Err(404)),
            ("photos.example", "/cat", Err(404)),
            ("gone.example", "/echo", Err(404)),
            ("closed.example", "/echo", Err(404)),
            // A host for whichever gateway there is.
            ("one.example", "/echo", Ok("/echo")),
            ("several.example", "/echo", Err(404)),
            // Other hosts are as they always were.
            ("other.example", "/shop/api/echo", Ok("/echo")),
            ("127.0.0.1", "/shop/api/echo", Ok("/echo")),
            ("[::1]:80", "/shop/api/echo", Ok("/echo")),
            ("other.example", "/echo", Err(404)),
        ] {
            let answer = ask_host(&world, is_http2, "GET", host, path).await;
            match expected {
                Ok(path) => {
                    assert_eq!(answer.status, 200, "{host}{path}: {answer:?}");
                    assert_eq!(answer.json()["path"], json!(path), "{host}");
                }
                Err(status) => assert_eq!(answer.status, status, "{host}{path}: {answer:?}"),
            }
        }
    }
    // What is replaced counts at once.
    world.hosts.replace(Hosts::default());
    assert_eq!(ask_host(&world, false, "GET", "api.example", "/echo").await.status, 404);
}

/// Only who has a host today can prove it: the node answers nothing at the place of the proof, and no path there leads
/// to a stack.
#[tokio::test]
async fn the_node_proves_nothing() {
    let world = World::start().await;
    for method in ["GET", "HEAD"] {
        for host in ["claimed.example", "127.0.0.1"] {
            let path = "/.well-known/mu-domain-challenge/t0ken";
            let answer = ask_host(&world, false, method, host, path).await;
            assert_eq!(answer.status, 404, "{method} {host}: {answer:?}");
        }
    }
    assert!(world.sink.receipts().is_empty());
}

#[tokio::test]
async fn malformed_hosts_are_refused() {
    let world = World::start().await;
    for lines in ["", "host: a b\r\n", "host: a\r\nhost: b\r\n", "host: a:b\r\n", "host: a/b\r\n", "host: u@a\r\n"] {
        let request = format!("GET /shop/api/echo HTTP/1.1\r\n{lines}connection: close\r\n\r\n");
        let answer = send_raw(world.address, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("host_malformed"), "{lines:?}: {answer}");
    }
    for request in
        ["GET /shop/api/echo HTTP/1.0\r\n\r\n", "GET /shop/api/echo HTTP/1.1\r\nhost:\r\nconnection: close\r\n\r\n"]
    {
        let answer = send_raw(world.address, request.as_bytes()).await;
        assert!(answer.contains(" 200 "), "{request:?}: {answer}");
    }
}
