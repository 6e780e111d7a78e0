//! Functions that never let go of their core: whatever they loop on, others are served, and they are stopped in time.

use std::io;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;

use crate::support::module::{answers, command, log};
use crate::support::{Answer, Project, Running, http};

/// What each function does again and again. An empty buffer, a megabyte of log and a wait for no time are calls of the
/// node that cost the function few instructions or none.
const LOOPS: [(&str, &str); 4] = [
    ("computes", ""),
    ("draws", "(drop (call $random (i32.const 0) (i32.const 0)))"),
    ("shouts", "(call $say (i32.const 2) (i32.const 1048576))"),
    ("polls", "(drop (call $poll (i32.const 1024) (i32.const 2048) (i32.const 1) (i32.const 3072)))"),
];

/// A function for each loop, which says `started` first and may take two seconds, and one that is `fine`.
fn project() -> Project {
    let started = log("started");
    let modules: Vec<_> = LOOPS.iter().map(|(name, body)| (*name, greedy(&started, body))).collect();
    let fine = answers("fine");
    let mut functions: Vec<_> = modules.iter().map(|(name, module)| (*name, module.as_slice())).collect();
    functions.push(("fine", &fine));
    let project = Project::of_modules(&functions);
    for (name, _) in LOOPS {
        let module = format!("    module: {name}.wasm\n");
        project.replace("mu.yaml", &module, &format!("{module}    timeout: 2s\n"));
    }
    project
}

fn greedy(started: &[u8], body: &str) -> Vec<u8> {
    let say = format!("(call $say (i32.const 1) (i32.const {}))", started.len());
    command(started, &format!("{say} (drop (memory.grow (i32.const 16))) (loop $again {body} (br $again))"))
}

/// More than there are cores to run them.
fn crowd() -> usize {
    thread::available_parallelism().map_or(1, usize::from) + 2
}

/// Calls functions, each on a thread of its own, and hands back their answers as they come.
fn call_all<'a>(running: &Running<'_>, names: impl Iterator<Item = &'a str>) -> Receiver<io::Result<Answer>> {
    let (sender, answers) = mpsc::channel();
    for name in names {
        let (gateway, path, sender) = (running.gateway(), format!("/test/web/{name}"), sender.clone());
        thread::spawn(move || sender.send(http::send(gateway, "GET", &path, &[], b"")));
    }
    answers
}

fn started(running: &Running<'_>, name: &str) {
    running.event(name, |event| event["function"] == name && event["message"] == "started");
}

fn assert_timed_out(answer: io::Result<Answer>) {
    let answer = answer.unwrap();
    assert_eq!((answer.status, answer.json()["code"].as_str()), (504, Some("timed_out")), "{}", answer.text());
}

#[test]
fn greedy_functions_are_stopped_and_others_are_served_meanwhile() {
    let project = project();
    let running = Running::start(&project);
    for (name, _) in LOOPS {
        let answers = call_all(&running, std::iter::repeat_n(name, crowd()));
        started(&running, name);
        let (mut served, mut stopped) = (0, 0);
        loop {
            let fine = running.get("/web/fine");
            assert_eq!((fine.status, fine.text().as_str()), (200, "fine"), "beside {name}");
            match answers.try_recv() {
                Ok(answer) => {
                    assert_timed_out(answer);
                    stopped += 1;
                }
                Err(TryRecvError::Empty) => served += 1,
                Err(TryRecvError::Disconnected) => break,
            }
        }
        assert_eq!(stopped, crowd(), "{name}");
        assert!(served > 0, "nothing was served before {name} was stopped");
    }
}

#[test]
fn an_interrupt_waits_for_greedy_functions_no_longer_than_they_may_take() {
    let project = project();
    let mut running = Running::start(&project);
    let names = LOOPS.iter().map(|(name, _)| *name);
    let answers = call_all(&running, names.clone().cycle().take(crowd().max(LOOPS.len())));
    names.for_each(|name| started(&running, name));
    running.signal("INT");
    running.event("draining", |event| event["event"] == "draining");
    answers.iter().for_each(assert_timed_out);
    assert!(running.wait().success());
}
