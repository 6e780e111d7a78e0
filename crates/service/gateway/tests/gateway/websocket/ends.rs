//! Connections that nobody uses, that nobody is behind any more, or whose node stops.

use std::time::Duration;

use mu_gateway::GatewayConfig;
use mu_invoke::InvokeConfig;
use tokio::time::Instant;

use super::client::{CLOSE, PING, PONG, Socket, closing};
use super::world::World;

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_pinged_and_then_given_up() {
    let world = World::start().await;
    let mut socket = Socket::open(world.address, "/shop/live/room/1").await;
    world.line().await;
    let start = Instant::now();
    assert_eq!(socket.next().await.unwrap().opcode, PING);
    assert_eq!(start.elapsed().as_secs(), 30);
    socket.send(PONG, b"").await;
    assert_eq!(socket.next().await.unwrap().opcode, PING);
    assert_eq!(start.elapsed().as_secs(), 60);
    // This one is not answered.
    assert_eq!(socket.next().await, None);
    assert_eq!(start.elapsed().as_secs(), 90);
    assert_eq!(world.line().await, "close 1006 ");
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_messages_ends_although_it_answers_pings() {
    let world = World::start().await;
    let mut socket = Socket::open(world.address, "/shop/live/room/1").await;
    socket.say("hi").await;
    socket.hear().await;
    let start = Instant::now();
    let frame = loop {
        let frame = socket.next().await.unwrap();
        if frame.opcode != PING {
            break frame;
        }
        socket.send(PONG, &frame.payload).await;
    };
    assert_eq!((frame.opcode, frame.payload), (CLOSE, closing(1000, "idle")));
    assert_eq!(start.elapsed().as_secs(), 300);
    socket.send(CLOSE, &closing(1000, "idle")).await;
    assert_eq!(socket.next().await, None);
    assert_eq!(start.elapsed().as_secs(), 300);
    for expected in ["open GET /room/1 room=1", "message text hi", "close 1000 idle"] {
        assert_eq!(world.line().await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_answer_the_end_is_cut() {
    let world = World::start().await;
    let mut socket = Socket::open(world.address, "/shop/live/room/1").await;
    let start = Instant::now();
    socket.say("status 404").await;
    assert_eq!(socket.closed().await.0, 1008);
    // The function is told at once.
    for expected in ["open", "message", "close"] {
        assert!(world.line().await.starts_with(expected));
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(socket.next().await, None);
    assert_eq!(start.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn a_node_that_stops_says_so_and_tells_the_functions() {
    let world = World::start().await;
    let mut sockets = Vec::new();
    for room in 1..=3 {
        sockets.push(Socket::open(world.address, &format!("/shop/live/room/{room}")).await);
        world.line().await;
    }
    sockets[0].say("gate").await;
    world.line().await;
    world.env.tasks().shutdown().request();
    for socket in &mut sockets {
        assert_eq!(socket.goodbye().await, (1001, "the node stops".to_owned()));
    }
    assert_eq!(world.line().await, "close 1001 the node stops");
    assert_eq!(world.line().await, "close 1001 the node stops");
    // The message that the handler is at work on is finished first.
    assert!(!world.serving.is_finished());
    world.gate.add_permits(1);
    assert_eq!(world.line().await, "close 1001 the node stops");
    world.serving.await.unwrap();
}

#[tokio::test]
async fn what_does_not_finish_in_time_is_cut() {
    let config = GatewayConfig { drain_timeout: Duration::from_millis(10), ..GatewayConfig::default() };
    let world = World::with(config, InvokeConfig::default()).await;
    let mut socket = Socket::open(world.address, "/shop/live/room/1").await;
    world.line().await;
    socket.say("gate").await;
    world.line().await;
    world.env.tasks().shutdown().request();
    assert_eq!(socket.closed().await.0, 1001);
    world.serving.await.unwrap();
    world.deployment.drained().await;
    assert_eq!(world.receipts.lines().last().unwrap(), "message live /room/{room} Abandoned");
}

#[tokio::test]
async fn a_client_that_goes_during_its_handshake_leaves_nothing() {
    let world = World::start().await;
    let address = world.address;
    let asking = tokio::spawn(async move { Socket::open(address, "/shop/live/room/1?gate=1").await });
    assert!(world.line().await.starts_with("open"));
    assert_eq!(world.invoker.sockets().count(), 1);
    asking.abort();
    while world.invoker.sockets().count() > 0 {
        tokio::task::yield_now().await;
    }
    world.deployment.drained().await;
    assert_eq!(world.receipts.lines(), ["open live /room/{room} Abandoned"]);
    assert!(world.has_no_event().await);
}
