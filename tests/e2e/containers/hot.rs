//! Containers are kept and used again, frozen while nobody calls, ended when nobody has called for long, and started when
//! calls wait; and no call fails because of any of this.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{call, fn_tests, images, processes_of, told, wait_for_processes};
use crate::support::process::wait_until;
use crate::support::{Project, Running, output};

#[test]
fn a_container_serves_one_call_after_the_other() {
    let images = images!();
    let project = fn_tests(&images, &[("f", "env: {MARK: reused}")]);
    let running = Running::start(&project);
    for number in 1..=20 {
        assert_eq!(told(&running, "f", &json!({}))["call"], number);
    }
    assert_eq!(processes_of("reused").len(), 1);
}

#[test]
fn calls_at_the_same_time_have_containers_of_their_own() {
    let images = images!();
    let project = fn_tests(&images, &[("f", "")]);
    let running = Running::start(&project);
    told(&running, "f", &json!({}));
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| told(&running, "f", &json!({"sleepTime": 5000})));
        }
    });
    // One after the other, they would take twenty seconds.
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
}

/// Processor time of a process, in the kernel's steps.
fn processor_time(process: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn a_container_that_nobody_calls_stands_still() {
    let images = images!();
    let project = fn_tests(&images, &[("f", "env: {MARK: frozen, FN_TEST_START: busy}")]);
    let running = Running::start(&project);
    for round in 1..=3 {
        // It goes on where it was stopped.
        assert_eq!(told(&running, "f", &json!({}))["call"], round);
        let [process] = processes_of("frozen")[..] else { panic!("one container") };
        let mut before = processor_time(process);
        let mut still = 0;
        wait_until("a container that stands still", || {
            thread::sleep(Duration::from_millis(50));
            let now = processor_time(process);
            still = if now == before { still + 1 } else { 0 };
            before = now;
            (still == 4).then_some(())
        });
    }
}

#[test]
fn a_container_ends_when_nobody_has_called_for_long() {
    let images = images!();
    let project = fn_tests(&images, &[("f", "idle_timeout: 1s, env: {MARK: idle}")]);
    let running = Running::start(&project);
    assert_eq!(told(&running, "f", &json!({}))["call"], 1);
    wait_for_processes("idle", 0);
    assert_eq!(told(&running, "f", &json!({}))["call"], 1);
}

#[test]
fn some_are_kept_ready_if_that_is_asked_for() {
    let images = images!();
    let project = fn_tests(&images, &[("f", "min_instances: 2, idle_timeout: 1s, env: {MARK: ready}")]);
    let running = Running::start(&project);
    wait_for_processes("ready", 2);
    told(&running, "f", &json!({}));
    // One that dies is replaced, without a call.
    call(&running, "f", &json!({"isCrash": true}));
    wait_for_processes("ready", 2);
}

#[test]
fn a_function_that_is_changed_leaves_no_container_behind() {
    let images = images!();
    let project = fn_tests(&images, &[("f", "env: {MARK: first}")]);
    let running = Running::start_with(&project, &[]);
    told(&running, "f", &json!({}));
    assert_eq!(processes_of("first").len(), 1);
    project.replace("mu.yaml", "MARK: first", "MARK: second");
    running.event("reloaded", |event| event["event"] == "reloaded");
    assert_eq!(told(&running, "f", &json!({}))["env"]["MARK"], "second");
    wait_for_processes("first", 0);
}

#[test]
fn no_call_fails_while_containers_are_frozen_thawed_expired_and_replaced() {
    let images = images!();
    let project = fn_tests(&images, &[("f", "idle_timeout: 1s"), ("brief", "idle_timeout: 0s")]);
    let running = Running::start(&project);
    let calls = AtomicUsize::new(0);
    // So that they freeze, are met while they freeze, and expire.
    let pauses = [0, 0, 45, 50, 55, 0, 100, 300, 995, 1000, 1005];
    thread::scope(|scope| {
        for client in 0..8 {
            let (running, calls) = (&running, &calls);
            scope.spawn(move || {
                for round in 0..60 {
                    let name = if round % 7 == 0 { "brief" } else { "f" };
                    // Now and then one ends after its answer.
                    let wanted = json!({"exitAfterwards": round % 11 == 5});
                    let answer = call(running, name, &wanted);
                    assert_eq!(answer.status, 200, "{name}: {}", answer.text());
                    calls.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(Duration::from_millis(pauses[(client + round) % pauses.len()]));
                }
            });
        }
    });
    assert_eq!(calls.into_inner(), 8 * 60);
}

#[test]
fn too_many_calls_wait_and_are_told_to_come_again() {
    let images = images!();
    let project = fn_tests(&images, &[("f", "timeout: 2s, max_concurrency: 2, env: {MARK: crowded}")]);
    let running = Running::start(&project);
    let answers: Vec<_> = thread::scope(|scope| {
        let calls: Vec<_> = (0..12).map(|_| scope.spawn(|| call(&running, "f", &json!({"sleepTime": 900})))).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    assert!(processes_of("crowded").len() <= 2);
    assert!(answers.iter().any(|answer| answer.status == 200));
    for answer in &answers {
        assert!([200, 503, 504].contains(&answer.status), "{}", answer.text());
        assert!(answer.status != 503 || answer.header("retry-after").is_some(), "{:?}", answer.headers);
    }
    // Nobody is held up by those who went away.
    assert_eq!(call(&running, "f", &json!({})).status, 200);
}

#[test]
fn a_function_larger_than_the_machine_is_refused() {
    let images = images!();
    let memory = fs::read_to_string("/proc/meminfo").unwrap();
    let kibibytes: u64 = memory.split_whitespace().nth(1).unwrap().parse().unwrap();
    if kibibytes > 8 << 20 {
        println!("left out: this machine has more memory than a function may ask for");
        return;
    }
    let project = Project::of_containers(&[("f", &images.archive("fn-test"), "memory_limit: 8GiB")]);
    let refused = output(project.path(), &["invoke", "f.handle"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("memory_limit"), "{said}");
}
