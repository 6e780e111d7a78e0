//! WebSockets of the real binary: the chat, with clients that are written out here.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::support::{DEADLINE, Project, Running};

/// A client in a room.
struct Member(TcpStream);

impl Member {
    fn enter(running: &Running<'_>, room: &str, name: &str) -> Self {
        let mut stream = TcpStream::connect(running.gateway()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let request = format!(
            "GET /chat/chat/rooms/{room}?name={name} HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\n\
             upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        Self(stream)
    }

    fn say(&mut self, text: &str) {
        self.send(0x81, text.as_bytes());
    }

    /// A masked frame of at most 125 bytes; the mask changes nothing.
    fn send(&mut self, first: u8, payload: &[u8]) {
        let head = [first, 0x80 | u8::try_from(payload.len()).unwrap(), 0, 0, 0, 0];
        self.0.write_all(&[&head, payload].concat()).unwrap();
    }

    /// The next frame of at most 125 bytes.
    fn next(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).unwrap();
        let mut payload = vec![0; head[1].into()];
        self.0.read_exact(&mut payload).unwrap();
        (head[0], payload)
    }

    fn hear(&mut self) -> String {
        let (first, payload) = self.next();
        assert_eq!(first, 0x81);
        String::from_utf8(payload).unwrap()
    }
}

#[test]
fn members_of_a_room_hear_each_other_until_they_leave() {
    let project = Project::of_example("chat");
    let running = Running::start(&project);
    let mut ada = Member::enter(&running, "kitchen", "ada");
    assert_eq!(ada.hear(), "* ada is here");
    let mut bob = Member::enter(&running, "kitchen", "bob");
    let mut eve = Member::enter(&running, "garden", "eve");
    assert_eq!(eve.hear(), "* eve is here");
    for member in [&mut ada, &mut bob] {
        assert_eq!(member.hear(), "* bob is here");
    }
    ada.say("tea?");
    for member in [&mut ada, &mut bob] {
        assert_eq!(member.hear(), "ada: tea?");
    }
    // Any request can speak to them.
    assert_eq!(running.send("POST", "/chat/rooms/kitchen", &[], b"it is ready").status, 204);
    for member in [&mut ada, &mut bob] {
        assert_eq!(member.hear(), "> it is ready");
    }
    assert_eq!(running.send("GET", "/chat/rooms/kitchen", &[], b"").text().lines().count(), 2);

    // One says goodbye, the other one vanishes.
    bob.send(0x88, &[0x03, 0xe8]);
    assert_eq!(bob.next(), (0x88, vec![0x03, 0xe8]));
    assert_eq!(ada.hear(), "* bob has gone");
    drop(ada);
    let closed = |event: &Value| event["websocket_event"] == "close" && event["route"] == "/rooms/{room}";
    running.event("call", closed);
    while running.send("GET", "/chat/rooms/kitchen", &[], b"").text() != "" {}
    eve.say("anyone?");
    assert_eq!(eve.hear(), "eve: anyone?");
}

#[test]
fn whoever_stops_the_node_ends_its_connections() {
    let project = Project::of_example("chat");
    let mut running = Running::start(&project);
    let mut ada = Member::enter(&running, "kitchen", "ada");
    assert_eq!(ada.hear(), "* ada is here");
    running.signal("INT");
    let (first, payload) = ada.next();
    assert_eq!((first, &payload[..2]), (0x88, &[0x03, 0xe9][..]));
    ada.send(0x88, &[0x03, 0xe9]);
    assert!(running.wait().success());
    drop(running);
    // The close event was invoked: nobody is left in the table.
    let running = Running::start(&project);
    assert_eq!(running.send("GET", "/chat/rooms/kitchen", &[], b"").text(), "");
}
