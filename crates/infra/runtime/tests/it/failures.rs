//! Modules that cannot run, and calls that go wrong: each has its own message.

use std::time::Duration;

use mu_abi::{DbRequest, LogLevel, Outgoing};
use mu_runtime::{Limits, collect_body, full_body};

use crate::support::{Bench, LIMITS, ended, module, result, writes, writes_bytes};

async fn load_error(text: &str) -> String {
    Bench::new().load(text).await.err().expect("the module is refused").to_string()
}

async fn failure(text: &str, limits: Limits) -> String {
    Bench::new().run_limited(text, limits).await.result.expect_err("the call fails").to_string()
}

#[tokio::test]
async fn a_result_becomes_a_response() {
    let bench = Bench::new();
    let headers = [("set-cookie", "a=1"), ("Set-Cookie", "b=2")];
    let log = Outgoing::Log { body: "hello".to_owned(), level: LogLevel::Warn };
    let outcome = bench.run(&writes(&[log, result(201, &headers, "body")], "")).await;
    let response = outcome.result.unwrap();
    assert_eq!(response.status, 201);
    assert_eq!(response.headers.get_all("set-cookie").iter().collect::<Vec<_>>(), ["a=1", "b=2"]);
    assert_eq!(collect_body(response.body, 10).await.unwrap(), "body");
    assert_eq!(bench.logs.lines(), ["function warn hello"]);
}

#[tokio::test]
async fn what_is_not_a_command_module_is_refused() {
    let bench = Bench::new();
    let load = async |bytes: Vec<u8>| bench.load_bytes(bytes).await.err().unwrap().to_string();
    assert_eq!(
        load(b"#!/bin/sh".to_vec()).await,
        "not what the function's runtime runs: the file does not start with the bytes `\\0asm`"
    );
    assert!(load(b"\0asm\x01\0\0\0\x01\xff".to_vec()).await.starts_with("not what the function's runtime runs: "));
    let component = load(wat::parse_str("(component)").unwrap()).await;
    assert!(component.contains("the file is a component"), "{component}");
    assert_eq!(
        load_error("(module)").await,
        "the module does not export a function `_start`: build it as a WASI preview 1 command"
    );
    assert_eq!(
        load_error(r#"(module (import "env" "open_door" (func)) (func (export "_start")))"#).await,
        "the module imports `env`.`open_door`, which runtime wasi1.0 does not offer"
    );
    assert_eq!(
        load_error(r#"(module (import "mu:meter" "note-instructions" (func)) (func (export "_start")))"#).await,
        "the module imports `mu:meter`.`note-instructions`, which runtime wasi1.0 does not offer"
    );
    let wrong_type =
        r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i64))) (func (export "_start")))"#;
    assert!(load_error(wrong_type).await.contains("proc_exit"));
    assert_eq!(
        load_error(r#"(module (memory 1000) (func (export "_start")))"#).await,
        "the module needs 65536000 bytes of memory to start, and memory_limit allows 16777216"
    );
}

#[tokio::test]
async fn every_way_to_fail_has_its_message() {
    let start = |body: &str| module(&format!(r#"(func (export "_start") {body})"#));
    let ok = result(200, &[], "");
    let cases = [
        (
            start("unreachable"),
            "the function trapped: wasm trap: wasm `unreachable` instruction executed\n  at function 8",
        ),
        (start(""), "the function ended without a result"),
        (start("(call $proc_exit (i32.const 3))"), "the function ended without a result: it exited with status 3"),
        (writes(&[Outgoing::FatalError("no tea".to_owned())], "unreachable"), "the function failed: no tea"),
        (
            writes_bytes(b"hello world", ""),
            "the function wrote to its standard output what is not a message: unknown outgoing message code: 25960",
        ),
        (
            writes_bytes(&[2, 0, 200], ""),
            "the function wrote to its standard output what is not a message: it ended in the middle of a message, after 3 bytes",
        ),
        (
            writes(&[ok.clone(), ok.clone()], ""),
            "the function wrote to its standard output what is not a message: a second result",
        ),
        (
            writes_bytes(&[&1009_u16.to_le_bytes()[..], &20_000_u32.to_le_bytes()].concat(), ""),
            "the function wrote to its standard output what is not a message: a batch of 20000 items, and 10240 are possible",
        ),
        (
            writes(&[const { Outgoing::Db(DbRequest::TableList { table_prefix: String::new() }) }; 2], ""),
            "the function wrote to its standard output what is not a message: a question before the answer to the one before was read",
        ),
        (writes(&[result(99, &[], "")], ""), "the function answered with the invalid status 99"),
        (writes(&[result(101, &[], "")], ""), "the function answered with the invalid status 101"),
        (
            writes(&[result(200, &[("a b", "")], "")], ""),
            r#"the function answered with an invalid header name: "a b": """#,
        ),
        (
            writes(&[result(200, &[("a", "x\ny")], "")], ""),
            r#"the function answered with an invalid header value: "a": "x\ny""#,
        ),
        (
            writes(
                &[Outgoing::FatalError("x".repeat(2_000_000))][..0],
                "(call $write (i32.const 1) (i32.const 2048) (i32.const 60000))",
            ),
            "the function wrote to its standard output what is not a message: unknown outgoing message code: 0",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(failure(&text, LIMITS).await, expected);
    }
}

#[tokio::test]
async fn output_beyond_the_limit_ends_the_call() {
    // A result that declares a body of 16 MiB.
    let mut bytes = vec![2, 0, 200, 0, 0, 0, 0, 0];
    bytes.extend_from_slice(&(16_u32 << 20).to_le_bytes());
    assert_eq!(
        failure(&writes_bytes(&bytes, "(loop $l (br $l))"), LIMITS).await,
        "the function's message is larger than 1048576 bytes"
    );
}

#[tokio::test]
async fn a_response_beyond_the_limit_is_a_failure() {
    let limits = Limits { response_bytes: 3, ..LIMITS };
    assert!(Bench::new().run_limited(&writes(&[result(200, &[], "123")], ""), limits).await.result.is_ok());
    let four = writes(&[result(200, &[], "1234")], "");
    assert_eq!(failure(&four, limits).await, "the function's response is larger than 3 bytes");
}

#[tokio::test]
async fn headers_beyond_the_limit_are_a_failure() {
    let value = "x".repeat(30_000);
    let text = writes(&[result(200, &[("a", &value), ("b", &value)], "")], "");
    // A module of one page: the headers that are too large come from a larger one.
    assert!(Bench::new().run(&text).await.result.is_ok());
    let declared = result(200, &[("a", &value), ("b", &value), ("c", &value)], "");
    let large = writes(&[declared], "").replace("(memory (export \"memory\") 1)", "(memory (export \"memory\") 4)");
    assert_eq!(failure(&large, LIMITS).await, "the function's response head is larger than 65536 bytes");
}

#[tokio::test]
async fn more_headers_than_a_map_can_hold_are_a_failure() {
    let headers = vec![("a", ""); 30_000];
    let large = writes(&[result(200, &headers, "")], "")
        .replace("(memory (export \"memory\") 1)", "(memory (export \"memory\") 8)");
    // Such a message is larger than a response's may be, unless the limit on bodies is large.
    let limits = Limits { response_bytes: 1 << 20, ..LIMITS };
    assert_eq!(failure(&large, limits).await, "the function answered with 30000 headers, and 1000 are possible");
}

#[tokio::test]
async fn a_request_larger_than_the_limit_is_refused() {
    let bench = Bench::new();
    let program = bench.load(&writes(&[result(200, &[], "")], "")).await.unwrap();
    let mut call = bench.call(Limits { request_bytes: 3, ..LIMITS });
    call.request.body = full_body("1234");
    assert_eq!(
        ended(program.run(call).await).result.unwrap_err().to_string(),
        "the request's body is larger than 3 bytes"
    );
}

#[tokio::test]
async fn a_result_counts_even_if_the_function_fails_afterwards() {
    let bench = Bench::new();
    for (then, expected) in [
        ("unreachable", Some("runtime warn after its result, the function failed: wasm trap: wasm `unreachable`")),
        ("(call $proc_exit (i32.const 0))", None),
    ] {
        let logged_before = bench.logs.lines().len();
        let outcome = bench.run(&writes(&[result(200, &[], "")], then)).await;
        assert!(outcome.result.is_ok());
        let logged = bench.logs.lines().split_off(logged_before);
        assert_eq!(logged.len(), usize::from(expected.is_some()), "{logged:?}");
        assert!(logged.iter().zip(expected).all(|(line, start)| line.starts_with(start)), "{logged:?}");
    }
}

#[tokio::test]
async fn endless_loops_end_with_the_instructions_or_the_time() {
    let text = module(r#"(func (export "_start") (loop $l (br $l)))"#);
    let few_instructions = Limits { instructions: 1_000_000, ..LIMITS };
    assert_eq!(
        failure(&text, few_instructions).await,
        "the function used up its 1000000 instructions (max_instructions)"
    );
    let little_time = Limits { timeout: Duration::from_millis(50), instructions: u64::MAX, ..LIMITS };
    assert_eq!(failure(&text, little_time).await, "the function did not answer within 50ms (timeout)");
}

#[tokio::test]
async fn a_call_that_waits_for_the_node_times_out() {
    let question = Outgoing::Db(DbRequest::Get { table: "t".to_owned(), key: b"k".to_vec() });
    // The first read takes the request; the second waits for the answer.
    let text = writes(&[question], "(call $read) (call $read)");
    let limits = Limits { timeout: Duration::from_millis(50), ..LIMITS };
    assert_eq!(failure(&text, limits).await, "the function did not answer within 50ms (timeout)");
}

#[tokio::test]
async fn reading_without_asking_is_the_end_of_the_input() {
    // The second read gives 0 bytes; a guest that closed its input can still answer.
    let mut bytes = Vec::new();
    result(204, &[], "").encode(&mut bytes);
    let text = writes_bytes(
        &bytes,
        "(call $read) (call $read) (if (i32.load (i32.const 8)) (then unreachable)) (drop (call $fd_close (i32.const 0)))",
    );
    let bench = Bench::new();
    assert_eq!(bench.run(&text).await.result.unwrap().status, 204);
    assert_eq!(bench.logs.lines(), [""; 0]);
}

#[tokio::test]
async fn growth_beyond_the_limit_is_refused_and_seen_by_the_guest() {
    let bench = Bench::new();
    let text = module(
        r#"(func (export "_start")
            (loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
            unreachable)"#,
    );
    let outcome = bench.run(&text).await;
    let message = outcome.result.unwrap_err().to_string();
    assert!(message.ends_with("(growth of its memory was refused: memory_limit is reached)"), "{message}");
    assert_eq!(outcome.usage.memory_bytes_max, LIMITS.memory_bytes);
}

#[tokio::test]
async fn standard_error_becomes_log_lines() {
    let bench = Bench::new();
    let text = module(
        r#"(data (i32.const 1024) "one\ntwo\n\nthree")
           (func (export "_start") (call $write (i32.const 2) (i32.const 1024) (i32.const 14)))"#,
    );
    bench.run(&text).await.result.unwrap_err();
    assert_eq!(bench.logs.lines(), ["stderr info one", "stderr info two", "stderr info three"]);
}
