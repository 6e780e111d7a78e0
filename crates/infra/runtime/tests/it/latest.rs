//! Components of WASI 0.3 through the engine's port.

use std::time::Duration;

use mu_runtime::{Limits, LoadParams, full_body};
use mu_stack::{Instances, Runtime};

use crate::component_guest::{Guest, component, ok};
use crate::support::{LIMITS, params};

async fn guest() -> Guest {
    Guest::of(params(component("latest"), Runtime::WasiHttp3)).await
}

#[tokio::test]
async fn a_component_of_the_latest_version_answers() {
    let guest = guest().await;
    assert_eq!(guest.get("/hello").await.answer, ok("hello"));
    assert_eq!(guest.get("/elsewhere").await.answer, Ok((404, "no such path: elsewhere".to_owned())));
    let reused = LoadParams { instances: Instances::Reuse, ..params(component("latest"), Runtime::WasiHttp3) };
    let guest = Guest::of(reused).await;
    for _ in 0..3 {
        assert_eq!(guest.get("/hello").await.answer, ok("hello"));
    }
}

#[tokio::test]
async fn its_bodies_stream_both_ways() {
    let guest = guest().await;
    guest.echoes_piece_by_piece().await;
    let large = guest.call("/echo", full_body(vec![b'x'; 3 << 20]), LIMITS).await;
    assert_eq!(large.answer.unwrap().1.len(), 3 << 20);
}

#[tokio::test]
async fn its_failures_are_told() {
    let guest = guest().await;
    let trap = guest.get("/trap").await.answer.unwrap_err();
    assert!(trap.starts_with("the function trapped: wasm trap: wasm `unreachable` instruction executed"), "{trap}");
    let code = guest.get("/code").await.answer.unwrap_err();
    assert!(code.starts_with("the function answered with the error ErrorCode::LoopDetected"), "{code}");
    let half = guest.get("/half").await;
    assert_eq!(half.answer, ok("cut"));
    assert!(half.end.unwrap().unwrap_err().starts_with("the function trapped: "));
}

#[tokio::test]
async fn limits_hold_for_it() {
    let guest = guest().await;
    let limits = Limits { instructions: 10_000_000, ..LIMITS };
    let spun = guest.call("/spin", full_body(""), limits).await;
    assert_eq!(spun.answer.unwrap_err(), "the function used up its 10000000 instructions (max_instructions)");
    let limits = Limits { timeout: Duration::from_millis(50), ..LIMITS };
    for path in ["/sleep", "/spin"] {
        let failure = guest.call(path, full_body(""), limits).await.answer.unwrap_err();
        assert_eq!(failure, "the function did not answer within 50ms (timeout)", "{path}");
    }
    let stalled = guest.call("/stall", full_body(""), limits).await;
    assert_eq!(stalled.answer, ok("cut"));
    assert!(stalled.end.unwrap().unwrap_err().contains("(timeout)"));
}

#[tokio::test]
async fn its_counts_are_the_same_on_every_run() {
    let guest = guest().await;
    let first = guest.get("/compute/100000").await;
    for _ in 0..3 {
        let again = guest.get("/compute/100000").await;
        assert_eq!((again.instructions, again.memory_bytes_max), (first.instructions, first.memory_bytes_max));
    }
    assert!(guest.get("/compute/200000").await.instructions > first.instructions + 500_000);
}
