//! Messages as the function sees them, and its answers.

use mu_gateway::GatewayConfig;
use mu_invoke::InvokeConfig;

use super::client::{BINARY, CLOSE, CONTINUATION, Frame, PING, PONG, Socket, TEXT, closing, frame, part};
use super::world::{MANIFEST, World};

#[tokio::test]
async fn messages_are_answered_in_their_kind() {
    let world = World::start().await;
    let mut socket = Socket::open(world.address, "/shop/live/room/1").await;
    world.line().await;
    for (opcode, payload, seen, answered) in [
        (TEXT, &b"hello"[..], "message text hello", (TEXT, &b"hello"[..])),
        (TEXT, b"", "message text ", (TEXT, b"")),
        (BINARY, b"same ", "message binary same ", (BINARY, b"same ")),
        (BINARY, b"hello", "message binary hello", (BINARY, b"hello")),
        (BINARY, b"same kind", "message binary same kind", (BINARY, b"same kind")),
        (TEXT, b"same kind", "message text same kind", (TEXT, b"same kind")),
        (
            TEXT,
            b"as application/octet-stream",
            "message text as application/octet-stream",
            (BINARY, b"as application/octet-stream"),
        ),
        (BINARY, b"as application/json", "message binary as application/json", (TEXT, b"as application/json")),
        (BINARY, b"as text/plain \xff", "message binary as text/plain \u{fffd}", (BINARY, b"as text/plain \xff")),
        (TEXT, b"status 204", "message text status 204", (TEXT, b"")),
    ] {
        socket.send(opcode, payload).await;
        assert_eq!(world.line().await, seen);
        if !answered.1.is_empty() {
            assert_eq!(socket.next().await, Some(Frame { opcode: answered.0, payload: answered.1.to_vec() }));
        }
    }
    // An empty body with a content type is an empty message.
    socket.say("empty text/plain").await;
    assert_eq!(socket.hear().await, "");
    // A message without an answer is followed by the next one's.
    socket.say("nothing").await;
    socket.say("after").await;
    assert_eq!(socket.hear().await, "after");
}

#[tokio::test]
async fn fragments_are_put_together_and_pings_are_answered_between_them() {
    let world = World::start().await;
    let mut socket = Socket::open(world.address, "/shop/live/room/1").await;
    world.line().await;
    let frames = [
        part(TEXT, "caf\u{e9}".as_bytes().split_last().unwrap().1),
        frame(PING, b"1"),
        part(CONTINUATION, b""),
        frame(PING, b"2"),
        frame(PONG, b"unasked"),
        frame(CONTINUATION, b"\xa9!"),
    ];
    // All at once, and byte by byte.
    socket.write(&frames.concat()).await;
    for round in 0..2 {
        for payload in [b"1", b"2"] {
            assert_eq!(socket.next().await, Some(Frame { opcode: PONG, payload: payload.to_vec() }));
        }
        assert_eq!(socket.hear().await, "caf\u{e9}!");
        if round == 0 {
            for byte in frames.concat() {
                socket.write(&[byte]).await;
            }
        }
    }
}

#[tokio::test]
async fn one_event_at_a_time_in_their_order_and_pings_are_answered_meanwhile() {
    let world = World::start().await;
    let mut socket = Socket::open(world.address, "/shop/live/room/1").await;
    world.line().await;
    socket.say("gate 1").await;
    socket.say("2").await;
    socket.say("3").await;
    socket.send(PING, b"are you there").await;
    assert_eq!(socket.next().await, Some(Frame { opcode: PONG, payload: b"are you there".to_vec() }));
    assert_eq!(world.line().await, "message text gate 1");
    assert!(world.has_no_event().await);
    world.gate.add_permits(1);
    for expected in ["gate 1", "2", "3"] {
        assert_eq!(socket.hear().await, expected);
    }
    // That the client goes is noticed while the handler works; the event comes when it has finished.
    socket.say("gate 2").await;
    socket.say("read ahead").await;
    socket.send(PING, b"").await;
    assert_eq!(socket.next().await.unwrap().opcode, PONG);
    drop(socket);
    for expected in ["message text 2", "message text 3", "message text gate 2"] {
        assert_eq!(world.line().await, expected);
    }
    while world.invoker.sockets().count() > 0 {
        tokio::task::yield_now().await;
    }
    assert!(world.has_no_event().await);
    world.gate.add_permits(1);
    assert_eq!(world.line().await, "message text read ahead");
    assert_eq!(world.line().await, "close 1006 ");
}

#[tokio::test]
async fn a_goodbye_is_answered_when_what_came_before_it_is() {
    let world = World::start().await;
    let mut socket = Socket::open(world.address, "/shop/live/room/1").await;
    socket.write(&[frame(TEXT, b"1"), frame(TEXT, b"2"), frame(CLOSE, &closing(4001, "enough"))].concat()).await;
    assert_eq!(socket.hear().await, "1");
    assert_eq!(socket.hear().await, "2");
    assert_eq!(socket.goodbye().await, (4001, "enough".to_owned()));
    for expected in ["open GET /room/1 room=1", "message text 1", "message text 2", "close 4001 enough"] {
        assert_eq!(world.line().await, expected);
    }
    let receipts = world.receipts.lines();
    assert_eq!(receipts.last().unwrap(), "close live /room/{room} Answered(200)");
}

#[tokio::test]
async fn statuses_and_failures_end_the_connection() {
    let world = World::start().await;
    for (said, code) in
        [("status 404", 1008), ("status 500", 1011), ("status 302", 1011), ("fail", 1011), ("many 70000", 1011)]
    {
        let mut socket = Socket::open(world.address, "/shop/live/room/1").await;
        world.line().await;
        socket.write(&[frame(TEXT, said.as_bytes()), frame(TEXT, b"not read any more")].concat()).await;
        let (found, reason) = socket.goodbye().await;
        // The reason is the invocation, which says nothing of the function's own.
        assert_eq!((found, reason.len()), (code, 32), "{said}: {reason}");
        assert_eq!(world.line().await, format!("message text {said}"));
        assert_eq!(world.line().await, format!("close {code} {reason}"));
    }
}

#[tokio::test]
async fn a_connection_outlives_versions_of_its_stack_but_not_its_route() {
    let world = World::start().await;
    let mut socket = Socket::open(world.address, "/shop/live/room/1").await;
    world.line().await;
    world.deploy(&MANIFEST.replace("/room/{room}", "/room/{place}")).await;
    socket.say("still here").await;
    assert_eq!(socket.hear().await, "still here");
    assert_eq!(world.line().await, "message text still here");
    assert_eq!(
        world.receipts.lines(),
        ["open live /room/{room} Answered(200)", "message live /room/{place} Answered(200)"]
    );
    world.deploy(&MANIFEST.replace("/room/{room}", "/elsewhere")).await;
    socket.say("anyone").await;
    assert_eq!(socket.goodbye().await, (1001, "the route is gone".to_owned()));
    assert!(world.has_no_event().await);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_finds_no_room_is_tried_again() {
    let config = InvokeConfig { concurrency_max: 1, queue_max: 0, ..InvokeConfig::default() };
    let world = World::with(GatewayConfig::default(), config).await;
    let mut first = Socket::open(world.address, "/shop/live/room/1").await;
    let mut second = Socket::open(world.address, "/shop/live/room/2").await;
    first.say("gate").await;
    for _ in 0..3 {
        world.line().await;
    }
    second.say("patience").await;
    // The first refusal; the retry comes after a while.
    while !world.receipts.lines().iter().any(|line| line.contains("Rejected")) {
        tokio::task::yield_now().await;
    }
    world.gate.add_permits(1);
    assert_eq!(second.hear().await, "patience");
    assert_eq!(first.hear().await, "gate");
}

#[tokio::test]
async fn bytes_of_messages_are_traffic() {
    let world = World::start().await;
    let traffic = || {
        let usage = world.deployment.meter().totals().usage;
        (usage.gateway_requests, usage.gateway_traffic_bytes)
    };
    let mut socket = Socket::open(world.address, "/shop/live/room/1").await;
    socket.say("12345").await;
    socket.hear().await;
    let (requests, before) = traffic();
    assert_eq!(requests, 1);
    socket.say("1234567").await;
    socket.hear().await;
    assert_eq!(traffic(), (1, before + 14));
}
