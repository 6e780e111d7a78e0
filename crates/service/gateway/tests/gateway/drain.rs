//! How a gateway stops.

use std::time::Duration;

use mu_gateway::{Gateway, GatewayConfig};
use mu_invoke::{InvokeConfig, Verdict};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::client::Client;
use crate::world::World;

#[tokio::test]
async fn requests_under_way_finish_and_new_connections_are_refused() {
    let world = World::start().await;
    let mut under_way = Vec::new();
    for mut client in [Client::http1(world.address).await, Client::http2(world.address).await] {
        under_way.push(tokio::spawn(async move { client.ask("GET", "/shop/api/gate", &[], "").await }));
        world.gate.entered().await;
    }
    let mut idle = TcpStream::connect(world.address).await.unwrap();
    let mut used = Client::http1(world.address).await;
    used.ask("GET", "/shop/api/echo", &[], "").await;

    world.env.tasks().shutdown().request();
    // The idle connection is closed at once.
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap_or(0), 0);
    assert!(!world.serving.is_finished());
    assert!(TcpStream::connect(world.address).await.is_err());
    for client in under_way {
        world.gate.open();
        let answer = client.await.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (200, "through the gate"));
    }
    world.serving.await.unwrap();
}

#[tokio::test]
async fn what_does_not_finish_in_time_is_cut() {
    let config = GatewayConfig { drain_timeout: Duration::from_millis(10), ..GatewayConfig::default() };
    let world = World::with(config, InvokeConfig::default()).await;
    let mut streams = Vec::new();
    for protocol in ["http1", "http2"] {
        let address = world.address;
        streams.push(tokio::spawn(async move {
            let mut client = match protocol {
                "http1" => Client::http1(address).await,
                _ => Client::http2(address).await,
            };
            client.ask("GET", "/shop/api/gate", &[], "").await
        }));
        world.gate.entered().await;
    }
    world.env.tasks().shutdown().request();
    world.serving.await.unwrap();
    for stream in streams {
        assert!(stream.await.is_err());
    }
    world.deployment.drained().await;
    let verdicts: Vec<_> = world.sink.receipts().iter().map(|receipt| receipt.verdict).collect();
    assert_eq!(verdicts, [Verdict::Abandoned; 2]);
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let world = World::start().await;
    let taken = Gateway::bind(world.address, world.env.clone(), world.invoker.clone(), GatewayConfig::default());
    let message = taken.err().unwrap().to_string();
    let expected = format!("the gateway cannot listen on {}: ", world.address);
    assert!(message.starts_with(&expected), "{message}");
}
