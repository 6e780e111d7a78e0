//! How a run ends: requests under way finish, and what was used is told.

use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;

use crate::bad_modules::{answers, command};
use crate::support::{Project, Running, http};

#[test]
fn an_interrupt_ends_an_idle_run_and_tells_what_was_used() {
    for signal in ["INT", "TERM"] {
        let project = Project::of_module(&answers("fine"));
        let mut running = Running::start(&project);
        running.get("/web/f");
        running.get("/web/f");
        running.signal(signal);
        assert!(running.wait().success(), "{signal}");
        let stopped = running.event("stopped", |event| event["event"] == "stopped");
        assert_eq!((&stopped["gateway_requests"], &stopped["invocations"]), (&2.into(), &2.into()), "{stopped}");
        assert!(stopped["instructions"].as_u64().unwrap() > 0, "{stopped}");
        running.said("Served 2 requests");
    }
}

/// A function that computes until its time is over: long enough to be interrupted.
fn busy(timeout: &str) -> Project {
    let project = Project::of_module(&command(&busy_message(), BUSY));
    project.replace("mu.yaml", "    module: f.wasm\n", &format!("    module: f.wasm\n    timeout: {timeout}\n"));
    project
}

/// Says `started` in its log, then loops.
const BUSY: &str = "(call $say (i32.const 1) (i32.const 14)) (loop $again (br $again))";

/// The message `Log`: code 3, a text, the level info.
fn busy_message() -> Vec<u8> {
    [&3_u16.to_le_bytes()[..], &7_u32.to_le_bytes(), b"started", &[2]].concat()
}

#[test]
fn an_interrupt_lets_requests_under_way_finish() {
    let project = busy("1s");
    let mut running = Running::start(&project);
    let (gateway, stack) = (running.gateway(), "/test/web/f");
    let (sender, answer) = mpsc::channel();
    thread::spawn(move || sender.send(http::send(gateway, "GET", stack, &[], b"")));
    running.event("the call's first line", |event| event["message"] == "started");
    running.signal("INT");
    running.event("draining", |event| event["event"] == "draining");
    let answer = answer.recv().unwrap().unwrap();
    assert_eq!(answer.status, 504, "{}", answer.text());
    assert!(running.wait().success());
}

#[test]
fn a_second_interrupt_ends_at_once() {
    let project = busy("300s");
    let mut running = Running::start(&project);
    let gateway = running.gateway();
    thread::spawn(move || http::send(gateway, "GET", "/test/web/f", &[], b""));
    running.event("the call's first line", |event| event["message"] == "started");
    running.signal("INT");
    running.event("draining", |event| event["event"] == "draining");
    running.signal("INT");
    assert_eq!(running.wait().code(), Some(130));
}

#[test]
fn the_port_is_free_again_afterwards() {
    let project = Project::of_module(&answers("fine"));
    let mut running = Running::start(&project);
    let gateway = running.gateway();
    running.get("/web/f");
    running.signal("INT");
    assert!(running.wait().success());
    assert!(TcpListener::bind(gateway).is_ok());
}
