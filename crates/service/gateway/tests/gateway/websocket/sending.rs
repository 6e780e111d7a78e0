//! Functions that send to connections, by asking the node.

use bytes::Bytes;
use mu_env::ConnectionId;
use mu_invoke::{Closing, SendError, SocketMessage};

use super::client::{BINARY, CLOSE, Socket, closing};
use super::world::World;

#[tokio::test]
async fn a_function_sends_to_its_own_connection_before_it_answers() {
    let world = World::start().await;
    let mut socket = Socket::open(world.address, "/shop/live/room/1").await;
    socket.say("node POST /connections/ME hello").await;
    assert_eq!(socket.hear().await, "hello");
    assert_eq!(socket.hear().await, "204 ");
}

#[tokio::test]
async fn a_function_sends_to_other_connections_of_its_stack() {
    let world = World::start().await;
    let mut first = Socket::open(world.address, "/shop/live/room/1").await;
    let to_first = world.event().await.connection;
    let mut second = Socket::open(world.address, "/shop/usual/").await;
    world.line().await;
    second.say(&format!("node POST /connections/{to_first} from another")).await;
    assert_eq!(second.hear().await, "204 ");
    assert_eq!(first.hear().await, "from another");

    second.say(&format!("node GET /connections/{to_first}")).await;
    let answer = second.hear().await;
    let view: serde_json::Value = serde_json::from_str(answer.strip_prefix("200 ").unwrap()).unwrap();
    assert_eq!((&view["connection"], &view["gateway"]), (&to_first[..].into(), &"live".into()));
    assert_eq!((&view["path"], &view["waiting_messages"]), (&"/room/1".into(), &0.into()));
    assert!(view["connected_at"].as_str().unwrap().ends_with('Z'));

    second.say(&format!("node DELETE /connections/{to_first}?code=4000&reason=no+more%21")).await;
    assert_eq!(second.hear().await, "204 ");
    assert_eq!(first.closed().await, (4000, "no more!".to_owned()));
    first.send(CLOSE, &closing(4000, "")).await;
    assert_eq!(first.next().await, None);
    second.say(&format!("node POST /connections/{to_first} anyone?")).await;
    assert!(second.hear().await.starts_with("404 {\"code\":\"not_found\""));
}

#[tokio::test]
async fn the_node_says_what_it_cannot_do() {
    let world = World::start().await;
    let twin = world.deploy_twin().await;
    let mut own = Socket::open(world.address, &format!("/{}/live/only", world.deployment.id())).await;
    world.line().await;
    let other = Socket::open(world.address, &format!("/{twin}/live/only")).await;
    let of_another_stack = world.event().await.connection;
    for (asked, answer) in [
        (format!("GET /connections/{of_another_stack}"), "404 {\"code\":\"not_found\""),
        (format!("POST /connections/{of_another_stack} hi"), "404 {\"code\":\"not_found\""),
        (format!("DELETE /connections/{of_another_stack}"), "404 {\"code\":\"not_found\""),
        ("GET /connections/xyz".to_owned(), "404 {\"code\":\"not_found\""),
        ("GET /".to_owned(), "404 {\"code\":\"not_found\""),
        ("PUT /connections/ME x".to_owned(), "405 {\"code\":\"method_not_allowed\""),
        (format!("POST /connections/ME {}", "x".repeat(65_537 - 100)), "204 "),
        ("DELETE /connections/ME?code=1005".to_owned(), "400 {\"code\":\"invalid\""),
        ("DELETE /connections/ME?reason=%ff".to_owned(), "400 {\"code\":\"invalid\""),
        ("DELETE /connections/ME?why=x".to_owned(), "400 {\"code\":\"invalid\""),
    ] {
        own.say(&format!("node {asked}")).await;
        let said = loop {
            let said = own.hear().await;
            if !said.starts_with("xxx") {
                break said;
            }
        };
        assert!(said.starts_with(answer), "{asked}: {said}");
    }
    drop(other);
}

#[tokio::test]
async fn a_full_queue_and_a_large_message_are_refused() {
    let world = World::start().await;
    // Nobody takes from the queue while the handshake is not answered.
    let address = world.address;
    let opening = tokio::spawn(async move { Socket::open(address, "/shop/live/room/1?gate=1&hello=first").await });
    let id: ConnectionId = world.event().await.connection.parse().unwrap();
    let socket = world.invoker.sockets().find(world.deployment.id(), id).unwrap();
    let message = |bytes: usize| SocketMessage::binary(Bytes::from(vec![7; bytes]));
    assert_eq!(socket.send(message(65_537)), Err(SendError::TooLarge { limit_bytes: 65_536 }));
    for _ in 0..4 {
        assert_eq!(socket.send(message(65_536)), Ok(()));
    }
    assert_eq!(socket.send(message(1)), Err(SendError::Full));
    assert_eq!(socket.close(Closing::new(1000, "done")), Ok(()));
    world.gate.add_permits(1);
    let mut client = opening.await.unwrap();
    assert_eq!(client.hear().await, "first");
    for _ in 0..4 {
        let frame = client.next().await.unwrap();
        assert_eq!((frame.opcode, frame.payload.len()), (BINARY, 65_536));
    }
    assert_eq!(client.closed().await, (1000, "done".to_owned()));
    assert_eq!(socket.send(message(1)), Err(SendError::Gone));
}
