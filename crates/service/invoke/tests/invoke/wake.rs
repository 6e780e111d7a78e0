//! Stacks that sleep until something asks for them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use mu_invoke::{Asleep, Dormant, Found, InvokeConfig, Invoker, Ports, Wake, WakeError, Weighted};
use mu_runtime::Ran;
use mu_stack::StackId;
use tokio::sync::Semaphore;

use crate::world::{MANIFEST, World, answered, params};

const ID: StackId = StackId::new([1; 32]);

/// Loads the shop as it is told to.
struct Loader {
    started: AtomicUsize,
    /// Lets one load go on.
    open: Semaphore,
    /// What the loads say, in their order; then they succeed.
    errors: Mutex<Vec<&'static str>>,
}

#[async_trait]
impl Wake for Loader {
    async fn wake(&self, invoker: &Arc<Invoker>, stack: StackId) -> Result<Vec<Weighted>, WakeError> {
        self.started.fetch_add(1, Ordering::SeqCst);
        self.open.acquire().await.unwrap().forget();
        let error = self.errors.lock().unwrap().pop();
        match error {
            Some("panic") => panic!("a fault of the loader"),
            Some("nothing") => return Ok(Vec::new()),
            Some(error) => return Err(WakeError(error.to_owned())),
            None => {}
        }
        assert_eq!(stack, ID);
        let version = invoker.prepare(params(1, 7, MANIFEST, "code")).await;
        version.map(|version| vec![(version, 1)]).map_err(|error| WakeError(error.to_string()))
    }
}

fn world(config: InvokeConfig, errors: &[&'static str]) -> (World, Arc<Loader>) {
    let errors = Mutex::new(errors.iter().rev().copied().collect());
    let loader = Arc::new(Loader { started: AtomicUsize::new(0), open: Semaphore::new(0), errors });
    let ports = Ports { wake: Arc::clone(&loader) as Arc<dyn Wake>, ..Ports::default() };
    let world = World::with_ports(config, ports, |_| async { Ran::Ended(answered("")) });
    world.invoker.deployments().register([Dormant { id: ID, name: "shop".into() }]);
    (world, loader)
}

/// The version that is awake, or why there is none.
async fn awake(invoker: &Arc<Invoker>) -> Result<u64, (&'static str, Duration)> {
    match invoker.awake(&ID).await {
        Ok(deployment) => Ok(deployment.unwrap().version()),
        Err(Asleep { code, retry_after, .. }) => Err((code, retry_after)),
    }
}

#[tokio::test]
async fn the_first_request_wakes_a_stack_for_all() {
    let (world, loader) = world(InvokeConfig::default(), &[]);
    for reference in ["shop", &ID.to_string()] {
        let found = world.invoker.deployments().find(reference);
        assert!(matches!(found, Found::Dormant(id) if id == ID), "{found:?}");
    }
    assert!(world.invoker.deployments().deployment(&ID).is_none());
    let known = || {
        let stacks = world.invoker.deployments().stacks();
        stacks.into_iter().map(|stack| (stack.id, stack.name.to_string(), stack.versions.len())).collect::<Vec<_>>()
    };
    assert_eq!(known(), [(ID, "shop".to_owned(), 0)]);
    let requests: Vec<_> = (0..10)
        .map(|_| {
            let invoker = Arc::clone(&world.invoker);
            tokio::spawn(async move { awake(&invoker).await })
        })
        .collect();
    // Whoever asked first may go away.
    requests[0].abort();
    loader.open.add_permits(1);
    for request in requests.into_iter().skip(1) {
        assert_eq!(request.await.unwrap(), Ok(7));
    }
    assert_eq!(loader.started.load(Ordering::SeqCst), 1);
    assert_eq!(known(), [(ID, "shop".to_owned(), 1)]);
    // What is awake is called, and may rest again.
    let shop = world.invoker.deployments().deployment(&ID).unwrap();
    world.pay(&shop).await.unwrap();
    let rested = world.invoker.deployments().rest(&ID);
    assert!(Arc::ptr_eq(&rested[0], &shop));
    loader.open.add_permits(1);
    assert_eq!(awake(&world.invoker).await, Ok(7));
    let meter = world.invoker.deployments().meter_of(&ID).unwrap();
    assert_eq!(meter.totals().invocations, 1, "what was counted stays");
    assert!(world.invoker.awake(&StackId::new([9; 32])).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_remembered_for_a_while() {
    let retry = InvokeConfig::default().wake_retry;
    for failure in ["no such file", "nothing", "panic"] {
        let (world, loader) = world(InvokeConfig::default(), &[failure]);
        loader.open.add_permits(2);
        assert_eq!(awake(&world.invoker).await, Err(("not_loaded", retry)), "{failure}");
        tokio::time::advance(retry - Duration::from_secs(1)).await;
        assert_eq!(awake(&world.invoker).await, Err(("not_loaded", Duration::from_secs(1))), "{failure}");
        assert_eq!(loader.started.load(Ordering::SeqCst), 1);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(awake(&world.invoker).await, Ok(7), "{failure}");
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_is_bounded() {
    let config = InvokeConfig { queue_max: 1, ..InvokeConfig::default() };
    let (world, loader) = world(config, &[]);
    let invoker = Arc::clone(&world.invoker);
    let waits = tokio::spawn(async move { awake(&invoker).await });
    while loader.started.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(awake(&world.invoker).await, Err(("queue_full", Duration::from_secs(1))));
    // Neither the request nor the load takes longer than it may.
    assert!(waits.await.unwrap().is_err());
    tokio::time::advance(config.wake_timeout).await;
    tokio::task::yield_now().await;
    assert!(matches!(awake(&world.invoker).await, Err(("not_loaded", _))));
    loader.open.add_permits(1);
    tokio::time::advance(config.wake_retry).await;
    assert_eq!(awake(&world.invoker).await, Ok(7));
}

#[tokio::test]
async fn a_deploy_meanwhile_counts() {
    let (world, loader) = world(InvokeConfig::default(), &[]);
    let invoker = Arc::clone(&world.invoker);
    let waits = tokio::spawn(async move { awake(&invoker).await });
    while loader.started.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    world.shop().await;
    loader.open.add_permits(1);
    assert_eq!(waits.await.unwrap(), Ok(1));
    assert_eq!(awake(&world.invoker).await, Ok(1));
    // One that is known already is not put to sleep by being registered.
    world.invoker.deployments().register([Dormant { id: ID, name: "shop".into() }]);
    assert_eq!((awake(&world.invoker).await, world.invoker.deployments().count()), (Ok(1), 1));
}

#[tokio::test]
async fn thousands_sleep_side_by_side() {
    let (world, _) = world(InvokeConfig::default(), &[]);
    let deployments = world.invoker.deployments();
    let id = |number: u32| {
        let mut id = [2; 32];
        id[..4].copy_from_slice(&number.to_be_bytes());
        StackId::new(id)
    };
    let many = (0..3_000).map(|number| Dormant { id: id(number), name: format!("s{}", number / 2).into() });
    deployments.register(many.chain([Dormant { id: id(5), name: "again".into() }]));
    assert_eq!(deployments.count(), 3_001);
    assert!(matches!(deployments.find("s7"), Found::Ambiguous));
    assert!(matches!(deployments.find("again"), Found::Unknown));
    assert!(matches!(deployments.find_id(&id(14)), Found::Dormant(_)));
    deployments.remove(&id(14));
    assert!(matches!(deployments.find("s7"), Found::Dormant(found) if found == id(15)));
    assert!(matches!(deployments.find_id(&id(14)), Found::Unknown));
}
