//! Real programs: one that speaks the protocol by hand, and one made with the SDK.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mu_runtime::{Limits, Outcome, Program, collect_body, full_body};

use crate::support::{Bench, LIMITS, ended};

async fn load(bench: &Bench, guest: &str) -> Arc<dyn Program> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../guests/modules").join(guest);
    bench.load_bytes(std::fs::read(path).unwrap()).await.unwrap()
}

async fn run(bench: &Bench, program: &Arc<dyn Program>, handler: &str, body: &'static str, limits: Limits) -> Outcome {
    let mut call = bench.call(limits);
    call.handler = handler.into();
    call.request.body = full_body(body);
    call.request.headers.insert("content-type", "text/plain".parse().unwrap());
    ended(program.run(call).await)
}

/// The answer as `status body`, or the failure.
async fn told(outcome: Outcome) -> String {
    match outcome.result {
        Ok(response) => {
            let body = collect_body(response.body, 1 << 20).await.unwrap();
            format!("{} {}", response.status.as_u16(), String::from_utf8_lossy(&body))
        }
        Err(failure) => failure.to_string(),
    }
}

#[tokio::test]
async fn a_program_that_speaks_the_protocol_by_hand() {
    let bench = Bench::new();
    let program = load(&bench, "raw.wasm").await;
    let cases = [
        ("hello", "200 hello from bytes"),
        ("echo", "200 the body"),
        ("trickle", "200 one byte at a time"),
        ("close_stdin", "200 closed"),
        ("read_for_ever", "200 Ok(0)"),
        ("log_then_result", "204 "),
        ("two_results", "the function wrote to its standard output what is not a message: a second result"),
        ("result_then_trap", "200 done"),
        ("fatal", "the function failed: it is over"),
        ("silent", "the function ended without a result"),
        ("close_stdout", "the function ended without a result"),
        (
            "junk",
            "the function wrote to its standard output what is not a message: unknown outgoing message code: 26740",
        ),
        (
            "unknown_code",
            "the function wrote to its standard output what is not a message: unknown outgoing message code: 999",
        ),
        ("declares_too_much", "the function's message is larger than 1048576 bytes"),
        (
            "declares_too_many",
            "the function wrote to its standard output what is not a message: a batch of 4294967295 items, and 10240 are possible",
        ),
        (
            "not_text",
            "the function wrote to its standard output what is not a message: invalid message: text is not UTF-8 at byte 6",
        ),
        ("invalid_status", "the function answered with the invalid status 42"),
        ("invalid_header_name", r#"the function answered with an invalid header name: "a b": "c""#),
        ("invalid_header_value", r#"the function answered with an invalid header value: "a": "b\r\nset-cookie: c=d""#),
    ];
    for (handler, expected) in cases {
        assert_eq!(told(run(&bench, &program, handler, "the body", LIMITS).await).await, expected, "{handler}");
    }
    let limits = Limits { timeout: Duration::from_millis(50), ..LIMITS };
    let spun = told(run(&bench, &program, "result_then_spin", "", limits).await).await;
    assert_eq!(spun, "the function did not answer within 50ms (timeout)");
}

#[tokio::test]
async fn a_program_made_with_the_sdk() {
    let bench = Bench::new();
    let program = load(&bench, "kit.wasm").await;
    assert_eq!(told(run(&bench, &program, "echo", "ping", LIMITS).await).await, "200 ping");

    let unknown = told(run(&bench, &program, "no_such", "", LIMITS).await).await;
    assert!(unknown.starts_with("the function failed: ") && unknown.contains("no_such"), "{unknown}");
    let panicked = told(run(&bench, &program, "panic", "oh no", LIMITS).await).await;
    assert!(panicked.starts_with("the function failed: ") && panicked.contains("oh no"), "{panicked}");
    let exited = told(run(&bench, &program, "exit", "7", LIMITS).await).await;
    assert_eq!(exited, "the function ended without a result: it exited with status 7");
    let overflowed = told(run(&bench, &program, "overflow", "", LIMITS).await).await;
    assert!(overflowed.starts_with("the function trapped: wasm trap: "), "{overflowed}");

    let allocated = run(&bench, &program, "alloc", "", LIMITS).await;
    assert!(allocated.usage.memory_bytes_max > LIMITS.memory_bytes - (4 << 20), "{:?}", allocated.usage);
    let allocated = told(allocated).await;
    assert!(allocated.starts_with("200 ") && allocated.contains("refused"), "{allocated}");
}

#[tokio::test]
async fn counts_are_the_same_on_every_run() {
    let bench = Bench::new();
    let (kernels, raw) = (load(&bench, "kernels.wasm").await, load(&bench, "raw.wasm").await);
    let mut counts = Vec::new();
    for _ in 0..3 {
        let mut round = Vec::new();
        for kernel in ["fib", "sieve", "matrix", "heapsort", "hashing"] {
            let mut call = bench.call(LIMITS);
            call.handler = kernel.into();
            call.request.query = vec![("size".to_owned(), "20".to_owned())];
            let outcome = ended(kernels.run(call).await);
            assert_eq!(outcome.result.unwrap().status, 200, "{kernel}");
            round.push((outcome.usage.instructions, outcome.usage.byte_instructions));
        }
        let usage = run(&bench, &raw, "hello", "", LIMITS).await.usage;
        round.push((usage.instructions, usage.byte_instructions));
        counts.push(round);
    }
    assert_eq!(counts[0], counts[1]);
    assert_eq!(counts[0], counts[2]);
}
