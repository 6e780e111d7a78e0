//! Whom containers may talk to: nobody, or whoever the node's rules of egress allow.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::thread;

use serde_json::json;

use super::{fn_tests, images, told};
use crate::support::node::Node;
use crate::support::{Running, http};

/// A server of this machine that greets whoever comes.
fn greeter(address: IpAddr) -> SocketAddr {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let _ = connection.write_all(b"HTTP/1.0 200 OK\r\n\r\nwelcome");
        }
    });
    address
}

/// An address of this machine that is not its loopback, if it has one. No packet is sent.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_loopback() && !address.is_unspecified())
}

#[test]
fn without_a_network_nobody_is_reached() {
    let images = images!();
    let project = fn_tests(&images, &[("f", ""), ("other", "network: none")]);
    let running = Running::start(&project);
    let loopback = greeter("127.0.0.1".parse().unwrap());
    let mut targets = vec![loopback.to_string(), running.gateway().to_string(), "192.0.2.1:80".to_owned()];
    targets.extend(own_address().map(|address| greeter(address).to_string()));
    for (name, target) in targets.iter().flat_map(|target| [("f", target), ("other", target)]) {
        let told = told(&running, name, &json!({"connect": target}));
        assert!(told["connect"]["error"].is_string(), "{name} has reached {target}: {told}");
    }
}

#[test]
fn egress_follows_the_nodes_rules() {
    let images = images!();
    let project = fn_tests(&images, &[("f", "network: egress")]);
    let own = own_address().map(greeter);
    for (settings, is_allowed) in [(&[][..], false), (&["egress.allow=anywhere"][..], true)] {
        let node = Node::with_operator_and(settings);
        node.done(project.path(), &["deploy"]);
        let connect = |target: &str| {
            let wanted = json!({"connect": target}).to_string();
            http::send(node.gateway(), "POST", "/test/web/f", &[], wanted.as_bytes()).unwrap().text()
        };
        // The container has a loopback of its own.
        let loopback = greeter("127.0.0.1".parse().unwrap());
        assert!(!connect(&loopback.to_string()).contains("welcome"));
        if let Some(own) = own {
            let said = connect(&own.to_string());
            assert_eq!(said.contains("welcome"), is_allowed, "{settings:?}: {said}");
        }
    }
}
