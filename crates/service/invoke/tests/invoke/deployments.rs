//! How stacks are put into service, found and replaced.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use http::StatusCode;
use mu_invoke::{DeployParams, Found, InvokeConfig, Secrets};
use mu_runtime::Call;
use mu_stack::{Manifest, StackId};
use tokio::sync::Notify;

use crate::world::{MANIFEST, World, answered};

fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn world() -> World {
    World::new(InvokeConfig::default(), |_| async { answered("") })
}

/// What a reference leads to: the id's first byte, or a word.
fn found(world: &World, reference: &str) -> String {
    match world.invoker.deployments().find(reference) {
        Found::Deployment(deployment) => deployment.id().key()[0].to_string(),
        Found::Unknown => "unknown".to_owned(),
        Found::Dormant(_) => "dormant".to_owned(),
        Found::Ambiguous => "ambiguous".to_owned(),
    }
}

#[tokio::test]
async fn a_stack_is_found_by_its_id_and_by_a_name_of_its_own() {
    let world = world();
    let id = |byte| StackId::new([byte; 32]).to_string();
    assert_eq!(found(&world, "shop"), "unknown");
    world.shop().await;
    assert_eq!((found(&world, "shop"), found(&world, &id(1))), ("1".to_owned(), "1".to_owned()));
    // Another stack of that name: only ids tell them apart.
    world.deploy(2, MANIFEST, "code").await.unwrap();
    assert_eq!(found(&world, "shop"), "ambiguous");
    assert_eq!((found(&world, &id(1)), found(&world, &id(2))), ("1".to_owned(), "2".to_owned()));
    // A name cannot take the place of another stack's id.
    let thief = MANIFEST.replace("name: shop", &format!("name: {}", id(1)));
    world.deploy(3, &thief, "code").await.unwrap();
    assert_eq!(found(&world, &id(1)), "1");
    // What is removed is gone, and the name belongs to the other one.
    assert_eq!(world.invoker.deployments().remove(&StackId::new([1; 32])).len(), 1);
    assert_eq!((found(&world, "shop"), found(&world, "SHOP")), ("2".to_owned(), "unknown".to_owned()));
    let all: Vec<_> = world.invoker.deployments().all().iter().map(|d| d.id().key()[0]).collect();
    assert_eq!(all, [3, 2]);
}

#[tokio::test]
async fn code_that_cannot_run_is_named_and_replaces_nothing() {
    let world = world();
    let shop = world.shop().await;
    let error = world.deploy(1, MANIFEST, "broken").await.unwrap_err();
    let expected = "loading function `till`: the module does not export a function `_start`: \
                    build it as a WASI preview 1 command";
    assert_eq!(error.to_string(), expected);
    let stack = Manifest::parse("mu.yaml", MANIFEST.as_bytes()).unwrap().deployed_stack();
    let nothing = DeployParams {
        id: shop.id(),
        version: 2,
        owner: None,
        stack,
        artifacts: Default::default(),
        secrets: Secrets::default(),
        function_id: None,
    };
    let error = world.invoker.deploy(nothing).await.unwrap_err();
    assert_eq!(error.to_string(), "function `till` has no code");
    let current = world.invoker.deployments().deployment(&shop.id()).unwrap();
    assert!(Arc::ptr_eq(&current, &shop));
    assert!(world.pay(&current).await.is_ok());
}

#[tokio::test]
async fn a_call_ends_in_the_version_where_it_began() {
    let open = Arc::new(Notify::new());
    let waits = Arc::clone(&open);
    let world = World::new(InvokeConfig::default(), move |call: Call| {
        let open = Arc::clone(&waits);
        async move {
            let colour = call.env[0].1.clone();
            if colour == "red" {
                open.notified().await;
            }
            answered(colour)
        }
    });
    let old = world.shop().await;
    let mut call = pin!(world.pay(&old));
    assert!(poll(call.as_mut()).is_pending());
    let new = world.deploy(1, &MANIFEST.replace("red", "blue"), "code").await.unwrap();
    let body = |response: mu_runtime::Response| mu_runtime::collect_body(response.body, 100);
    assert_eq!(body(world.pay(&new).await.unwrap()).await.unwrap(), "blue");

    let mut drained = pin!(old.drained());
    assert!(poll(drained.as_mut()).is_pending());
    open.notify_one();
    let response = call.await.unwrap();
    assert_eq!(response.status, StatusCode::CREATED);
    assert_eq!(body(response).await.unwrap(), "red");
    drained.await;
    // Both versions are on one bill.
    assert_eq!(new.meter().totals().invocations, 2);
}
