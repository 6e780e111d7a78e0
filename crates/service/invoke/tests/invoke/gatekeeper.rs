//! What the gatekeeper is asked, and what comes of its answers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mu_abi::{DbReply, DbRequest, StorageReply, StorageRequest};
use mu_invoke::{Asks, DataKind, Gatekeeper, InvokeConfig, Kind, Pass, Ports, Refusal, Verdict, WritePermit, code};
use mu_runtime::{Call, Ran};
use mu_stack::StackId;
use tokio::sync::Notify;

use crate::world::{World, answered};

/// Lets as many invocations run at once as it is told, and as many bytes be written.
struct Limits {
    calls_max: usize,
    calls: Arc<AtomicUsize>,
    bytes_max: u64,
    asked: Mutex<Vec<String>>,
}

struct Held(Arc<AtomicUsize>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Gatekeeper for Limits {
    fn admit(&self, asks: &Asks<'_>) -> Result<Pass, Refusal> {
        let owner = asks.owner.map_or("nobody", |owner| owner);
        self.asked.lock().unwrap().push(format!("{owner} v{} {:?}", asks.version, asks.cause));
        let held = Held(Arc::clone(&self.calls));
        if self.calls.fetch_add(1, Ordering::SeqCst) < self.calls_max {
            return Ok(Pass::holding(held));
        }
        let message = "stack `shop` has as many calls as it may have, 1".to_owned();
        Err(Refusal { code: code::TOO_MANY_CALLS, message, retry_after: Duration::from_millis(20) })
    }

    fn may_write(&self, stack: &StackId, kind: DataKind, bytes: u64) -> WritePermit<'_> {
        assert_eq!(*stack, StackId::new([1; 32]));
        self.asked.lock().unwrap().push(format!("{kind:?} {bytes}"));
        let over = format!("{bytes} bytes are over the quota");
        match kind {
            _ if bytes <= self.bytes_max => WritePermit::Granted,
            DataKind::Tables => WritePermit::Refused(over),
            // Found out only when it is waited for.
            DataKind::Boxes => WritePermit::Later(Box::pin(async move {
                tokio::task::yield_now().await;
                Err(over)
            })),
        }
    }
}

fn limits(calls_max: usize, bytes_max: u64) -> (Arc<Limits>, Ports) {
    let limits = Arc::new(Limits { calls_max, calls: Arc::default(), bytes_max, asked: Mutex::default() });
    (Arc::clone(&limits), Ports { gatekeeper: limits, ..Ports::default() })
}

#[tokio::test]
async fn a_pass_lasts_as_long_as_its_call() {
    let (limits, ports) = limits(1, 0);
    let end = Arc::new(Notify::new());
    let ends = Arc::clone(&end);
    let world = World::with_ports(InvokeConfig::default(), ports, move |_| {
        let end = Arc::clone(&ends);
        async move {
            end.notified().await;
            Ran::Ended(answered(""))
        }
    });
    let shop = world.shop().await;
    let first = {
        let (invoker, shop, id) = (Arc::clone(&world.invoker), Arc::clone(&shop), world.env.new_invocation_id());
        tokio::spawn(async move {
            let target = shop.target(&"till.pay".parse().unwrap()).unwrap();
            let request = crate::world::request();
            invoker.invoke(&shop, &target, mu_invoke::Cause::CommandLine, id, request).await.map(drop)
        })
    };
    while shop.in_flight() == 0 {
        tokio::task::yield_now().await;
    }
    let refused = world.pay(&shop).await.unwrap_err();
    assert_eq!((refused.kind, refused.code), (Kind::Exhausted, "too_many_calls"));
    assert_eq!(refused.message, "stack `shop` has as many calls as it may have, 1");
    // Whoever asks again after no time at all would ask for ever.
    assert_eq!(refused.retry_after, Some(Duration::from_secs(1)));
    let receipt = world.sink.receipts().remove(0);
    assert_eq!((receipt.verdict, receipt.version), (Verdict::Refused("too_many_calls"), 1));
    end.notify_one();
    first.await.unwrap().unwrap();
    assert_eq!(limits.calls.load(Ordering::SeqCst), 0);
    end.notify_one();
    world.pay(&shop).await.unwrap();
    let totals = shop.meter().totals();
    assert_eq!((totals.invocations, totals.rejections, totals.refusals), (2, 0, 1));
    assert_eq!(*limits.asked.lock().unwrap(), ["k_owner v1 CommandLine"; 3]);
}

#[tokio::test]
async fn a_pass_ends_also_when_the_caller_goes_away() {
    let (limits, ports) = limits(1, 0);
    let world = World::with_ports(InvokeConfig::default(), ports, |_| std::future::pending());
    let shop = world.shop().await;
    tokio::select! {
        biased;
        _ = world.pay(&shop) => panic!("nobody answers"),
        () = std::future::ready(()) => {}
    }
    assert_eq!(limits.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn writes_over_the_quota_are_errors_of_the_function_alone() {
    let (limits, ports) = limits(9, 4);
    let replies = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&replies);
    let world = World::with_ports(InvokeConfig::default(), ports, move |call: Call| {
        let told = Arc::clone(&told);
        async move {
            let (table, key) = ("items".to_owned(), b"k".to_vec());
            let row = |value: &str| (table.clone(), key.clone(), value.as_bytes().to_vec());
            let put = |value: &str| {
                let (table, key, value) = row(value);
                DbRequest::Put { table, key, value, is_atomic: false }
            };
            let object = |data: &str| {
                let (storage_name, key) = ("photos".to_owned(), "a".to_owned());
                StorageRequest::Put { storage_name, key, data: data.as_bytes().to_vec() }
            };
            for request in [
                put("123"),
                put("1234"),
                DbRequest::BatchPut { items: vec![row("1"), row("12")], is_atomic: false },
                DbRequest::CompareAndSwap {
                    table: table.clone(),
                    key: key.clone(),
                    new_value: b"1234".to_vec(),
                    previous_value: None,
                },
                DbRequest::Get { table: table.clone(), key: key.clone() },
                DbRequest::Delete { table: table.clone(), key: key.clone(), is_atomic: false },
            ] {
                let reply = match call.services.db(request).await {
                    DbReply::Error(message) => message,
                    reply => format!("{reply:?}"),
                };
                told.lock().unwrap().push(reply);
            }
            for request in [object("123"), object("1234")] {
                let reply = match call.services.storage(request).await {
                    StorageReply::Error(message) => message,
                    reply => format!("{reply:?}"),
                };
                told.lock().unwrap().push(reply);
            }
            Ran::Ended(answered(""))
        }
    });
    let shop = world.shop().await;
    world.pay(&shop).await.unwrap();
    let over = "5 bytes are over the quota";
    let expected = ["Empty", over, over, over, "Single([49, 50, 51])", "Empty", "Empty", over];
    assert_eq!(*replies.lock().unwrap(), expected);
    let asked = limits.asked.lock().unwrap().split_off(1);
    let expected = ["Tables 4", "Tables 5", "Tables 5", "Tables 5", "Boxes 4", "Boxes 5"];
    assert_eq!(asked, expected, "what only reads or deletes is not asked");
    // What was refused is not billed.
    assert_eq!(world.sink.receipts()[0].usage.storage_written_bytes, 3);
}
