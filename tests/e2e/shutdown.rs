//! How a run ends: requests under way finish, and what was used is told.

use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;

use crate::support::module::{answers, command, log};
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

/// A function that says `started` in its log, and computes until its time is over.
fn busy(timeout: &str) -> Project {
    let started = log("started");
    let body = format!("(call $say (i32.const 1) (i32.const {})) (loop $again (br $again))", started.len());
    let project = Project::of_module(&command(&started, &body));
    project.replace("mu.yaml", "    module: f.wasm\n", &format!("    module: f.wasm\n    timeout: {timeout}\n"));
    project
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
