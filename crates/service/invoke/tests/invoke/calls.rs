//! How calls are admitted, end, and are accounted for.

use std::future::pending;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::StatusCode;
use mu_abi::DbRequest;
use mu_invoke::{Cause, FailureDetail, InvokeConfig, Kind, Routed, Verdict};
use mu_pricing::Usage;
use mu_runtime::{Call, Failure, collect_body};
use mu_stack::Method;
use mu_telemetry::{Level, LogSource};
use tokio::sync::Notify;

use crate::world::{USAGE, World, answered, failed, request};

const PUT: fn() -> DbRequest =
    || DbRequest::Put { table: "items".to_owned(), key: b"k".to_vec(), value: b"v".to_vec(), is_atomic: true };

fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn a_call_gets_what_its_stack_says_and_leaves_a_receipt() {
    let world = World::new(InvokeConfig::default(), |call: Call| async move {
        assert_eq!(&*call.handler, "pay");
        assert_eq!(&*call.env, [("COLOUR".to_owned(), "red".to_owned())]);
        assert_eq!((call.limits.memory_bytes, call.limits.timeout), (1 << 20, Duration::from_secs(5)));
        call.services.db(PUT()).await;
        call.log.write(LogSource::Function, Level::Info, "paid".to_owned());
        answered("thanks")
    });
    let shop = world.shop().await;
    let Routed::Found { target, params, template, .. } = shop.gateway("api").unwrap().route(Method::Post, "/pay/7")
    else {
        panic!("the route exists");
    };
    assert_eq!(params, [("amount", "7".to_owned())]);
    let gateway = shop.gateway("api").unwrap().name().clone();
    let cause = Cause::Gateway { gateway, method: http::Method::POST, template: template.clone() };
    let id = world.env.new_invocation_id();
    let response = world.invoker.invoke(&shop, target, cause.clone(), id, request()).await.unwrap();
    assert_eq!(response.status, StatusCode::CREATED);
    assert_eq!(collect_body(response.body, 100).await.unwrap(), "thanks");

    let receipts = world.sink.receipts();
    let [receipt] = &receipts[..] else { panic!("one call, {} receipts", receipts.len()) };
    assert_eq!((receipt.invocation, receipt.stack_id, &receipt.cause), (id, shop.id(), &cause));
    assert_eq!((&*receipt.stack, &*receipt.function, &*receipt.handler), ("shop", "till", "pay"));
    assert_eq!(receipt.verdict, Verdict::Answered(StatusCode::CREATED));
    let usage = Usage {
        instructions: USAGE.instructions,
        byte_instructions: USAGE.byte_instructions,
        db_writes: 2,
        ..Usage::default()
    };
    assert_eq!((receipt.usage, receipt.memory_bytes_max), (usage, USAGE.memory_bytes_max));
    let totals = shop.meter().totals();
    assert_eq!((totals.invocations, totals.failures, totals.usage), (1, 0, usage));
    assert_eq!(totals.memory_bytes_max, USAGE.memory_bytes_max);
    assert_eq!(shop.in_flight(), 0);
}

#[tokio::test]
async fn a_failure_is_told_to_the_author_and_hidden_from_the_caller() {
    for (detail, message) in [
        (FailureDetail::Hidden, "the function failed; its log has the reason under invocation "),
        (FailureDetail::Shown, "the function failed: no change for a million"),
    ] {
        let config = InvokeConfig { failure_detail: detail, ..InvokeConfig::default() };
        let fails = |_| async { failed(Failure::Fatal("no change for a million".to_owned())) };
        let world = World::new(config, fails);
        let shop = world.shop().await;
        let error = world.pay(&shop).await.unwrap_err();
        assert_eq!((error.kind, error.code), (Kind::FunctionFailed, "function_failed"));
        assert!(error.message.starts_with(message), "{}", error.message);
        let line = (Level::Error, "the function failed: no change for a million".to_owned());
        assert_eq!(world.sink.runtime_lines(), [line]);
        let receipt = world.sink.receipts().remove(0);
        assert_eq!((receipt.verdict, receipt.invocation), (Verdict::Failed("function_failed"), error.invocation));
        assert_eq!(receipt.usage.instructions, USAGE.instructions);
        assert_eq!(shop.meter().totals().failures, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn calls_beyond_the_limit_wait_and_those_beyond_the_queue_are_refused() {
    let open = Arc::new(Notify::new());
    let waits = Arc::clone(&open);
    let config = InvokeConfig { concurrency_max: 1, queue_max: 1, ..InvokeConfig::default() };
    let world = World::new(config, move |_| {
        let open = Arc::clone(&waits);
        async move {
            open.notified().await;
            answered("")
        }
    });
    let shop = world.shop().await;
    let mut first = pin!(world.pay(&shop));
    let mut second = pin!(world.pay(&shop));
    assert!(poll(first.as_mut()).is_pending());
    assert!(poll(second.as_mut()).is_pending());
    let functions = || shop.functions().iter().map(|function| (&**function.name(), function.in_flight()));
    assert_eq!((shop.in_flight(), functions().collect::<Vec<_>>()), (2, vec![("till", 2)]));

    let refused = world.pay(&shop).await.unwrap_err();
    assert_eq!((refused.kind, refused.code), (Kind::Unavailable, "queue_full"));
    assert_eq!(refused.retry_after, Some(Duration::from_secs(1)));
    assert_eq!(world.sink.receipts()[0].verdict, Verdict::Rejected("queue_full"));

    open.notify_one();
    assert!(first.await.is_ok());
    open.notify_one();
    assert!(second.await.is_ok());
    assert!(functions().all(|(_, in_flight)| in_flight == 0));
    let verdicts: Vec<_> = world.sink.receipts().iter().map(|receipt| receipt.verdict).collect();
    assert_eq!(verdicts, [Verdict::Answered(StatusCode::CREATED); 2]);
    let totals = shop.meter().totals();
    assert_eq!((totals.invocations, totals.rejections), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_place_ends_with_the_functions_timeout() {
    let config = InvokeConfig { concurrency_max: 1, ..InvokeConfig::default() };
    let world = World::new(config, |_| pending());
    let shop = world.shop().await;
    let mut first = pin!(world.pay(&shop));
    assert!(poll(first.as_mut()).is_pending());
    let refused = world.pay(&shop).await.unwrap_err();
    assert_eq!((refused.kind, refused.code), (Kind::Unavailable, "queue_timed_out"));
    let receipt = world.sink.receipts().remove(0);
    assert_eq!((receipt.verdict, receipt.waited), (Verdict::Rejected("queue_timed_out"), Duration::from_secs(5)));
}

#[tokio::test(start_paused = true)]
async fn waiting_and_running_together_take_no_longer_than_the_timeout() {
    let config = InvokeConfig { concurrency_max: 1, ..InvokeConfig::default() };
    // Runs until its time is over, as an engine sees to it.
    let world = World::new(config, |call: Call| async move {
        tokio::time::sleep_until(call.deadline).await;
        failed(Failure::TimedOut { timeout: call.limits.timeout })
    });
    let shop = world.shop().await;
    let mut first = pin!(world.pay(&shop));
    assert!(poll(first.as_mut()).is_pending());
    let later = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        world.pay(&shop).await
    };
    let (first, later) = tokio::join!(first, later);
    assert_eq!([first.unwrap_err().code, later.unwrap_err().code], ["timed_out"; 2]);
    let times: Vec<_> = world.sink.receipts().iter().map(|receipt| (receipt.waited, receipt.duration)).collect();
    let seconds = Duration::from_secs;
    assert_eq!(times, [(seconds(0), seconds(5)), (seconds(3), seconds(5))]);
}

#[tokio::test]
async fn a_call_whose_caller_goes_away_leaves_a_receipt_and_its_place() {
    let config = InvokeConfig { concurrency_max: 1, queue_max: 0, ..InvokeConfig::default() };
    let world = World::new(config, |call: Call| async move {
        call.services.db(PUT()).await;
        pending().await
    });
    let shop = world.shop().await;
    for _ in 0..2 {
        {
            let mut call = pin!(world.pay(&shop));
            assert!(poll(call.as_mut()).is_pending());
            assert!(world.sink.receipts().is_empty());
        }
        let receipts = world.sink.receipts();
        assert_eq!(receipts.iter().map(|receipt| receipt.verdict).collect::<Vec<_>>(), [Verdict::Abandoned]);
        assert_eq!(receipts[0].usage.db_writes, 2);
        let line = "stopped, because the caller went away before there was an answer";
        assert_eq!(world.sink.runtime_lines(), [(Level::Warn, line.to_owned())]);
        assert_eq!(shop.in_flight(), 0);
    }
}

/// The engine may stop a call some time after its caller went away; its receipt waits for that, and has everything.
#[tokio::test]
async fn the_receipt_of_an_abandoned_call_has_what_it_executed() {
    let running = Arc::new(Mutex::new(None));
    let kept = Arc::clone(&running);
    let world = World::new(InvokeConfig::default(), move |call: Call| {
        *kept.lock().unwrap() = Some(call.services);
        pending()
    });
    let shop = world.shop().await;
    {
        let mut call = pin!(world.pay(&shop));
        assert!(poll(call.as_mut()).is_pending());
    }
    assert!(world.sink.receipts().is_empty());
    let services = running.lock().unwrap().take().unwrap();
    services.abandoned(USAGE);
    drop(services);
    let receipt = world.sink.receipts().remove(0);
    assert_eq!((receipt.verdict, receipt.usage.instructions), (Verdict::Abandoned, USAGE.instructions));
    assert_eq!(shop.meter().totals().usage.byte_instructions, USAGE.byte_instructions);
}

#[tokio::test]
async fn a_panic_in_the_engine_ends_one_call_only() {
    let calls = AtomicUsize::new(0);
    let world = World::new(InvokeConfig::default(), move |call: Call| {
        let is_first = calls.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            if is_first {
                call.services.db(PUT()).await;
                // As an engine does for an execution that is dropped.
                call.services.abandoned(USAGE);
                panic!("a fault of the engine");
            }
            answered("")
        }
    });
    let shop = world.shop().await;
    let error = world.pay(&shop).await.unwrap_err();
    assert_eq!((error.kind, error.code), (Kind::Internal, "internal"));
    assert!(!error.message.contains("a fault of the engine"), "{}", error.message);
    assert!(world.pay(&shop).await.is_ok());
    let receipts = world.sink.receipts();
    let verdicts: Vec<_> = receipts.iter().map(|receipt| receipt.verdict).collect();
    assert_eq!(verdicts, [Verdict::Failed("internal"), Verdict::Answered(StatusCode::CREATED)]);
    // What was used until then is billed.
    let usage = receipts[0].usage;
    assert_eq!((usage.instructions, usage.byte_instructions), (USAGE.instructions, USAGE.byte_instructions));
    assert_eq!((usage.db_writes, receipts[0].memory_bytes_max), (2, USAGE.memory_bytes_max));
}
