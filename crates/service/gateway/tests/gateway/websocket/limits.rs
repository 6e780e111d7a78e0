//! Clients that send too much, or take too little.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use super::client::{CONTINUATION, PING, PONG, Socket, TEXT, frame, part};
use super::world::World;

/// The rate is 50 per second, and twice as many at once.
#[tokio::test(start_paused = true)]
async fn a_flood_is_read_slowly_and_nothing_is_lost() {
    let world = World::start().await;
    let mut socket = Socket::open(world.address, "/shop/live/room/1").await;
    let start = Instant::now();
    let flood: Vec<u8> = (0..200).flat_map(|index| frame(TEXT, format!("{index}").as_bytes())).collect();
    socket.write(&flood).await;
    for index in 0..200 {
        assert_eq!(socket.hear().await, index.to_string());
        let rate = if index < 100 { 0 } else { (index - 99) * 20 };
        assert_eq!(start.elapsed().as_millis() / 20, rate / 20, "{index}");
    }
}

#[tokio::test(start_paused = true)]
async fn pings_and_empty_parts_count_like_messages() {
    let world = World::start().await;
    let mut socket = Socket::open(world.address, "/shop/live/room/1").await;
    let start = Instant::now();
    let parts: Vec<u8> = (0..49).flat_map(|_| part(CONTINUATION, b"")).collect();
    let pings: Vec<u8> = (0..50).flat_map(|_| frame(PING, b"")).collect();
    socket.write(&[part(TEXT, b""), parts, pings, frame(CONTINUATION, b"end")].concat()).await;
    for _ in 0..50 {
        assert_eq!(socket.next().await.unwrap().opcode, PONG);
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(socket.hear().await, "end");
    assert_eq!(start.elapsed().as_millis(), 20);
}

#[tokio::test(start_paused = true)]
async fn behind_a_slow_handler_reading_stops() {
    let world = World::start().await;
    let mut socket = Socket::open(world.address, "/shop/usual/").await;
    world.line().await;
    socket.say("gate").await;
    assert_eq!(world.line().await, "message text gate");
    let message = frame(TEXT, &vec![b'x'; 60_000]);
    let mut written = 0;
    while fits(&mut socket, &message).await {
        written += 1;
        // 16 messages, and what the buffers of both sides hold.
        assert!(written < 1_000, "the gateway reads without end");
    }
    assert!(written >= 16 && world.has_no_event().await);
    world.gate.add_permits(1);
    assert_eq!(socket.hear().await, "gate");
}

/// Whether the other side takes all of it without delay.
async fn fits(socket: &mut Socket, bytes: &[u8]) -> bool {
    let written = tokio::time::timeout(Duration::from_secs(1), socket.stream.write_all(bytes)).await;
    matches!(written, Ok(Ok(())))
}

/// A client that never reads is dropped when nothing could be written for thirty seconds.
#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_dropped() {
    let world = World::start().await;
    let mut socket = Socket::open(world.address, "/shop/live/room/1").await;
    world.line().await;
    let start = Instant::now();
    let greedy = frame(TEXT, b"many 65536");
    while fits(&mut socket, &greedy).await {}
    loop {
        let line = world.line().await;
        if line == "close 1006 " {
            break;
        }
        assert_eq!(line, "message text many 65536");
    }
    assert!((30..60).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}
