//! Several versions of a stack at once.

use std::sync::Arc;

use mu_abi::{DbReply, DbRequest};
use mu_invoke::{Deployment, InvokeConfig};
use mu_runtime::Call;
use mu_stack::StackId;

use crate::world::{MANIFEST, World, answered, params};

const ID: StackId = StackId::new([1; 32]);

fn world() -> World {
    World::new(InvokeConfig::default(), |_| async { answered("") })
}

async fn prepared(world: &World, version: u64) -> Arc<Deployment> {
    world.invoker.prepare(params(1, version, MANIFEST, "code")).await.unwrap()
}

/// How many of a thousand requests each of the versions 1 to 3 gets.
fn shares(world: &World) -> [u32; 3] {
    let mut shares = [0; 3];
    for _ in 0..1_000 {
        let deployment = world.invoker.deployments().deployment(&ID).unwrap();
        shares[usize::try_from(deployment.version()).unwrap() - 1] += 1;
    }
    shares
}

#[tokio::test]
async fn requests_go_to_versions_by_weight() {
    let world = world();
    let versions = [prepared(&world, 1).await, prepared(&world, 2).await, prepared(&world, 3).await];
    assert!(world.invoker.deployments().deployment(&ID).is_none(), "what is prepared is not served");
    for (weights, expected) in [
        ([1, 0, 0], [1_000..=1_000, 0..=0, 0..=0]),
        ([90, 10, 0], [850..=950, 50..=150, 0..=0]),
        ([1, 1, 2], [200..=300, 200..=300, 450..=550]),
        ([0, 0, 5], [0..=0, 0..=0, 1_000..=1_000]),
        // Nothing is said: the first has all.
        ([0, 0, 0], [1_000..=1_000, 0..=0, 0..=0]),
        ([u32::MAX, u32::MAX, 0], [450..=550, 450..=550, 0..=0]),
    ] {
        let served = versions.iter().cloned().zip(weights).collect();
        assert!(world.invoker.deployments().serve(ID, served).is_empty());
        let shares = shares(&world);
        let is_expected = shares.iter().zip(&expected).all(|(share, range)| range.contains(share));
        assert!(is_expected, "{weights:?}: {shares:?}");
    }
}

#[tokio::test]
async fn what_is_no_longer_listed_drains() {
    let world = world();
    let (one, two, three) = (prepared(&world, 1).await, prepared(&world, 2).await, prepared(&world, 3).await);
    let numbers = |gone: Vec<Arc<Deployment>>| gone.iter().map(|gone| gone.version()).collect::<Vec<_>>();
    let deployments = world.invoker.deployments();
    let serve = |versions: &[(&Arc<Deployment>, u32)]| {
        let versions = versions.iter().map(|&(version, weight)| (Arc::clone(version), weight)).collect();
        numbers(deployments.serve(ID, versions))
    };
    assert!(serve(&[(&one, 90), (&two, 10)]).is_empty());
    assert_eq!(serve(&[(&two, 50), (&three, 50)]), [1]);
    assert_eq!(deployments.all().iter().map(|served| served.version()).collect::<Vec<_>>(), [2, 3]);
    // An older version comes back as it was.
    assert_eq!(serve(&[(&one, 1)]), [2, 3]);
    assert!(Arc::ptr_eq(&deployments.deployment(&ID).unwrap(), &one));
    // No version at all takes the stack away.
    assert_eq!(serve(&[]), [1]);
    assert!(serve(&[]).is_empty() && deployments.count() == 0);
    // One bill for all of them, also when they were never served at the same time.
    assert!(Arc::ptr_eq(one.meter(), three.meter()));
}

#[tokio::test]
async fn data_is_deleted_when_no_version_that_is_served_keeps_it() {
    let asked = Arc::new(std::sync::Mutex::new(None));
    let answer = Arc::clone(&asked);
    let world = World::new(InvokeConfig::default(), move |call: Call| {
        let answer = Arc::clone(&answer);
        async move {
            let (table, key) = ("items".to_owned(), b"k".to_vec());
            let reply = match call.request.path_params.is_empty() {
                true => call.services.db(DbRequest::Get { table, key }).await,
                false => call.services.db(DbRequest::Put { table, key, value: b"v".to_vec(), is_atomic: false }).await,
            };
            *answer.lock().unwrap() = Some(reply);
            answered("")
        }
    });
    let read = async |deployment: &Arc<Deployment>| {
        let target = deployment.target(&"till.read".parse().unwrap()).unwrap();
        let request = mu_runtime::Request { path_params: vec![], ..crate::world::request() };
        let (cause, id) = (mu_invoke::Cause::CommandLine, world.env.new_invocation_id());
        world.invoker.invoke(deployment, &target, cause, id, request).await.unwrap();
        asked.lock().unwrap().take().unwrap()
    };
    let keeps = world.shop().await;
    world.pay(&keeps).await.unwrap();
    let row = DbReply::Single(b"v".to_vec());

    let deleting = MANIFEST.replace("name: items}", "name: items, delete: true}");
    let deletes = world.invoker.prepare(params(1, 2, &deleting, "code")).await.unwrap();
    assert_eq!(read(&keeps).await, row, "preparing deletes nothing");
    let both = vec![(Arc::clone(&keeps), 90), (Arc::clone(&deletes), 10)];
    world.invoker.serve(ID, both).await.unwrap();
    assert_eq!(read(&keeps).await, row, "a version that is served keeps it");
    world.invoker.serve(ID, vec![(deletes, 1)]).await.unwrap();
    assert!(matches!(read(&keeps).await, DbReply::Error(_)));
    // Rolling back to what was prepared before finds its tables, empty.
    world.invoker.serve(ID, vec![(Arc::clone(&keeps), 1)]).await.unwrap();
    assert_eq!(read(&keeps).await, DbReply::Empty);
}

#[tokio::test]
async fn a_stack_may_change_its_name() {
    let world = world();
    world.shop().await;
    world.deploy(1, &MANIFEST.replace("name: shop", "name: store"), "code").await.unwrap();
    let found = |reference: &str| format!("{:?}", world.invoker.deployments().find(reference));
    assert_eq!(found("shop"), "Unknown");
    assert!(found("store").starts_with("Deployment"), "{}", found("store"));
    assert_eq!(world.invoker.deployments().count(), 1);
}

#[tokio::test]
async fn every_version_is_counted_for_itself() {
    use mu_runtime::{Failure, collect_body};
    let world = World::new(InvokeConfig::default(), |call: Call| async move {
        // Versions are told apart by what they are given.
        if call.env.iter().any(|(_, colour)| colour == "blue") {
            return crate::world::failed(Failure::Fatal("no blue".to_owned()));
        }
        answered("")
    });
    let red = world.shop().await;
    let blue = world.invoker.prepare(params(1, 2, &MANIFEST.replace("red", "blue"), "code")).await.unwrap();
    for (deployment, calls) in [(&red, 3), (&blue, 2)] {
        for _ in 0..calls {
            if let Ok(response) = world.pay(deployment).await {
                collect_body(response.body, 10).await.unwrap();
            }
        }
    }
    let counted = |deployment: &Deployment| {
        let stats = deployment.stats().snapshot();
        (stats.requests(), stats.failures(), stats.quantile(0.95).is_some())
    };
    assert_eq!((counted(&red), counted(&blue)), ((3, 0, true), (2, 2, true)));
    let versions: Vec<_> = world.sink.receipts().iter().map(|receipt| receipt.version).collect();
    assert_eq!(versions, [1, 1, 1, 2, 2]);
}

#[tokio::test]
async fn functions_are_given_the_secrets_that_they_declare() {
    use mu_invoke::Secrets;
    let world = World::new(InvokeConfig::default(), |call: Call| async move {
        let env: Vec<_> = call.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        answered(env.join(" "))
    });
    let manifest = MANIFEST.replace("env: {COLOUR: red}", "env: {COLOUR: red}, secrets: [KEY, A]");
    let with = |secrets: &[(&str, &str)]| {
        let secrets = secrets.iter().map(|&(name, value)| (name.parse().unwrap(), value.to_owned()));
        let mut params = params(1, 1, &manifest, "code");
        params.secrets = secrets.collect::<Secrets>();
        params
    };
    let shop = world.invoker.deploy(with(&[("KEY", "s3cret"), ("A", "1"), ("OTHER", "2")])).await.unwrap();
    let body = world.pay(&shop).await.unwrap().body;
    assert_eq!(mu_runtime::collect_body(body, 100).await.unwrap(), "A=1 COLOUR=red KEY=s3cret");

    let long = "s3cret".repeat(20_000);
    for (secrets, told) in [
        (&[("KEY", "s3cret")][..], "function `till` needs the secret `A`, which has no value: set it first"),
        (&[("KEY", "s3cret\0"), ("A", "1")], "giving function `till` its secrets: the value of environment variable"),
        (&[("KEY", &long), ("A", "1")], "with `KEY` the environment would have more than 65536 bytes"),
    ] {
        let params = with(secrets);
        assert!(!format!("{params:?}").contains("s3cret"), "values are shown nowhere");
        let error = world.invoker.deploy(params).await.unwrap_err().to_string();
        assert!(error.contains(told) && !error.contains("s3cret"), "{error}");
    }
}
