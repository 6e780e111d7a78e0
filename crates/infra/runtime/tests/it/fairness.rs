//! A guest that computes for ever delays nobody.

use std::time::Duration;

use mu_runtime::Limits;
use tokio::task::JoinSet;

use crate::support::{Bench, LIMITS, module, result, writes};

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
