//! Handlers that go on after their answer.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use mu_invoke::{InvokeConfig, Kind, Verdict};
use mu_runtime::{Call, Failure, Ran, Response, Rest, collect_body, full_body};
use mu_telemetry::Level;
use tokio::sync::Notify;

use crate::world::{USAGE, World};

/// Handlers that answer at once and end when they are told to.
fn world(config: InvokeConfig, end: &Arc<Notify>, result: fn() -> Result<(), Failure>) -> World {
    let end = Arc::clone(end);
    World::running(config, move |call: Call| {
        let end = Arc::clone(&end);
        async move {
            let response =
                Response { status: StatusCode::OK, headers: HeaderMap::new(), body: full_body("the beginning") };
            let rest = Rest::new(async move {
                end.notified().await;
                // Held by the execution until then, as an engine does.
                drop(call);
                (result(), USAGE)
            });
            Ran::Answered { response, rest }
        }
    })
}

/// The next receipt, which another task writes.
async fn receipt(world: &World) -> mu_invoke::Receipt {
    loop {
        if let Some(receipt) = world.sink.receipts().pop() {
            return receipt;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_answer_is_there_before_the_end_and_the_receipt_after_it() {
    let end = Arc::new(Notify::new());
    let world = world(InvokeConfig::default(), &end, || Ok(()));
    let shop = world.shop().await;
    let response = world.pay(&shop).await.unwrap();
    assert_eq!(collect_body(response.body, 100).await.unwrap(), "the beginning");
    assert_eq!((shop.in_flight(), world.sink.receipts().len()), (1, 0));
    end.notify_one();
    let receipt = receipt(&world).await;
    assert_eq!(receipt.verdict, Verdict::Answered(StatusCode::OK));
    assert_eq!(receipt.usage.instructions, USAGE.instructions);
    shop.drained().await;
}

#[tokio::test]
async fn a_failure_after_the_answer_is_told_to_the_author() {
    let end = Arc::new(Notify::new());
    let world = world(InvokeConfig::default(), &end, || Err(Failure::TimedOut { timeout: Duration::from_secs(5) }));
    let shop = world.shop().await;
    world.pay(&shop).await.unwrap();
    end.notify_one();
    assert_eq!(receipt(&world).await.verdict, Verdict::Failed("timed_out"));
    let lines = world.sink.runtime_lines();
    assert!(matches!(lines.as_slice(), [(Level::Error, line)] if line.contains("5s")), "{lines:?}");
}

/// Who only reads slowly takes a place all the same.
#[tokio::test(start_paused = true)]
async fn a_handler_keeps_its_place_until_its_end() {
    let end = Arc::new(Notify::new());
    let config = InvokeConfig { concurrency_max: 1, queue_max: 0, ..InvokeConfig::default() };
    let world = world(config, &end, || Ok(()));
    let shop = world.shop().await;
    world.pay(&shop).await.unwrap();
    let refused = world.pay(&shop).await.unwrap_err();
    assert_eq!((refused.kind, refused.retry_after.is_some()), (Kind::Unavailable, true));
    end.notify_one();
    shop.drained().await;
    world.pay(&shop).await.unwrap();
}

#[tokio::test]
async fn handlers_end_when_the_invoker_stops() {
    let world = world(InvokeConfig::default(), &Arc::new(Notify::new()), || Ok(()));
    let shop = world.shop().await;
    world.pay(&shop).await.unwrap();
    world.invoker.stop();
    assert_eq!(receipt(&world).await.verdict, Verdict::Abandoned);
    shop.drained().await;
}
