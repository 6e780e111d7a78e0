//! What breaks the protocol.

use super::client::{BINARY, CLOSE, CONTINUATION, PING, Socket, TEXT, closing, frame, part, with_first_byte};
use super::world::World;

#[tokio::test]
async fn malformed_frames_end_the_connection_with_their_code() {
    let world = World::start().await;
    let announced = |length: u64| [&[0x82, 0xff][..], &length.to_be_bytes(), &[0; 4]].concat();
    for (what, bytes, code) in [
        ("an unmasked frame", vec![0x81, 2, b'h', b'i'], 1002),
        ("a reserved bit", with_first_byte(0xc1, b"hi"), 1002),
        ("a reserved data opcode", with_first_byte(0x83, b"hi"), 1002),
        ("a reserved control opcode", with_first_byte(0x8b, b"hi"), 1002),
        ("a fragmented ping", part(PING, b"hi"), 1002),
        ("a fragmented close", part(CLOSE, &closing(1000, "")), 1002),
        ("a long ping", frame(PING, &[0; 126]), 1002),
        ("a long close", frame(CLOSE, &closing(1000, &"x".repeat(124))), 1002),
        ("a continuation of nothing", frame(CONTINUATION, b"hi"), 1002),
        ("a message within a message", [part(TEXT, b"a"), frame(TEXT, b"b")].concat(), 1002),
        ("a length that is not the shortest", [&[0x82, 0xfe, 0, 2][..], &[0; 6]].concat(), 1002),
        ("half a close code", frame(CLOSE, &[3]), 1002),
        ("a close code that is never sent", frame(CLOSE, &closing(1005, "")), 1002),
        ("a close code of nobody", frame(CLOSE, &closing(2999, "")), 1002),
        ("a close reason that is not text", frame(CLOSE, &[3, 0xe8, 0xff]), 1007),
        ("text that is not UTF-8", frame(TEXT, b"caf\xe9"), 1007),
        ("half a character at the end", frame(TEXT, b"caf\xc3"), 1007),
        ("a surrogate", frame(TEXT, b"\xed\xa0\x80"), 1007),
        ("text that goes wrong before it is whole", part(TEXT, b"\xff"), 1007),
        (
            "the beginning of bad text in a frame",
            frame(TEXT, &[b"\xce\xba\xe1\xbd\xb9\xed\xa0\x80"[..].to_vec(), vec![b'x'; 60_000]].concat())[..20]
                .to_vec(),
            1007,
        ),
        ("a large message", frame(BINARY, &vec![0; 65_537]), 1009),
        ("the announcement of a large one", announced(65_537), 1009),
        ("the announcement of a huge one", announced(u64::MAX), 1009),
        ("a large message in parts", [part(BINARY, &vec![0; 65_536]), part(CONTINUATION, b"x")].concat(), 1009),
    ] {
        let mut socket = Socket::open(world.address, "/shop/live/room/1").await;
        assert_eq!(world.line().await, "open GET /room/1 room=1");
        socket.write(&bytes).await;
        let (found, reason) = socket.goodbye().await;
        assert_eq!(found, code, "{what}: {reason}");
        drop(socket);
        assert_eq!(world.line().await, format!("close {code} {reason}"), "{what}");
    }
    assert!(world.has_no_event().await);
}

#[tokio::test]
async fn what_was_whole_before_a_mistake_still_counts() {
    let world = World::start().await;
    let mut socket = Socket::open(world.address, "/shop/live/room/1").await;
    world.line().await;
    socket
        .write(
            &[frame(TEXT, b"gate"), frame(TEXT, b"fine"), vec![0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]]
                .concat(),
        )
        .await;
    assert_eq!(world.line().await, "message text gate");
    world.gate.add_permits(1);
    assert_eq!(socket.hear().await, "gate");
    assert_eq!(socket.hear().await, "fine");
    assert_eq!(socket.goodbye().await.0, 1002);
    assert_eq!(world.line().await, "message text fine");
    assert!(world.line().await.starts_with("close 1002 "));
}

#[tokio::test]
async fn the_largest_message_passes_in_both_directions() {
    let world = World::start().await;
    let mut socket = Socket::open(world.address, "/shop/live/room/1").await;
    let largest = vec![b'x'; 65_536];
    socket.send(TEXT, &largest).await;
    assert_eq!(socket.next().await.unwrap().payload, largest);
    for chunk in [1, 125, 126, 1000, 65_535] {
        let mut frames: Vec<Vec<u8>> = largest.chunks(chunk).map(|chunk| part(CONTINUATION, chunk)).collect();
        frames[0][0] = TEXT;
        frames.last_mut().unwrap()[0] |= 0x80;
        socket.write(&frames.concat()).await;
        assert_eq!(socket.next().await.unwrap().payload, largest, "{chunk}");
    }
}
