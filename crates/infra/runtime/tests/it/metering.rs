//! Counts are part of the price: they are exact, and these tests pin them.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use mu_abi::{DbRequest, Outgoing};
use mu_runtime::Limits;

use crate::support::{Bench, LIMITS, Silent, module, writes};

const PAGE: u128 = 65_536;

/// What a module uses whose `_start` is `body`, with one page of memory.
async fn usage(body: &str) -> (u64, u128) {
    let text = format!(r#"(module (memory 1 100) (table 20 funcref) {body})"#);
    let usage = Bench::new().run(&text).await.usage;
    (usage.instructions, usage.byte_instructions)
}

#[tokio::test]
async fn every_operator_is_one_instruction() {
    let cases = [
        // Entering a function.
        ("", 1),
        ("nop nop", 1),
        ("(drop (i32.const 1))", 2),
        ("(drop (i32.add (i32.const 1) (i32.const 2)))", 4),
        ("(block (block (br 1)))", 2),
        ("(if (i32.const 1) (then (drop (i32.const 1))) (else (drop (i32.const 1)) (drop (i32.const 1))))", 4),
        // A loop of 10: the counter's four operators and the branch's two, each time.
        (
            "(local $i i32) (loop $l (local.set $i (i32.add (local.get $i) (i32.const 1)))
             (br_if $l (i32.ne (local.get $i) (i32.const 10))))",
            1 + 10 * 8,
        ),
        // Bulk operators cost one more for each byte or element.
        ("(memory.fill (i32.const 0) (i32.const 7) (i32.const 100))", 1 + 3 + 1 + 100),
        ("(memory.copy (i32.const 0) (i32.const 50) (i32.const 30))", 1 + 3 + 1 + 30),
        ("(table.fill (i32.const 0) (ref.null func) (i32.const 20))", 1 + 3 + 1 + 20),
        ("unreachable", 1),
    ];
    for (body, instructions) in cases {
        let start = format!(r#"(func (export "_start") {body})"#);
        for _ in 0..2 {
            assert_eq!(usage(&start).await, (instructions, u128::from(instructions) * PAGE), "{body}");
        }
    }
}

#[tokio::test]
async fn memory_is_integrated_from_the_instruction_that_grows_it() {
    // Before and including the growth: entry, constant, memory.grow (2); afterwards: constant, constant, add (and drops).
    let growth =
        r#"(func (export "_start") (drop (memory.grow (i32.const 2))) (drop (i32.add (i32.const 1) (i32.const 1))))"#;
    assert_eq!(usage(growth).await, (7, 4 * PAGE + 3 * 3 * PAGE));

    // The same inside one long function without calls, where the engine keeps its count in a register.
    let loops = r#"(func (export "_start") (local $i i32)
        (loop $l (local.set $i (i32.add (local.get $i) (i32.const 1))) (br_if $l (i32.ne (local.get $i) (i32.const 1000))))
        (drop (memory.grow (i32.const 9)))
        (local.set $i (i32.const 0))
        (loop $l (local.set $i (i32.add (local.get $i) (i32.const 1))) (br_if $l (i32.ne (local.get $i) (i32.const 500)))))"#;
    let (before, after) = (1 + 1_000 * 8 + 3, 2 + 500 * 8);
    assert_eq!(usage(loops).await, (before + after, u128::from(before) * PAGE + u128::from(after) * 10 * PAGE));

    // Growth that is refused changes nothing.
    let refused = r#"(func (export "_start") (drop (memory.grow (i32.const 1000))) (drop (i32.const 1)))"#;
    assert_eq!(usage(refused).await, (5, 5 * PAGE));
}

/// An operator on a range is not begun when the budget does not suffice for it.
#[tokio::test]
async fn ranges_are_paid_for_in_advance() {
    let fill = module(
        r#"(func (export "_start")
               (memory.fill (i32.const 1024) (i32.const 88) (i32.const 60000)))"#,
    );
    let outcome = Bench::new().run_limited(&fill, Limits { instructions: 50_000, ..LIMITS }).await;
    assert_eq!(
        outcome.result.unwrap_err().to_string(),
        "the function used up its 50000 instructions (max_instructions)"
    );
    assert_eq!(outcome.usage.instructions, 50_000);
}

#[tokio::test]
async fn a_failed_call_is_metered_too() {
    let bench = Bench::new();
    let usage = bench.run(&module(r#"(func (export "_start") (drop (i32.const 1)) unreachable)"#)).await.usage;
    assert_eq!((usage.instructions, usage.byte_instructions), (2, 2 * PAGE));
    assert_eq!(usage.memory_bytes_max, 65_536);
}

/// Whoever hangs up pays for what was done until then.
#[tokio::test]
async fn an_abandoned_call_is_metered_too() {
    let bench = Bench::new();
    let question = Outgoing::Db(DbRequest::Get { table: "t".to_owned(), key: b"k".to_vec() });
    let waits = writes(&[question], "(call $read) (call $read)");
    let computes = module(r#"(func (export "_start") (loop $l (br $l)))"#);
    for text in [waits, computes] {
        let program = bench.load(&text).await.unwrap();
        let services = Silent::default();
        let mut call = bench.call(Limits { instructions: u64::MAX, ..LIMITS });
        call.services = Arc::new(services.clone());
        let run = program.run(call);
        tokio::time::timeout(Duration::from_millis(20), run).await.expect_err("nobody answers");
        // A guest on the compute threads is stopped at the end of its slice.
        let told = poll_fn(|context| match services.0.lock().unwrap().first() {
            Some(usage) => Poll::Ready(*usage),
            None => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
        });
        let usage = told.await;
        assert!(
            usage.instructions > 0 && usage.byte_instructions == u128::from(usage.instructions) * PAGE,
            "{usage:?}"
        );
    }
}
