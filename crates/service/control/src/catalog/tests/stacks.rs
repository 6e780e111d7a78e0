//! Making, changing and deleting stacks.

use std::sync::Arc;
use std::time::Duration;

use mu_db::{RedbKv, RedbOptions};
use mu_stack::StackId;

use super::world::{OTHER, OWNER, World, new_stack, pass, stack_of};
use crate::catalog::{
    CatalogError, DataFate, NewStack, StackListParams, StackPatch, StackRef, StackState, VersionNumber,
};

#[tokio::test(start_paused = true)]
async fn a_stack_is_found_by_name_and_id() {
    let world = World::new();
    let made = world.catalog.create(new_stack("shop", OWNER)).await.unwrap();
    assert_eq!((stack_of(&made), made.next_version), (("shop", OWNER), VersionNumber::FIRST));
    assert_eq!((made.state.clone(), made.created, made.updated), (StackState::Active, world.env.now(), made.created));
    for text in ["shop".to_owned(), made.id.to_string()] {
        assert_eq!(world.catalog.stack(&text.parse().unwrap()).await.unwrap(), made);
    }
    for text in ["Shop".to_owned(), StackId::new([0; 32]).to_string()] {
        let error = world.catalog.stack(&text.parse().unwrap()).await.unwrap_err();
        assert_eq!(error.to_string(), format!("there is no stack `{text}`: see the names with `mu stack list`"));
    }
}

#[tokio::test]
async fn names_are_taken_once() {
    let world = World::new();
    world.stack("shop").await;
    for owner in [OWNER, OTHER] {
        let refused = world.catalog.create(new_stack("shop", owner)).await;
        assert!(matches!(refused, Err(CatalogError::NameTaken { .. })), "{refused:?}");
    }
    let id = StackId::new([7; 32]).to_string();
    assert!(matches!(world.catalog.create(new_stack(&id, OWNER)).await, Err(CatalogError::NameIsId { .. })));
    let (one, other) =
        tokio::join!(world.catalog.create(new_stack("new", OWNER)), world.catalog.create(new_stack("new", OTHER)));
    assert_eq!(usize::from(one.is_ok()) + usize::from(other.is_ok()), 1);
}

#[tokio::test]
async fn the_same_request_makes_one_stack() {
    let world = World::new();
    let request = |owner: &str, key: Option<&str>| NewStack {
        idempotency_key: key.map(str::to_owned),
        ..new_stack("shop", owner)
    };
    let made = world.catalog.create(request(OWNER, Some("a"))).await.unwrap();
    assert_eq!(world.catalog.create(request(OWNER, Some("a"))).await.unwrap(), made);
    for other in [request(OWNER, Some("b")), request(OTHER, Some("a")), request(OWNER, None)] {
        assert!(matches!(world.catalog.create(other).await, Err(CatalogError::NameTaken { .. })));
    }
}

#[tokio::test(start_paused = true)]
async fn stacks_are_changed_in_part() {
    let world = World::new();
    let id = world.stack("shop").await;
    let text = |text: &str| Some(text.to_owned());
    let patch = StackPatch {
        config: [("A".into(), text("1")), ("B".into(), text("2")), ("C".into(), None)].into(),
        annotations: [("x/y".into(), Some(serde_json::json!([1])))].into(),
        ..StackPatch::default()
    };
    pass(Duration::from_secs(1)).await;
    let changed = world.catalog.change(&id, &patch).await.unwrap();
    assert_eq!(changed.config.iter().collect::<Vec<_>>(), [("A", "1"), ("B", "2")]);
    assert!(changed.updated > changed.created);
    let patch = StackPatch {
        config: [("A".into(), None), ("B".into(), text("3"))].into(),
        annotations: [("x/y".into(), None)].into(),
        ..StackPatch::default()
    };
    let changed = world.catalog.change(&id, &patch).await.unwrap();
    assert_eq!(changed.config.iter().collect::<Vec<_>>(), [("B", "3")]);
    assert!(changed.annotations.is_empty());
    assert_eq!(world.catalog.stack(&id.into()).await.unwrap(), changed);

    let bad = StackPatch { config: [("A=B".into(), text("1"))].into(), ..StackPatch::default() };
    assert!(matches!(world.catalog.change(&id, &bad).await, Err(CatalogError::Config(_))));
    let bad = StackPatch { annotations: [("a b".into(), Some(1.into()))].into(), ..StackPatch::default() };
    assert!(matches!(world.catalog.change(&id, &bad).await, Err(CatalogError::Annotation { .. })));
    assert_eq!(world.catalog.stack(&id.into()).await.unwrap(), changed);
}

#[tokio::test]
async fn a_full_configuration_can_be_replaced() {
    let world = World::new();
    let id = world.stack("shop").await;
    let large = Some("x".repeat(60 * 1024));
    for (name, old) in [("A", None), ("B", Some("A"))] {
        let mut patch = StackPatch { config: [(name.into(), large.clone())].into(), ..StackPatch::default() };
        patch.config.extend(old.map(|old| (old.to_owned(), None)));
        world.catalog.change(&id, &patch).await.unwrap();
    }
}

#[tokio::test]
async fn renaming_moves_the_name() {
    let world = World::new();
    let (id, _) = (world.stack("shop").await, world.stack("taken").await);
    let rename = |name: &str| StackPatch { name: Some(name.parse().unwrap()), ..StackPatch::default() };
    assert!(matches!(world.catalog.change(&id, &rename("taken")).await, Err(CatalogError::NameTaken { .. })));
    world.catalog.change(&id, &rename("store")).await.unwrap();
    world.catalog.change(&id, &rename("store")).await.unwrap();
    let found = async |name: &str| world.catalog.stack(&StackRef::Name(name.parse().unwrap())).await;
    assert_eq!(stack_of(&found("store").await.unwrap()), ("store", OWNER));
    assert!(matches!(found("shop").await, Err(CatalogError::UnknownStack { .. })));
    world.stack("shop").await;
}

#[tokio::test(start_paused = true)]
async fn a_deleted_stack_is_gone() {
    let world = World::new();
    let id = world.stack("shop").await;
    let number = world.prepared(&id, b"code").await;
    world.catalog.activate(&id, number, None, OWNER, "").await.unwrap();
    let tombstone = world.catalog.delete(&id, DataFate::Remove, OTHER).await.unwrap();
    let expected = StackState::Deleting { data: DataFate::Remove, since: world.env.now(), by: OTHER.into() };
    assert_eq!(tombstone.state, expected);
    assert_eq!(world.catalog.pending_deletions().await.unwrap(), std::slice::from_ref(&tombstone));
    assert_eq!(world.catalog.delete(&id, DataFate::Keep, OWNER).await.unwrap(), tombstone, "data are not saved now");
    let is_deleted = |error: CatalogError| matches!(error, CatalogError::Deleted { data_kept: false, .. });
    assert!(is_deleted(world.catalog.create(new_stack("shop", OWNER)).await.unwrap_err()));
    assert!(is_deleted(world.catalog.change(&id, &StackPatch::default()).await.unwrap_err()));
    assert!(is_deleted(world.begin(&id, b"code").await.unwrap_err()));
    assert!(is_deleted(world.catalog.activate(&id, number, None, OWNER, "").await.unwrap_err()));

    let changed = world.catalog.finish_deletion(&id, DataFate::Keep).await;
    assert!(matches!(changed, Err(CatalogError::DeletionChanged { .. })), "{changed:?}");
    for _ in 0..2 {
        world.catalog.finish_deletion(&id, DataFate::Remove).await.unwrap();
        assert_eq!(world.catalog.pending_deletions().await.unwrap(), []);
        assert_eq!(world.catalog.versions(&id, None, 10).await.unwrap().versions, []);
        assert_eq!(world.catalog.routing(&id).await.unwrap(), None);
        assert_eq!(world.catalog.routing_history(&id).await.unwrap(), []);
    }
    assert_ne!(world.stack("shop").await, id, "a new stack of that name has nothing of it");
}

#[tokio::test]
async fn kept_data_come_back_to_their_owner() {
    let world = World::new();
    let id = world.stack("shop").await;
    let number = world.prepared(&id, b"code").await;
    world.catalog.delete(&id, DataFate::Keep, OWNER).await.unwrap();
    for _ in 0..2 {
        world.catalog.finish_deletion(&id, DataFate::Keep).await.unwrap();
        let kept = world.catalog.stack(&id.into()).await.unwrap();
        assert!(matches!(kept.state, StackState::Kept { .. }), "{kept:?}");
        assert_eq!(world.catalog.delete(&id, DataFate::Keep, OWNER).await.unwrap(), kept);
    }
    assert!(matches!(world.begin(&id, b"code").await, Err(CatalogError::Deleted { data_kept: true, .. })));
    let taken = world.catalog.create(new_stack("shop", OTHER)).await;
    assert!(matches!(taken, Err(CatalogError::NameTaken { .. })), "{taken:?}");
    let back = world.catalog.create(new_stack("shop", OWNER)).await.unwrap();
    assert_eq!((back.id, &back.state), (id, &StackState::Active));
    assert!(world.prepared(&id, b"code").await > number, "numbers are not given twice");
    let late = world.catalog.finish_deletion(&id, DataFate::Keep).await;
    assert!(matches!(late, Err(CatalogError::DeletionChanged { .. })), "it is not deleted any more: {late:?}");
    assert_eq!(world.catalog.versions(&id, None, 10).await.unwrap().versions.len(), 1);
}

#[tokio::test]
async fn kept_data_can_be_removed_after_all() {
    for finished in [true, false] {
        let world = World::new();
        let id = world.stack("shop").await;
        world.catalog.delete(&id, DataFate::Keep, OWNER).await.unwrap();
        if finished {
            world.catalog.finish_deletion(&id, DataFate::Keep).await.unwrap();
        }
        world.catalog.delete(&id, DataFate::Remove, OWNER).await.unwrap();
        assert_eq!(world.catalog.pending_deletions().await.unwrap().len(), 1);
        let changed = world.catalog.finish_deletion(&id, DataFate::Keep).await;
        assert!(matches!(changed, Err(CatalogError::DeletionChanged { .. })), "{changed:?}");
        world.catalog.finish_deletion(&id, DataFate::Remove).await.unwrap();
        assert!(world.catalog.stack(&id.into()).await.is_err());
    }
}

#[tokio::test]
async fn stacks_survive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Arc::new(RedbKv::open(&directory.path().join("kv"), &RedbOptions::default()).unwrap());
    let kv = open();
    let world = World::over(Arc::<RedbKv>::clone(&kv));
    let (kept, deleted) = (world.stack("kept").await, world.stack("deleted").await);
    let number = world.prepared(&kept, b"code").await;
    let routed = world.catalog.activate(&kept, number, Some(0), OWNER, "first").await.unwrap();
    let stored = world.catalog.version(&kept, number).await.unwrap();
    world.prepared(&deleted, b"code").await;
    world.catalog.delete(&deleted, DataFate::Remove, OWNER).await.unwrap();
    kv.close().await;
    drop((world, kv));

    let world = World::over(open());
    assert_eq!(world.catalog.routing(&kept).await.unwrap(), Some(routed));
    assert_eq!(world.catalog.version(&kept, number).await.unwrap(), stored);
    let pending = world.catalog.pending_deletions().await.unwrap();
    assert_eq!(pending.iter().map(|stack| stack.id).collect::<Vec<_>>(), [deleted]);
    world.catalog.finish_deletion(&deleted, DataFate::Remove).await.unwrap();
    let params = StackListParams { limit: 10, ..StackListParams::default() };
    let page = world.catalog.list(params, |_| true).await.unwrap();
    assert_eq!(page.stacks.iter().map(|entry| entry.id).collect::<Vec<_>>(), [kept]);
}
