//! What a container may do and use, tried out by one that tries.

use std::thread;

use serde_json::{Value, json};

use super::{call, fn_tests, images, told};
use crate::support::Running;

const MEBIBYTE: u64 = 1 << 20;

/// A line `NAME:\tVALUE` of `/proc/self/status` in the container.
fn status(running: &Running<'_>, field: &str) -> String {
    let told = told(running, "f", &json!({"readFile": "/proc/self/status"}));
    let text = told["readFile"].as_str().unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{field}:")));
    line.unwrap_or_else(|| panic!("no {field} in {text}")).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn it_is_nobody_and_may_become_nobody_else() {
    let images = images!();
    let project = fn_tests(&images, &[("f", "")]);
    let running = Running::start(&project);
    for (field, expected) in [
        ("Uid", "1000 1000 1000 1000"),
        ("Gid", "1000 1000 1000 1000"),
        ("CapInh", "0000000000000000"),
        ("CapPrm", "0000000000000000"),
        ("CapEff", "0000000000000000"),
        ("CapBnd", "0000000000000000"),
        ("CapAmb", "0000000000000000"),
        ("NoNewPrivs", "1"),
        // A filter.
        ("Seccomp", "2"),
    ] {
        assert_eq!(status(&running, field), expected, "{field}");
    }
}

#[test]
fn it_is_given_what_fn_gives() {
    let images = images!();
    let project = fn_tests(&images, &[("f", "env: {OWN: value}")]);
    let running = Running::start(&project);
    let answer = running.send("POST", "/web/f?a=b", &[("x-own", "here"), ("content-type", "text/x")], b"the body");
    let told = answer.json();
    for (name, value) in [
        ("FN_LISTENER", "unix:/tmp/iofs/lsnr.sock"),
        ("FN_FORMAT", "http-stream"),
        ("FN_TYPE", "sync"),
        ("FN_MEMORY", "32"),
        ("FN_NAME", "f"),
        ("FN_APP_NAME", "test"),
        ("OWN", "value"),
    ] {
        assert_eq!(told["env"][name], value, "{name}: {told}");
    }
    for name in ["FN_FN_ID", "FN_APP_ID", "FN_TMPSIZE"] {
        assert!(told["env"][name].is_string(), "{name}: {told}");
    }
    // Nothing of the node's own.
    assert_eq!(told["env"]["XDG_CACHE_HOME"], Value::Null);
    assert_eq!(told["request"], "POST /call HTTP/1.1");
    assert_eq!(told["body"], "the body");
    let header = |wanted: &str| {
        let headers = told["headers"].as_object().unwrap();
        let found = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| value.as_str().unwrap().to_owned())
    };
    for (name, value) in [
        ("Fn-Intent", "httprequest"),
        ("Fn-Http-Method", "POST"),
        ("Fn-Http-H-X-Own", "here"),
        ("Content-Type", "text/x"),
    ] {
        assert_eq!(header(name).as_deref(), Some(value), "{name}: {told}");
    }
    assert!(header("Fn-Http-Request-Url").unwrap().ends_with("/f?a=b"), "{told}");
    assert_eq!(header("Fn-Call-Id").as_deref(), answer.header("x-mu-invocation-id"));
    let deadline = header("Fn-Deadline").unwrap();
    assert!(deadline.contains('T') && deadline.ends_with('Z'), "{deadline}");
    assert_eq!(header("Fn-Http-H-Connection"), None);
}

#[test]
fn nothing_can_be_written_but_tmp() {
    let images = images!();
    let project = fn_tests(&images, &[("f", "")]);
    let running = Running::start(&project);
    for file in ["/x", "/fn-test", "/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/sys/x", "/dev/x", "/run/x"] {
        let told = told(&running, "f", &json!({"createFile": file}));
        assert!(told["createFile"]["error"].is_string(), "{file}: {told}");
    }
    let told = told(&running, "f", &json!({"createFile": "/tmp/x", "createFileSize": 1000, "listFolder": "/tmp"}));
    assert_eq!((&told["createFile"], &told["listFolder"]), (&json!("1000"), &json!("iofs x")));
}

#[test]
fn it_sees_nothing_of_the_machine() {
    let images = images!();
    let project = fn_tests(&images, &[("f", "")]);
    let running = Running::start(&project);
    let told = told(&running, "f", &json!({"listFolder": "/proc"}));
    let processes: Vec<_> =
        told["listFolder"].as_str().unwrap().split(' ').filter_map(|name| name.parse::<u32>().ok()).collect();
    assert_eq!(processes, [1], "its own alone");
    for file in
        ["/proc/kcore", "/proc/kmsg", "/proc/timer_list", "/sys/firmware/x", "/etc/shadow", "/dev/sda", "/dev/mem"]
    {
        let told = super::told(&running, "f", &json!({"readFile": file}));
        let read = told["readFile"].as_str().unwrap_or_default();
        assert!(read.is_empty(), "{file}: {read}");
    }
    let folders = super::told(&running, "f", &json!({"listFolder": "/sys/class/net"}));
    let net = super::told(&running, "f", &json!({"readFile": "/proc/net/dev"}));
    assert!(!net["readFile"].as_str().unwrap_or_default().contains("eth0"), "{net} {folders}");
}

#[test]
fn tmp_is_a_quarter_of_the_memory() {
    let images = images!();
    let project = fn_tests(&images, &[("f", "")]);
    let running = Running::start(&project);
    let bytes: u64 = told(&running, "f", &json!({"fillTmp": true}))["fillTmp"].as_str().unwrap().parse().unwrap();
    assert!((7 * MEBIBYTE..=8 * MEBIBYTE).contains(&bytes), "{bytes}");
    let files = told(&running, "f", &json!({"fillTmpWithFiles": true}))["fillTmpWithFiles"].clone();
    let files: u64 = files.as_str().unwrap().parse().unwrap();
    assert!((200..=256).contains(&files), "{files}");
    assert_eq!(told(&running, "f", &json!({"createFile": "/tmp/after"}))["createFile"], "0");
}

#[test]
fn memory_ends_at_its_limit() {
    let images = images!();
    let project = fn_tests(&images, &[("f", ""), ("fine", "")]);
    let running = Running::start(&project);
    told(&running, "f", &json!({"allocateMemory": 16 * MEBIBYTE}));
    let answer = call(&running, "f", &json!({"allocateMemory": 64 * MEBIBYTE}));
    assert_eq!(answer.status, 502, "{}", answer.text());
    running.event("a word on memory", |event| {
        event["event"] == "log" && event["message"].as_str().is_some_and(|text| text.contains("memory"))
    });
    // What leaks is lost with the container.
    for _ in 0..6 {
        call(&running, "f", &json!({"leakMemory": 10 * MEBIBYTE}));
    }
    assert_eq!(told(&running, "fine", &json!({}))["call"], 1);
}

#[test]
fn a_fork_bomb_goes_off_inside() {
    let images = images!();
    let project = fn_tests(&images, &[("f", "timeout: 5s, env: {MARK: fork-bomb}"), ("fine", "")]);
    let running = Running::start(&project);
    thread::scope(|scope| {
        let bomb = scope.spawn(|| call(&running, "f", &json!({"forkBomb": true})).status);
        while !bomb.is_finished() {
            assert_eq!(told(&running, "fine", &json!({}))["env"]["FN_NAME"], "fine");
            assert!(super::processes_of("fork-bomb").len() <= 64);
        }
        assert!([200, 502, 504].contains(&bomb.join().unwrap()));
    });
    // What it started goes with it: it has failed now, if it has not before.
    call(&running, "f", &json!({"isCrash": true}));
    super::wait_for_processes("fork-bomb", 0);
    assert_eq!(told(&running, "f", &json!({}))["call"], 1);
}

#[test]
fn files_are_opened_up_to_a_limit() {
    let images = images!();
    let project = fn_tests(&images, &[("f", "")]);
    let running = Running::start(&project);
    let told = told(&running, "f", &json!({"openFiles": true}));
    let files: u64 = told["openFiles"].as_str().unwrap().parse().unwrap();
    assert!((100..2000).contains(&files), "{files}");
}
