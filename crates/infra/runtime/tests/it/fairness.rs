//! A guest that computes for ever delays nobody.

use std::time::Duration;

use mu_runtime::Limits;
use tokio::task::JoinSet;

use crate::support::{Bench, LIMITS, ended, module, result, writes};

/// On one thread, with as many endless guests as there is room for but one: if any of them kept the thread, the
/// polite guest would never be heard.
#[tokio::test(flavor = "current_thread")]
async fn endless_guests_leave_room_for_others() {
    let bench = Bench::new();
    let endless = bench.load(&module(r#"(func (export "_start") (loop $l (br $l)))"#)).await.unwrap();
    let mut guests = JoinSet::new();
    for _ in 0..10 {
        let (program, call) = (endless.clone(), bench.call(Limits { instructions: u64::MAX, ..LIMITS }));
        guests.spawn(async move { program.run(call).await });
    }
    // Everyone gets started.
    tokio::task::yield_now().await;
    for _ in 0..20 {
        let outcome = bench.run(&writes(&[result(200, &[], "")], "")).await;
        assert_eq!(outcome.result.unwrap().status, 200);
    }
    assert!(guests.try_join_next().is_none(), "the endless guests are still at it");
    guests.shutdown().await;
}

/// Guests that make the node work instead of computing themselves: each loop takes few instructions of its own.
const BUSY_HOSTS: [&str; 6] = [
    "(drop (call $random_get (i32.const 0) (i32.const 0)))",
    "(drop (call $random_get (i32.const 4096) (i32.const 60000)))",
    // Lines on standard error; log messages that are empty; a message that is never complete.
    "(call $write (i32.const 2) (i32.const 4096) (i32.const 60000))",
    "(call $write (i32.const 1) (i32.const 2048) (i32.const 700))",
    "(call $write (i32.const 1) (i32.const 1024) (i32.const 6)) (call $read)",
    "(drop (call $poll_oneoff (i32.const 4096) (i32.const 53248) (i32.const 256) (i32.const 16)))",
];

#[tokio::test(flavor = "current_thread")]
async fn guests_that_keep_the_node_busy_leave_room_for_others() {
    let bench = Bench::new();
    let empty_logs = "\\03\\00\\00\\00\\00\\00\\02".repeat(100);
    let mut guests = JoinSet::new();
    for host_call in BUSY_HOSTS {
        // `write` moves the start of the message out of the way of what `read` gets; 1024 begins a row of the database
        // that would have 1 MiB.
        let text = module(&format!(
            r#"(data (i32.const 1024) "\e9\03\00\00\10\00")
               (data (i32.const 2048) "{empty_logs}")
               (func (export "_start") (call $read) (loop $l {host_call} (br $l)))"#
        ));
        let program = bench.load(&text).await.unwrap();
        let call = bench.call(Limits { instructions: u64::MAX, timeout: Duration::from_secs(1), ..LIMITS });
        guests.spawn(async move { ended(program.run(call).await).result.unwrap_err().to_string() });
    }
    tokio::task::yield_now().await;
    for _ in 0..20 {
        let outcome = bench.run(&writes(&[result(200, &[], "")], "")).await;
        assert_eq!(outcome.result.unwrap().status, 200);
    }
    // The clock of the node still runs.
    while let Some(failure) = guests.join_next().await {
        let failure = failure.unwrap();
        let is_stopped =
            failure == "the function did not answer within 1s (timeout)" || failure.contains("is larger than");
        assert!(is_stopped, "{failure}");
    }
}

#[tokio::test]
async fn a_dropped_call_frees_its_instance() {
    let bench = Bench::new();
    let endless = bench.load(&module(r#"(func (export "_start") (loop $l (br $l)))"#)).await.unwrap();
    // More often than the pool has instances; each call is dropped while it runs on the compute threads.
    for _ in 0..40 {
        let call = bench.call(Limits { instructions: u64::MAX, ..LIMITS });
        let run = endless.run(call);
        assert!(tokio::time::timeout(Duration::from_millis(20), run).await.is_err());
    }
    let outcome = bench.run(&writes(&[result(200, &[], "")], "")).await;
    assert_eq!(outcome.result.unwrap().status, 200);
}
