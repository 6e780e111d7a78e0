//! Containers that do not keep to the contract: the caller is told in Fn's words, and the node and other functions go on.

use std::io::Read as _;
use std::os::unix::net::UnixListener;
use std::thread;

use serde_json::{Value, json};

use super::{call, fn_tests, images, told};
use crate::support::{Answer, Project, Running};

const FAILED_TO_START: &str =
    "Container failed to initialize, please ensure you are using the latest fdk and check the logs";
const TOO_LATE: &str =
    "Container initialization timed out, please ensure you are using the latest fdk and check the logs";

/// Whether an error's message has these words.
fn says(answer: &Answer, words: &str) -> bool {
    let message = answer.json()["message"].as_str().unwrap_or_default().to_lowercase();
    message.contains(&words.to_lowercase())
}

#[test]
fn a_container_that_does_not_start_is_told_in_fns_words() {
    let images = images!();
    let either = &[(504, TOO_LATE), (502, FAILED_TO_START)][..];
    let (late, failed) = either.split_at(1);
    // The name, how it starts, and what may be said of it.
    let cases = [
        ("silent", "never", late),
        ("gone", "exit:3", failed),
        ("file", "file", either),
        ("dangling", "link:nothing.sock", either),
        ("circle", "link:lsnr.sock", either),
        ("absolute", "link:/run/outside.sock", either),
        ("above", "link:../../../run/outside.sock", either),
    ];
    let keys = cases.map(|(name, start, ..)| (name, format!("timeout: 20s, env: {{FN_TEST_START: '{start}'}}")));
    let mut functions: Vec<_> = keys.iter().map(|(name, keys)| (*name, keys.as_str())).collect();
    functions.push(("fine", ""));
    let project = fn_tests(&images, &functions);
    let running = Running::start(&project);
    thread::scope(|scope| {
        for (name, _, words) in cases {
            let running = &running;
            scope.spawn(move || {
                let answer = call(running, name, &json!({}));
                let is_said = |(status, words): &(u16, &str)| answer.status == *status && says(&answer, words);
                assert!(words.iter().any(is_said), "{name}: {} {}", answer.status, answer.text());
            });
        }
    });
    assert_eq!(told(&running, "fine", &json!({}))["call"], 1);
    running.event("what one said before it ended", |event| event["message"] == "giving up");
}

#[test]
fn a_container_that_starts_late_is_waited_for() {
    let images = images!();
    let project = fn_tests(&images, &[("late", "env: {FN_TEST_START: 'late:700'}")]);
    let running = Running::start(&project);
    assert_eq!(told(&running, "late", &json!({}))["call"], 1);
}

#[test]
fn a_container_that_listens_and_says_nothing_runs_out_of_time() {
    let images = images!();
    let project = fn_tests(&images, &[("deaf", "timeout: 2s, env: {FN_TEST_START: deaf}"), ("fine", "")]);
    let running = Running::start(&project);
    let answer = call(&running, "deaf", &json!({}));
    assert_eq!((answer.status, answer.json()["code"].as_str()), (504, Some("timed_out")), "{}", answer.text());
    assert_eq!(told(&running, "fine", &json!({}))["call"], 1);
}

/// What a call asks for, the status, and Fn's words if there are any of them over routes.
fn failing_calls() -> Vec<(Value, u16, &'static str)> {
    vec![
        (json!({"isCrash": true}), 502, "error receiving function response"),
        (json!({"isExit": true, "exitCode": 3}), 502, "error receiving function response"),
        (json!({"isExit": true, "exitCode": 0}), 502, "error receiving function response"),
        (json!({"isCutShort": true}), 502, "error receiving function response"),
        (json!({"invalidResponse": true}), 502, "error receiving function response"),
        (json!({"fdkStatus": 500}), 502, "invalid function response"),
        (json!({"fdkStatus": 302}), 502, "invalid function response"),
        (json!({"responseCode": 42}), 502, ""),
        (json!({"responseSize": 7 << 20}), 502, "function response body too large"),
        (json!({"headerSize": 200_000}), 502, "function response header too large"),
        (json!({"headerCount": 2_000}), 502, "function response header too large"),
        (json!({"sleepTime": 60_000}), 504, ""),
        (json!({"spin": 60_000}), 504, ""),
    ]
}

#[test]
fn a_call_that_fails_costs_its_container_and_nobody_else() {
    let images = images!();
    let project = fn_tests(&images, &[("wild", "timeout: 2s"), ("fine", "")]);
    let running = Running::start(&project);
    for (at, (wanted, status, words)) in failing_calls().into_iter().enumerate() {
        // The first of its container, so that the failing one is the second.
        assert_eq!(told(&running, "wild", &json!({}))["call"], 1, "before {wanted}");
        let answer = call(&running, "wild", &wanted);
        assert!(answer.status == status && says(&answer, words), "{wanted}: {} {}", answer.status, answer.text());
        assert_eq!(told(&running, "fine", &json!({}))["call"], at + 1, "after {wanted}");
    }
}

#[test]
fn a_function_that_says_it_has_failed_keeps_its_container() {
    let images = images!();
    let project = fn_tests(&images, &[("wild", "")]);
    let running = Running::start(&project);
    for (at, (fdk_status, status)) in [(502, 502), (504, 504), (502, 502)].into_iter().enumerate() {
        assert_eq!(told(&running, "wild", &json!({}))["call"], at * 2 + 1);
        assert_eq!(call(&running, "wild", &json!({"fdkStatus": fdk_status})).status, status);
    }
}

#[test]
fn answers_come_through_as_they_are_meant() {
    let images = images!();
    let project = fn_tests(&images, &[("f", "")]);
    let running = Running::start(&project);
    for is_chunked in [false, true] {
        let wanted = json!({
            "responseCode": 202,
            "echoContent": "e".repeat(5000),
            "responseContentType": "text/x-test",
            "isChunked": is_chunked,
            "returnHeaders": {"Fn-Http-H-X-One": "1", "X-Two": "2", "Fn-Http-H-Connection": "close, x-three"},
        });
        let answer = call(&running, "f", &wanted);
        assert_eq!((answer.status, answer.text()), (202, "e".repeat(5000)));
        assert_eq!(answer.header("content-type"), Some("text/x-test"));
        assert_eq!(answer.header("x-one"), Some("1"));
        // It is not wrapped, so that it is for the node and not for the client.
        assert_eq!(answer.header("x-two"), None);
        assert_ne!(answer.header("connection"), Some("close, x-three"));
    }
}

#[test]
fn what_one_caller_left_unread_is_not_the_answer_of_the_next() {
    let images = images!();
    let project = fn_tests(&images, &[("f", "")]);
    let running = Running::start(&project);
    for _ in 0..5 {
        let answer = call(&running, "f", &json!({"postOutGarbage": true, "echoContent": "first"}));
        assert_eq!((answer.status, answer.text().as_str()), (200, "first"));
        let answer = call(&running, "f", &json!({"echoContent": "second"}));
        assert_eq!((answer.status, answer.text().as_str()), (200, "second"));
    }
}

#[test]
fn a_container_that_greets_first_is_no_function() {
    let images = images!();
    let project = fn_tests(&images, &[("f", "timeout: 2s, env: {FN_TEST_START: garbage}")]);
    let running = Running::start(&project);
    let answer = call(&running, "f", &json!({}));
    assert!(answer.status == 502 && says(&answer, "error receiving function response"), "{}", answer.text());
}

#[test]
fn a_container_that_ends_after_its_answer_is_replaced() {
    let images = images!();
    let project = fn_tests(&images, &[("f", "")]);
    let running = Running::start(&project);
    for _ in 0..10 {
        assert_eq!(told(&running, "f", &json!({"exitAfterwards": true}))["call"], 1);
    }
}

#[test]
fn a_link_that_is_swapped_for_one_that_leads_outside_is_not_followed() {
    let images = images!();
    let project = Project::empty();
    let outside = project.path().join("outside.sock");
    let listener = UnixListener::bind(&outside).unwrap();
    listener.set_nonblocking(true).unwrap();
    let above = format!("../../../../../../../../../../..{}", outside.display());
    let functions = fn_tests(&images, &[("f", "timeout: 3s")]);
    let running = Running::start(&functions);
    for target in [outside.to_str().unwrap(), &above, "/proc/self/root/run/x.sock", "lsnr.sock"] {
        // Its connection may go on; the next one, of whatever comes after the failure, meets the link.
        assert_eq!(call(&running, "f", &json!({"swapLink": target})).status, 200);
        call(&running, "f", &json!({"isCrash": true}));
        assert_eq!(told(&running, "f", &json!({}))["call"], 1, "after {target}");
    }
    let start = [outside.to_str().unwrap(), &above].map(|target| format!("env: {{FN_TEST_START: 'link:{target}'}}"));
    let leading_out = fn_tests(&images, &[("absolute", &start[0]), ("above", &start[1])]);
    let running = Running::start(&leading_out);
    for name in ["absolute", "above"] {
        assert!([502, 504].contains(&call(&running, name, &json!({})).status), "{name}");
    }
    let nobody = listener.accept().map(|(mut connection, _)| connection.read(&mut [0]));
    assert!(nobody.is_err(), "the node has connected to a socket outside of the container");
}

#[test]
fn what_is_written_is_logged_within_limits() {
    let images = images!();
    let project = fn_tests(&images, &[("f", "")]);
    let running = Running::start(&project);
    told(&running, "f", &json!({"logOut": "to the output", "logErr": "to the error"}));
    for line in ["to the output", "to the error"] {
        running.event(line, |event| event["event"] == "log" && event["function"] == "f" && event["message"] == line);
    }
    // More than a megabyte, and what is neither text nor a line.
    told(&running, "f", &json!({"logOut": "x".repeat(1000), "logTimes": 3000, "logGarbage": 100_000}));
    told(&running, "f", &json!({"logOut": "afterwards"}));
    running.event("afterwards", |event| event["message"] == "afterwards");
    let bytes: usize = running
        .events(|event| event["event"] == "log" && event["source"] == "function")
        .iter()
        .map(|event| event["message"].as_str().unwrap().len())
        .sum();
    assert!(bytes < 1_200_000, "{bytes} bytes were logged");
}
