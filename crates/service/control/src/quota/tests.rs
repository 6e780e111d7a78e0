//! Quotas from outside: set, listed, and held.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use mu_db::{Kv, MemJournal, MemKv};
use mu_env::{Env, Timestamp};

use super::*;

const STACK: StackId = StackId::new([1; 32]);
const NOON: Timestamp = Timestamp::from_micros(43_200_000_000);

fn stack() -> Subject {
    Subject::Stack(STACK)
}

fn client() -> Subject {
    Subject::Client("k_alice".into())
}

async fn gate(defaults: QuotaDefaults) -> (Gate, Arc<QuotaBook>) {
    let book = Arc::new(QuotaBook::open(Arc::new(MemKv::new()), defaults).await.unwrap());
    (Gate::new(Arc::clone(&book), Env::simulated(1, NOON)), book)
}

fn admit(gate: &Gate) -> Result<Admitted, Exceeded> {
    gate.admit(&[stack(), client()], |_| 0)
}

#[tokio::test(start_paused = true)]
async fn quotas_are_set_listed_and_cleared_and_survive() {
    let kv: Arc<dyn Kv> = Arc::new(MemKv::new());
    let default = Quota { invocations_per_second: Some(7), box_bytes: Some(9), ..Quota::default() };
    let defaults = QuotaDefaults { stack: default, client: Quota::default() };
    let book = Arc::new(QuotaBook::open(Arc::clone(&kv), defaults).await.unwrap());
    let own = Quota { invocations_per_second: Some(100), ..Quota::default() };
    let other = Subject::Stack(StackId::new([2; 32]));
    for subject in [&stack(), &other, &client(), &Subject::Client("oidc:corp:bob".into())] {
        book.set(subject, own).await.unwrap();
    }
    assert_eq!(book.effective(&stack()), Quota { invocations_per_second: Some(100), ..default });
    assert_eq!(book.effective(&Subject::Stack(StackId::new([3; 32]))), default);
    assert_eq!(book.effective(&client()), own, "defaults of stacks are not those of clients");
    let reopened = QuotaBook::open(Arc::clone(&kv), defaults).await.unwrap();
    let names = |listed: Vec<(Subject, Quota)>| listed.iter().map(|(subject, _)| subject.clone()).collect::<Vec<_>>();
    let all = [client(), Subject::Client("oidc:corp:bob".into()), stack(), other.clone()];
    assert_eq!(names(reopened.list(None, 10)), all);
    assert_eq!(names(reopened.list(None, 2)), all[..2]);
    assert_eq!(names(reopened.list(Some(&all[1]), 10)), all[2..]);
    reopened.clear(&stack()).await.unwrap();
    assert_eq!(reopened.own(&stack()), None);
    assert_eq!(book.own(&stack()), Some(own), "another node does not know yet");
    let env = Env::simulated(1, NOON);
    env.tasks().spawn(Arc::clone(&book).run(env.tasks().shutdown().clone()));
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(book.own(&stack()), None);
    env.tasks().stop().await;
    let long = Subject::Client("x".repeat(1_025).into());
    assert_eq!(book.set(&long, own).await, Err(QuotaError::PrincipalTooLong { bytes: 1_025 }));
}

#[tokio::test(start_paused = true)]
async fn each_limit_is_held_and_says_how_long_to_wait() {
    let (gate, book) = gate(QuotaDefaults::default()).await;
    for _ in 0..1_000 {
        let _ = admit(&gate).unwrap();
    }
    let none = Quota::default;
    let hour = Duration::from_secs(3_600);
    let set = |quota| {
        let book = Arc::clone(&book);
        async move { book.set(&stack(), quota).await.unwrap() }
    };

    set(Quota { invocations_per_second: Some(2), ..none() }).await;
    let _ = (admit(&gate).unwrap(), admit(&gate).unwrap());
    let refused = admit(&gate).unwrap_err();
    assert_eq!((refused.limit, refused.retry_after), (Limit::InvocationsPerSecond, Some(Duration::from_millis(500))));
    assert_eq!(refused.retry_after_seconds(), Some(1));
    let text = format!("stack {STACK} is at the limit `invocations_per_second` of its quota, 2: try again in 1 s");
    assert_eq!(refused.to_string(), text);
    tokio::time::advance(Duration::from_millis(500)).await;
    let _ = admit(&gate).unwrap();

    set(Quota { concurrent_invocations: Some(2), ..none() }).await;
    let running = (admit(&gate).unwrap(), admit(&gate).unwrap());
    let refused = admit(&gate).unwrap_err();
    assert_eq!((refused.limit, refused.retry_after), (Limit::ConcurrentInvocations, Some(Duration::from_secs(1))));
    drop(running.0);
    let _ = admit(&gate).unwrap();

    set(Quota { instructions_per_day: Some(1_000), ..none() }).await;
    assert!(gate.admit(&[stack()], |_| 999).is_ok());
    let refused = gate.admit(&[stack()], |_| 1_000).unwrap_err();
    let midnight = Duration::from_secs(43_200) - Duration::from_millis(500);
    assert_eq!((refused.limit, refused.retry_after), (Limit::InstructionsPerDay, Some(midnight)));

    for quota in
        [Quota { invocations_per_second: Some(0), ..none() }, Quota { concurrent_invocations: Some(0), ..none() }]
    {
        set(quota).await;
        assert_eq!(admit(&gate).unwrap_err().retry_after, Some(hour), "nothing is allowed");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_is_limited_over_all_of_its_stacks() {
    let quota = Quota { concurrent_invocations: Some(2), requests_per_second: Some(1), ..Quota::default() };
    let (gate, _) = gate(QuotaDefaults { client: quota, stack: Quota::default() }).await;
    let of = |stack| gate.admit(&[Subject::Stack(StackId::new([stack; 32])), client()], |_| 0);
    let running = (of(1).unwrap(), of(2).unwrap());
    let refused = of(3).unwrap_err();
    assert_eq!((refused.subject, refused.limit), (client(), Limit::ConcurrentInvocations));
    drop(running);
    let _ = of(3).unwrap();
    assert_eq!(gate.admit_request(&client()), Ok(()));
    let refused = gate.admit_request(&client()).unwrap_err();
    assert_eq!((refused.limit, refused.retry_after_seconds()), (Limit::RequestsPerSecond, Some(1)));
    assert_eq!(gate.admit_request(&Subject::Client("k_bob".into())), Ok(()));
}

/// What a refused invocation took of its stack's concurrency is given back.
#[tokio::test(start_paused = true)]
async fn a_refusal_holds_nothing() {
    let defaults = QuotaDefaults {
        stack: Quota { concurrent_invocations: Some(1), ..Quota::default() },
        client: Quota { concurrent_invocations: Some(0), ..Quota::default() },
    };
    let (gate, book) = gate(defaults).await;
    for _ in 0..3 {
        assert_eq!(admit(&gate).unwrap_err().subject, client());
    }
    book.set(&client(), Quota { concurrent_invocations: Some(5), ..Quota::default() }).await.unwrap();
    let _ = admit(&gate).unwrap();
}

/// A store that is as large as it is told, and counts how often it is asked.
#[derive(Default)]
struct Store {
    bytes: AtomicU64,
    measured: AtomicU64,
    fails: std::sync::atomic::AtomicBool,
}

#[async_trait]
impl Measure for Store {
    async fn measure(&self, _: &StackId, _: Stored) -> Result<u64, MeasureError> {
        self.measured.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(10)).await;
        if self.fails.load(Ordering::Relaxed) {
            return Err(MeasureError("it stopped".into()));
        }
        Ok(self.bytes.load(Ordering::Relaxed))
    }
}

fn limit(subject: Subject, bytes: u64) -> ByteLimit {
    ByteLimit { subject, bytes }
}

#[tokio::test(start_paused = true)]
async fn bytes_are_measured_when_it_matters() {
    let store = Arc::new(Store::default());
    let env = Env::simulated(1, NOON);
    let bytes = StoredBytes::new(Arc::clone(&store) as Arc<dyn Measure>, Arc::default(), env.clone());
    let limits = [limit(stack(), 100)];
    let admit = |amount| bytes.admit(&limits, Stored::Tables, amount);
    let measured = || store.measured.load(Ordering::Relaxed);
    let a_while = || tokio::time::sleep(Duration::from_millis(1_500));

    store.fails.store(true, Ordering::Relaxed);
    store.bytes.store(40, Ordering::Relaxed);
    admit(1).await.unwrap();
    a_while().await;
    assert_eq!(measured(), 1, "what fits does not wait, and what fails is not tried again at once");
    store.fails.store(false, Ordering::Relaxed);
    let all = tokio::join!(admit(10), admit(10), admit(10));
    a_while().await;
    assert_eq!((all, measured()), ((Ok(()), Ok(()), Ok(())), 2), "once for all who ask");
    admit(31).await.unwrap();
    a_while().await;
    assert_eq!(measured(), 3, "half of the room is used");
    admit(10).await.unwrap();
    a_while().await;
    store.bytes.store(45, Ordering::Relaxed);
    // Two who do not fit by the estimate wait for the same measurement, and one finds room.
    let both = tokio::join!(admit(60), admit(55));
    assert_eq!((both.0.is_err(), both.1, measured()), (true, Ok(()), 4));
    let refused = admit(1).await.unwrap_err();
    assert_eq!((refused.limit, refused.allowed, refused.retry_after), (Limit::TableBytes, 100, None));
    let text = format!(
        "stack {STACK} is at the limit `table_bytes` of its quota, 100: delete something, or ask an operator for more"
    );
    assert_eq!(refused.to_string(), text);
    assert_eq!(measured(), 4, "not again at once");
    store.bytes.store(10, Ordering::Relaxed);
    a_while().await;
    admit(90).await.unwrap();
    assert_eq!(measured(), 5, "measured before it is refused");
    let over = bytes.admit_at_once(&limits, Stored::Tables, 1).unwrap_err();
    assert!(!over.may_fit(), "it was measured just now");
    bytes.forget(&STACK);
    assert!(bytes.admit_at_once(&limits, Stored::Tables, 100).is_ok());
    assert!(bytes.admit(&limits, Stored::Boxes, 1).await.is_ok(), "boxes are counted by themselves");
    env.tasks().stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_write_waits_for_a_measurement_no_longer_than_some_seconds() {
    struct Endless;
    #[async_trait]
    impl Measure for Endless {
        async fn measure(&self, _: &StackId, _: Stored) -> Result<u64, MeasureError> {
            std::future::pending().await
        }
    }
    let env = Env::simulated(1, NOON);
    let bytes = StoredBytes::new(Arc::new(Endless), Arc::default(), env.clone());
    let limits = [limit(stack(), 100)];
    bytes.admit(&limits, Stored::Boxes, 100).await.unwrap();
    let over = bytes.admit_at_once(&limits, Stored::Boxes, 1).unwrap_err();
    assert!(over.may_fit());
    let refused = bytes.admit(&limits, Stored::Boxes, 1).await.unwrap_err();
    assert_eq!(refused.limit, Limit::BoxBytes);
    // What is being measured does not keep the node from stopping.
    env.tasks().stop().await;
}

/// Quotas of nobody, over a store that nothing is in.
async fn quotas(env: &Env, store: &Arc<Store>, owned: &[StackId]) -> Quotas {
    let kv: Arc<dyn Kv> = Arc::new(MemKv::new());
    let journal = Arc::new(MemJournal::new([9; 16]));
    let (usage, folder) = crate::usage::UsageLedger::open(journal, Arc::clone(&kv), env.clone()).await.unwrap();
    env.tasks().spawn(folder.run(env.tasks().shutdown().clone()));
    let owners = Owners::default();
    for stack in owned {
        owners.add(*stack, "k_alice");
    }
    let metrics = mu_telemetry::Metrics::new(mu_telemetry::MetricsParams { version: "1", functions_max: 1 });
    let measure = Arc::clone(store) as Arc<dyn Measure>;
    let (env, defaults) = (env.clone(), QuotaDefaults::default());
    Quotas::open(QuotaParts { env, kv, defaults, owners, usage, measure, metrics }).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_client_may_store_so_much_in_all_of_its_stacks() {
    let (env, store) = (Env::simulated(1, NOON), Arc::new(Store::default()));
    let other = StackId::new([2; 32]);
    let quotas = quotas(&env, &store, &[STACK, other]).await;
    store.bytes.store(30, Ordering::Relaxed);
    for stack in [STACK, other] {
        assert!(quotas.admit_bytes_at_once(stack, Stored::Tables, u64::MAX).is_ok(), "nobody has a limit");
    }
    assert_eq!(store.measured.load(Ordering::Relaxed), 0);
    quotas.set(&client(), Quota { table_bytes: Some(100), ..Quota::default() }).await.unwrap();
    quotas.set(&stack(), Quota { table_bytes: Some(80), ..Quota::default() }).await.unwrap();
    quotas.admit_bytes(other, Stored::Tables, 1).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    // 60 bytes are there, 30 of them in each of the two.
    quotas.admit_bytes(STACK, Stored::Tables, 39).await.unwrap();
    store.bytes.store(49, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(100)).await;
    for (stack, subject) in [(other, client()), (STACK, client())] {
        let refused = quotas.admit_bytes(stack, Stored::Tables, 12).await.unwrap_err();
        assert_eq!((refused.subject, refused.limit), (subject, Limit::TableBytes));
    }
    quotas.admit_bytes(STACK, Stored::Boxes, u64::MAX).await.unwrap();
    let refused = quotas.admit_bytes(STACK, Stored::Tables, 70).await.unwrap_err();
    assert_eq!(refused.subject, stack(), "its own limit comes first");
    // Gone, it has no quota, and its bytes are not its owner's.
    quotas.forget_stack(&STACK).await.unwrap();
    assert_eq!((quotas.book().own(&stack()), quotas.owners().of(&STACK)), (None, None));
    let text = quotas.metrics.encode(mu_telemetry::Readings::default());
    assert!(text.contains("mu_limit_hits_total{limit=\"quotas.client.table_bytes\"} 2"), "{text}");
    assert!(text.contains("mu_limit_hits_total{limit=\"quotas.stack.table_bytes\"} 1"), "{text}");
    env.tasks().stop().await;
}

#[tokio::test(start_paused = true)]
async fn instructions_of_the_day_are_those_that_were_counted() {
    use crate::usage::{Counts, UsageEntry};
    let (env, store) = (Env::simulated(1, NOON), Arc::new(Store::default()));
    let other = StackId::new([2; 32]);
    let quotas = quotas(&env, &store, &[STACK, other]).await;
    let owner: Arc<str> = "k_alice".into();
    let admit = |stack| quotas.admit(stack, Some(&owner)).map(drop).map_err(|refused| refused.subject);
    let executed = |stack, instructions| {
        let usage = mu_pricing::Usage { instructions, ..mu_pricing::Usage::default() };
        let counts = Counts { usage, ..Counts::default() };
        quotas.usage.record(&UsageEntry { stack, function: Some("f"), counts });
        tokio::time::sleep(Duration::from_secs(3))
    };
    assert!(quotas.admit(STACK, Some(&owner)).unwrap().is_free());
    quotas.set(&stack(), Quota { instructions_per_day: Some(100), ..Quota::default() }).await.unwrap();
    quotas.set(&client(), Quota { instructions_per_day: Some(150), ..Quota::default() }).await.unwrap();
    executed(STACK, 99).await;
    assert_eq!((admit(STACK), admit(other)), (Ok(()), Ok(())));
    executed(STACK, 1).await;
    assert_eq!((admit(STACK), admit(other)), (Err(stack()), Ok(())));
    executed(other, 50).await;
    assert_eq!((admit(STACK), admit(other)), (Err(stack()), Err(client())));
    tokio::time::sleep(Duration::from_secs(43_200)).await;
    assert_eq!((admit(STACK), admit(other)), (Ok(()), Ok(())), "another day");
    env.tasks().stop().await;
}

#[tokio::test(start_paused = true)]
async fn strangers_are_held_to_a_rate_by_their_network() {
    let (env, store) = (Env::simulated(1, NOON), Arc::new(Store::default()));
    let quotas = quotas(&env, &store, &[]).await;
    let from = |text: &str| text.parse().unwrap();
    for _ in 0..100 {
        quotas.admit_stranger(from("2001:db8::1")).unwrap();
        quotas.admit_stranger(from("192.0.2.1")).unwrap();
    }
    let wait = Err(Duration::from_millis(50));
    for same in ["2001:db8::2", "192.0.2.1", "::ffff:192.0.2.1"] {
        assert_eq!(quotas.admit_stranger(from(same)), wait, "{same}");
    }
    for other in ["2001:db8:0:1::1", "192.0.2.2"] {
        assert_eq!(quotas.admit_stranger(from(other)), Ok(()), "{other}");
    }
    assert_eq!(quotas.admit_request("k_alice"), Ok(()), "nobody has a limit");
    env.tasks().stop().await;
}
