//! Rollouts, from their order to their end.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use super::world::{OPERATOR, Who, World};
use crate::catalog::{Routing, RoutingChange};
use crate::rollout::{Rollout, RolloutConfig};

const BOSS: Who = Who::Key(OPERATOR);

/// A rollout from version 2 to version 1, in steps of a second and ten requests.
async fn begin(world: &World, steps: &[u8]) {
    let auto = json!({"steps": steps, "interval_s": 1, "min_requests": 10});
    let order = json!({"weights": [{"version": 1, "weight": 100}], "auto": auto});
    let answer = world.ask(&BOSS, "PUT", "/v1/stacks/shop/routing", &order).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

/// What is served after a look that comes when the interval is over.
async fn look(world: &World) -> String {
    tokio::time::advance(Duration::from_secs(1)).await;
    world.control.step_rollouts().await;
    let routing = world.ask(&BOSS, "GET", "/v1/stacks/shop/routing", &Value::Null).await.json();
    routing["weights"].as_array().unwrap().iter().map(|w| format!("v{}={} ", w["version"], w["weight"])).collect()
}

#[tokio::test(start_paused = true)]
async fn only_what_happens_in_a_step_counts_for_it() {
    let world = World::new().await;
    world.stack("shop", &["first", "second"]).await;
    world.region.answers(1, 1_000, 500, 900);
    world.region.answers(2, 1_000, 1, 0);
    begin(&world, &[10, 50, 100]).await;
    assert_eq!(look(&world).await, "v2=90 v1=10 ", "what failed before does not count");
    world.region.answers(1, 9, 1, 0);
    assert_eq!(look(&world).await, "v2=90 v1=10 ", "one request is missing");
    world.region.answers(1, 1, 1, 0);
    assert_eq!(look(&world).await, "v2=50 v1=50 ");
    assert_eq!(look(&world).await, "v2=50 v1=50 ", "the requests of the step before do not count");
    world.region.answers(2, 10, 1, 0);
    world.region.answers(1, 10, 300, 0);
    assert_eq!(look(&world).await, "v2=100 ", "it is slow now, however fast it was");
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_loaded_anew_is_counted_anew() {
    let world = World::new().await;
    world.stack("shop", &["first", "second"]).await;
    world.region.answers(1, 1_000, 1, 0);
    begin(&world, &[10, 100]).await;
    let patch = json!({"config": {"A": "1"}});
    assert_eq!(world.ask(&BOSS, "PATCH", "/v1/stacks/shop/config", &patch).await.status, StatusCode::OK);
    world.region.answers(1, 9, 1, 0);
    assert_eq!(look(&world).await, "v2=90 v1=10 ");
    world.region.answers(1, 1, 1, 0);
    assert_eq!(look(&world).await, "v1=100 ");
}

#[tokio::test(start_paused = true)]
async fn a_rollout_that_an_earlier_process_began_is_found() {
    let world = World::new().await;
    let stack = world.stack("shop", &["first", "second"]).await;
    let (old, new) = (2.try_into().unwrap(), 1.try_into().unwrap());
    let config = RolloutConfig::new().with_steps(vec![10, 100]).unwrap().with_requests_min(1);
    let (rollout, _) = Rollout::start(config, old, new, world.env.now());
    let (by, why) = (String::new(), String::new());
    let routing = Routing::split(new, 10, old);
    let change = RoutingChange { routing, expected_revision: None, rollout: Some(rollout), by, why };
    world.control.catalog.route(&stack, &change).await.unwrap();
    world.region.answers(1, 5, 1, 5);
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(look(&world).await, "v2=90 v1=10 ", "nobody has looked for it");
    world.control.find_rollouts().await.unwrap();
    assert_eq!(look(&world).await, "v2=90 v1=10 ", "its step begins with the first look");
    world.region.answers(1, 1, 1, 0);
    assert_eq!(look(&world).await, "v1=100 ");
    assert_eq!(world.region.told(), ["serve v1=100"]);
}

#[tokio::test(start_paused = true)]
async fn routing_by_hand_ends_a_rollout() {
    let world = World::new().await;
    world.stack("shop", &["first", "second"]).await;
    begin(&world, &[10, 100]).await;
    let order = json!({"weights": [{"version": 2, "weight": 100}]});
    assert_eq!(world.ask(&BOSS, "PUT", "/v1/stacks/shop/routing", &order).await.status, StatusCode::OK);
    world.region.answers(1, 10, 1, 0);
    assert_eq!(look(&world).await, "v2=100 ");
    begin(&world, &[10, 100]).await;
    world.region.answers(1, 10, 1, 0);
    assert_eq!(look(&world).await, "v1=100 ", "and another one can begin");
}
