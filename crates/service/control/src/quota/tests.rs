//! Quotas from outside: set, listed, and held.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use mu_db::{Kv, MemKv};
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
    let counted: Vec<_> = gate.refused().iter().map(|(limit, count)| (limit.as_str(), *count)).collect();
    assert_eq!(
        counted,
        [
            ("invocations_per_second", 2),
            ("concurrent_invocations", 2),
            ("instructions_per_day", 1),
            ("table_bytes", 0),
            ("box_bytes", 0),
            ("requests_per_second", 0),
        ]
    );
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

#[tokio::test(start_paused = true)]
async fn bytes_are_measured_when_it_matters() {
    let store = Arc::new(Store::default());
    let env = Env::simulated(1, NOON);
    let bytes = StoredBytes::new(Arc::clone(&store) as Arc<dyn Measure>, env.clone());
    let admit = |amount| bytes.admit(&STACK, Stored::Tables, 100, amount);
    let measured = || store.measured.load(Ordering::Relaxed);

    store.fails.store(true, Ordering::Relaxed);
    assert_eq!(admit(1).await, Err(BytesRefused::Unmeasured(MeasureError("it stopped".into()))));
    store.fails.store(false, Ordering::Relaxed);
    store.bytes.store(40, Ordering::Relaxed);
    let all = tokio::join!(admit(10), admit(10), admit(10));
    assert_eq!((all, measured()), ((Ok(()), Ok(()), Ok(())), 2), "once for all who ask");
    admit(30).await.unwrap();
    tokio::time::advance(Duration::from_secs(5)).await;
    // The writes replaced each other.
    admit(10).await.unwrap();
    assert_eq!(measured(), 3, "measured before it is refused");
    store.bytes.store(100, Ordering::Relaxed);
    tokio::time::advance(Duration::from_secs(61)).await;
    admit(1).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(measured(), 4, "measured afterwards, because it was long ago");
    let Err(BytesRefused::Exceeded(refused)) = admit(1).await else { panic!("it is full") };
    assert_eq!((refused.limit, refused.allowed), (Limit::TableBytes, 100));
    assert!(refused.retry_after.is_some_and(|wait| wait <= Duration::from_secs(1)));
    assert_eq!(measured(), 4, "not again at once");
    store.bytes.store(10, Ordering::Relaxed);
    bytes.forget(&STACK);
    admit(90).await.unwrap();
    assert!(bytes.admit(&STACK, Stored::Boxes, 100, 1).await.is_ok());
    env.tasks().stop().await;
}
