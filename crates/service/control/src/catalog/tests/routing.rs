//! Routing: weights, conflicts, history, going back.

use mu_stack::StackId;

use super::world::{OTHER, OWNER, World, version};
use crate::catalog::limits::ROUTING_HISTORY_MAX;
use crate::catalog::{CatalogError, Routing, RoutingChange, RoutingRecord, VersionState};
use crate::rollout::{Rollout, RolloutConfig};

fn change(routing: &str, expected_revision: Option<u64>) -> RoutingChange {
    let routing = routing.parse().unwrap();
    RoutingChange { routing, expected_revision, rollout: None, by: OWNER.into(), why: "test".into() }
}

async fn with_versions(count: u8) -> (World, StackId) {
    let world = World::new();
    let id = world.stack("shop").await;
    for number in 0..count {
        world.prepared(&id, &[number]).await;
    }
    (world, id)
}

async fn route(world: &World, id: &StackId, routing: &str) -> RoutingRecord {
    world.catalog.route(id, &change(routing, None)).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn routing_is_kept_with_its_history() {
    let (world, id) = with_versions(4).await;
    assert_eq!(world.catalog.routing(&id).await.unwrap(), None);
    let first = world.catalog.activate(&id, version(1), Some(0), OTHER, "first").await.unwrap();
    let expected = RoutingRecord {
        revision: 1,
        routing: Routing::only(version(1)),
        since: world.env.now(),
        by: OTHER.into(),
        why: "first".into(),
        rollout: None,
    };
    assert_eq!(first, expected);
    let second = route(&world, &id, "v1=40,v2=30,v3=20,v4=10").await;
    assert_eq!(world.catalog.routing(&id).await.unwrap(), Some(second.clone()));
    assert_eq!(world.catalog.routing_history(&id).await.unwrap(), [second.clone(), first]);
    let other = world.stack("other").await;
    assert_eq!(world.catalog.routings(&[other, id]).await.unwrap(), [None, Some(second)]);
}

#[tokio::test]
async fn the_history_is_bounded() {
    let (world, id) = with_versions(2).await;
    for round in 0..ROUTING_HISTORY_MAX + 5 {
        route(&world, &id, if round % 2 == 0 { "v1=100" } else { "v2=100" }).await;
    }
    let history = world.catalog.routing_history(&id).await.unwrap();
    let revisions: Vec<_> = history.iter().map(|record| record.revision).collect();
    assert_eq!(revisions, (6..=ROUTING_HISTORY_MAX + 5).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn of_two_changes_at_once_one_is_told() {
    let (world, id) = with_versions(2).await;
    world.catalog.activate(&id, version(1), Some(0), OWNER, "").await.unwrap();
    let (one, other) = (change("v1=50,v2=50", Some(1)), change("v2=100", Some(1)));
    let (one, other) = tokio::join!(world.catalog.route(&id, &one), world.catalog.route(&id, &other));
    let (won, lost) = if one.is_ok() { (one, other) } else { (other, one) };
    assert_eq!(won.unwrap().revision, 2);
    let message = "the routing of stack `shop` has changed meanwhile (its revision is 2, not 1): someone else deployed \
                   or routed it; look at it with `mu stack show`, then try again";
    assert_eq!(lost.unwrap_err().to_string(), message);
    assert_eq!(route(&world, &id, "v2=100").await.revision, 3, "without an expectation, it changes whatever is there");
}

#[tokio::test]
async fn only_prepared_versions_are_routed() {
    let world = World::new();
    let id = world.stack("shop").await;
    let unprepared = world.begin(&id, b"1").await.unwrap().version.record.number;
    let failed = world.begin(&id, b"2").await.unwrap().version.record.number;
    let record = world.catalog.version_failed(&id, failed, "function `cart`: no such import").await.unwrap();
    assert_eq!(record.state, VersionState::Failed { failure: "function `cart`: no such import".into() });
    for (number, message) in [
        (unprepared, "version v1 of stack `shop` is not prepared yet: wait until its deploy has ended"),
        (
            failed,
            "version v2 of stack `shop` failed and cannot be routed: function `cart`: no such import; deploy it anew",
        ),
        (version(3), "stack `shop` has no version v3: see them with `mu stack versions`"),
    ] {
        let refused = world.catalog.activate(&id, number, None, OWNER, "").await.unwrap_err();
        assert_eq!(refused.to_string(), message);
    }
    for _ in 0..2 {
        world.catalog.version_failed(&id, failed, "function `cart`: no such import").await.unwrap();
    }
    let refused = world.catalog.version_prepared(&id, failed).await;
    assert!(matches!(refused, Err(CatalogError::VersionDecided { .. })), "{refused:?}");
    world.catalog.version_prepared(&id, unprepared).await.unwrap();
    world.catalog.activate(&id, unprepared, None, OWNER, "").await.unwrap();
    let refused = world.catalog.version_failed(&id, unprepared, "too late").await;
    assert!(matches!(refused, Err(CatalogError::VersionDecided { .. })), "{refused:?}");
}

#[tokio::test]
async fn going_back_leads_to_what_had_everything() {
    let (world, id) = with_versions(4).await;
    for (routings, expected) in [
        (&["v1=100"][..], None),
        (&["v2=100"], Some(1)),
        // A split is not gone back to, whatever became of it.
        (&["v2=50,v3=50"], Some(1)),
        (&["v3=100", "v3=90,v4=10", "v3=50,v4=50", "v4=100"], Some(3)),
        // Going back once more undoes it.
        (&[], Some(4)),
        (&[], Some(3)),
    ] {
        for routing in routings {
            route(&world, &id, routing).await;
        }
        let back = world.catalog.roll_back(&id, OTHER, "errors").await;
        match expected {
            Some(number) => {
                let back = back.unwrap();
                assert_eq!((back.routing, back.by.as_str()), (Routing::only(version(number)), OTHER), "{routings:?}");
            }
            None => assert!(matches!(back, Err(CatalogError::NothingToRollBackTo { .. })), "{back:?}"),
        }
    }
    let none = world.catalog.roll_back(&world.stack("new").await, OWNER, "").await.unwrap_err().to_string();
    assert_eq!(none, "stack `new` has no earlier version to go back to: see what it has with `mu stack versions`");
}

#[tokio::test]
async fn a_rollout_lives_and_dies_with_its_routing() {
    let (world, id) = with_versions(2).await;
    route(&world, &id, "v1=100").await;
    let (rollout, _) = Rollout::start(RolloutConfig::new(), version(1), version(2), world.env.now());
    let started = RoutingChange { rollout: Some(rollout.clone()), ..change("v1=90,v2=10", Some(1)) };
    world.catalog.route(&id, &started).await.unwrap();
    assert_eq!(world.catalog.routing(&id).await.unwrap().unwrap().rollout, Some(rollout));
    assert_eq!(world.catalog.routing_history(&id).await.unwrap()[0].rollout, None);
    assert_eq!(route(&world, &id, "v1=100").await.rollout, None, "whoever routes by hand ends it");
}
