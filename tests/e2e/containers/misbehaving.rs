//! Containers that do not keep to the contract: the caller is told what happened, the author why, and the node and other
//! functions go on.

use std::io::Read as _;
use std::os::unix::net::UnixListener;
use std::thread;

use serde_json::{Value, json};

use super::{call, fn_tests, images, told};
use crate::support::{Answer, Project, Running};

/// The status and the code of an answer.
fn outcome(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["code"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn a_container_that_does_not_start_is_told() {
    let images = images!();
    // The name, how it starts, the status and the code.
    let cases = [
        ("silent", "never", 504, "function_start_timed_out"),
        ("gone", "exit:3", 502, "function_not_started"),
        ("file", "file", 502, "function_not_started"),
        ("dangling", "link:nothing.sock", 504, "function_start_timed_out"),
        ("circle", "link:lsnr.sock", 502, "function_not_started"),
        ("absolute", "link:/run/outside.sock", 502, "function_not_started"),
        ("above", "link:../../../run/outside.sock", 502, "function_not_started"),
    ];
    let keys = cases.map(|(name, start, ..)| (name, format!("timeout: 20s, env: {{FN_TEST_START: '{start}'}}")));
    let mut functions: Vec<_> = keys.iter().map(|(name, keys)| (*name, keys.as_str())).collect();
    functions.push(("fine", ""));
    let project = fn_tests(&images, &functions);
    let running = Running::start(&project);
    thread::scope(|scope| {
        for (name, _, status, code) in cases {
            let running = &running;
            scope.spawn(move || {
                let answer = call(running, name, &json!({}));
                assert_eq!(outcome(&answer), (status, code.to_owned()), "{name}: {}", answer.text());
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
    assert_eq!(outcome(&answer), (504, "timed_out".to_owned()), "{}", answer.text());
    assert_eq!(told(&running, "fine", &json!({}))["call"], 1);
}

/// What a call asks for, the status and the code.
fn failing_calls() -> Vec<(Value, u16, &'static str)> {
    vec![
        (json!({"isCrash": true}), 502, "function_gave_no_result"),
        (json!({"isExit": true, "exitCode": 3}), 502, "function_gave_no_result"),
        (json!({"isExit": true, "exitCode": 0}), 502, "function_gave_no_result"),
        (json!({"isCutShort": true}), 502, "function_gave_no_result"),
        (json!({"invalidResponse": true}), 502, "function_response_invalid"),
        (json!({"fdkStatus": 500}), 502, "function_response_invalid"),
        (json!({"fdkStatus": 302}), 502, "function_response_invalid"),
        (json!({"responseSize": 7 << 20}), 502, "function_output_too_large"),
        (json!({"headerSize": 200_000}), 502, "function_head_too_large"),
        (json!({"headerCount": 2_000}), 502, "function_head_too_large"),
        (json!({"sleepTime": 60_000}), 504, "timed_out"),
        (json!({"spin": 60_000}), 504, "timed_out"),
    ]
}

#[test]
fn a_call_that_fails_costs_its_container_and_nobody_else() {
    let images = images!();
    let project = fn_tests(&images, &[("wild", "timeout: 2s"), ("fine", "")]);
    let running = Running::start(&project);
    for (at, (wanted, status, code)) in failing_calls().into_iter().enumerate() {
        // The first of its container, so that the failing one is the second.
        assert_eq!(told(&running, "wild", &json!({}))["call"], 1, "before {wanted}");
        let answer = call(&running, "wild", &wanted);
        assert_eq!(outcome(&answer), (status, code.to_owned()), "{wanted}: {}", answer.text());
        assert_eq!(told(&running, "fine", &json!({}))["call"], at + 1, "after {wanted}");
    }
}

#[test]
fn a_function_that_fails_by_the_contract_keeps_its_container() {
    let images = images!();
    let project = fn_tests(&images, &[("f", "")]);
    let running = Running::start(&project);
    let cases = [
        (json!({"fdkStatus": 502}), 502, "function_failed"),
        (json!({"fdkStatus": 504}), 504, "timed_out"),
        (json!({"responseCode": 42}), 502, "function_response_invalid"),
        (json!({"responseCode": 101}), 502, "function_response_invalid"),
    ];
    for (at, (wanted, status, code)) in cases.into_iter().enumerate() {
        assert_eq!(told(&running, "f", &json!({}))["call"], at * 2 + 1, "before {wanted}");
        assert_eq!(outcome(&call(&running, "f", &wanted)), (status, code.to_owned()), "{wanted}");
    }
}

#[test]
fn a_connection_that_is_closed_is_made_anew() {
    let images = images!();
    let project = fn_tests(&images, &[("f", "")]);
    let running = Running::start(&project);
    for number in 1..=5 {
        assert_eq!(told(&running, "f", &json!({"closeAfterwards": true}))["call"], number);
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
    assert_eq!(outcome(&call(&running, "f", &json!({}))), (502, "function_response_invalid".to_owned()));
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
        // The next call needs another connection, and finds the link.
        assert_eq!(call(&running, "f", &json!({"swapLink": target, "closeAfterwards": true})).status, 200);
        assert_eq!(told(&running, "f", &json!({}))["call"], 1, "after {target}");
        call(&running, "f", &json!({"isCrash": true}));
    }
    let start = [outside.to_str().unwrap(), &above].map(|target| format!("env: {{FN_TEST_START: 'link:{target}'}}"));
    let leading_out = fn_tests(&images, &[("absolute", &start[0]), ("above", &start[1])]);
    let running = Running::start(&leading_out);
    for name in ["absolute", "above"] {
        assert_eq!(call(&running, name, &json!({})).status, 502, "{name}");
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
