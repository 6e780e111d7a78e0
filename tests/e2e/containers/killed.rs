//! What is left of containers when their node is gone: nothing, at once or after the next start.

use serde_json::json;

use super::{call, fn_tests, images, mounts_below, processes_of, told, wait_for_processes};
use crate::support::node::Node;
use crate::support::process::wait_until;
use crate::support::{Running, http};

#[test]
fn a_run_that_ends_takes_its_containers_along() {
    let images = images!();
    let project = fn_tests(&images, &[("f", "env: {MARK: ended}")]);
    let mut running = Running::start(&project);
    told(&running, "f", &json!({}));
    running.signal("TERM");
    assert!(running.wait().success());
    assert_eq!(processes_of("ended"), [0; 0]);
    assert_eq!(mounts_below(project.path()), [""; 0]);
}

#[test]
fn a_killed_run_leaves_nothing_after_the_next_start() {
    let images = images!();
    let project = fn_tests(&images, &[("f", "env: {MARK: swept}"), ("busy", "env: {MARK: swept}")]);
    for _ in 0..2 {
        let running = Running::start(&project);
        told(&running, "f", &json!({}));
        std::thread::scope(|scope| {
            let gateway = running.gateway();
            scope.spawn(move || http::send(gateway, "POST", "/test/web/busy", &[], br#"{"sleepTime": 60000}"#));
            wait_until("a call under way", || (processes_of("swept").len() == 2).then_some(()));
            running.kill();
        });
    }
    let before = processes_of("swept");
    let mut running = Running::start(&project);
    wait_until("the end of what was left", || {
        let now = processes_of("swept");
        before.iter().all(|process| !now.contains(process)).then_some(())
    });
    assert_eq!(told(&running, "f", &json!({}))["call"], 1);
    running.signal("TERM");
    assert!(running.wait().success());
    wait_for_processes("swept", 0);
    assert_eq!(mounts_below(project.path()), [""; 0]);
}

#[test]
fn a_killed_node_serves_the_same_again() {
    let images = images!();
    let project = fn_tests(&images, &[("f", "env: {MARK: node}")]);
    let mut node = Node::with_operator_and(&[]);
    node.done(project.path(), &["deploy"]);
    for _ in 0..3 {
        let answer = http::send(node.gateway(), "POST", "/test/web/f", &[], b"{}").unwrap();
        assert_eq!((answer.status, &answer.json()["call"]), (200, &json!(1)), "{}", answer.text());
        node.kill_and_start_again();
    }
    assert_eq!(node.stop(), Some(0));
    wait_for_processes("node", 0);
    assert_eq!(mounts_below(node.home()), [""; 0]);
}

#[test]
fn what_is_kept_ready_is_there_after_a_start() {
    let images = images!();
    let project = fn_tests(&images, &[("f", "min_instances: 2, env: {MARK: warm}")]);
    let mut node = Node::with_operator_and(&[]);
    node.done(project.path(), &["deploy"]);
    wait_for_processes("warm", 2);
    let before = processes_of("warm");
    node.kill_and_start_again();
    wait_until("others in place of those before", || {
        let now = processes_of("warm");
        (now.len() == 2 && before.iter().all(|process| !now.contains(process))).then_some(())
    });
}

#[test]
fn two_runs_at_once_leave_each_others_containers_alone() {
    let images = images!();
    let (one, other) = (fn_tests(&images, &[("f", "env: {MARK: one}")]), fn_tests(&images, &[("f", "")]));
    let first = Running::start(&one);
    assert_eq!(told(&first, "f", &json!({}))["call"], 1);
    let second = Running::start(&other);
    assert_eq!(call(&second, "f", &json!({})).status, 200);
    drop(second);
    assert_eq!(told(&first, "f", &json!({}))["call"], 2);
}
