//! Fns and triggers in the catalog: what is unique, what goes with what, and what a deletion leaves.

use std::sync::Arc;
use std::time::Duration;

use mu_db::{KeyRange, Kv, MemKv, Order, Scan, ScanLimit, Select};
use mu_env::{Env, Timestamp};
use mu_stack::{Env as Variables, StackId};

use super::*;
use crate::catalog::{Annotations, Catalog, DataFate, NewStack};

struct World {
    kv: Arc<dyn Kv>,
    catalog: Catalog,
}

impl World {
    fn new() -> Self {
        let kv: Arc<dyn Kv> = Arc::new(MemKv::new());
        let env = Env::simulated(1, Timestamp::from_micros(1_000_000));
        Self { catalog: Catalog::new(Arc::clone(&kv), env), kv }
    }

    async fn stack(&self, name: &str) -> StackId {
        self.catalog.create(NewStack::named(name.parse().unwrap(), "k_a".into())).await.unwrap().id
    }

    async fn made(&self, stack: &StackId, name: &str) -> ObjectId {
        self.catalog.create_fn(stack, new_fn(name)).await.unwrap().id
    }

    async fn trigger(&self, stack: &StackId, calls: &FnRef, name: &str, source: &str) -> Result<ObjectId, String> {
        let new = new_trigger(calls, name, source);
        self.catalog.create_trigger(stack, new).await.map(|trigger| trigger.id).map_err(|error| error.to_string())
    }

    async fn triggers(&self, stack: &StackId, of: Option<&FnRef>) -> Vec<String> {
        let entries = self.catalog.trigger_entries(stack, of).await.unwrap();
        entries.into_iter().map(|entry| entry.name.to_string()).collect()
    }

    async fn rows(&self) -> usize {
        let limit = ScanLimit { rows: usize::MAX, bytes: usize::MAX };
        let scan = Scan { range: KeyRange::all(), order: Order::Ascending, limit, select: Select::Keys };
        self.kv.scan(scan).await.unwrap().rows.len()
    }
}

fn new_fn(name: &str) -> NewFn {
    NewFn {
        name: name.parse().unwrap(),
        image: "me/x:1".parse().unwrap(),
        memory_mib: 128,
        timeout_s: 30,
        idle_timeout_s: 30,
        config: Variables::new(),
        annotations: Annotations::new(),
        shape: None,
    }
}

fn new_trigger(calls: &FnRef, name: &str, source: &str) -> NewTrigger {
    NewTrigger {
        name: name.parse().unwrap(),
        calls: calls.clone(),
        source: source.parse().unwrap(),
        annotations: Annotations::new(),
    }
}

#[tokio::test(start_paused = true)]
async fn names_are_unique_within_their_stack() {
    let world = World::new();
    let (shop, blog) = (world.stack("shop").await, world.stack("blog").await);
    let cart = world.made(&shop, "cart").await;
    world.made(&blog, "cart").await;
    let again = world.catalog.create_fn(&shop, new_fn("cart")).await;
    assert!(matches!(again, Err(FnError::FnExists)));
    assert_eq!(world.catalog.fn_names(&shop).await.unwrap(), [("cart".parse().unwrap(), cart)].into());
    let unknown = world.catalog.create_fn(&StackId::new([9; 32]), new_fn("cart")).await;
    assert!(matches!(unknown, Err(FnError::Catalog(CatalogError::UnknownStack { .. }))));
}

#[tokio::test(start_paused = true)]
async fn there_are_only_so_many() {
    let world = World::new();
    let shop = world.stack("shop").await;
    for index in 0..FNS_MAX {
        world.made(&shop, &format!("f{index}")).await;
    }
    let more = world.catalog.create_fn(&shop, new_fn("more")).await;
    assert!(matches!(more, Err(FnError::TooManyFns)));
    let deployed = FnRef::Deployed(shop, "c".parse().unwrap());
    for index in 0..TRIGGERS_MAX {
        world.trigger(&shop, &deployed, &format!("t{index}"), &format!("/{index}")).await.unwrap();
    }
    let more = world.catalog.create_trigger(&shop, new_trigger(&deployed, "more", "/more")).await;
    assert!(matches!(more, Err(FnError::TooManyTriggers)));
}

#[tokio::test(start_paused = true)]
async fn a_change_that_changes_nothing_is_none() {
    let world = World::new();
    let shop = world.stack("shop").await;
    let id = world.made(&shop, "cart").await;
    tokio::time::advance(Duration::from_secs(1)).await;
    let same = FnPatch { memory_mib: Some(128), ..FnPatch::default() };
    let record = world.catalog.change_fn(id, &same).await.unwrap();
    assert_eq!(record.updated, record.created);
    let other = FnPatch { memory_mib: Some(256), config: [("A".into(), Some("1".into()))].into(), ..same };
    let record = world.catalog.change_fn(id, &other).await.unwrap();
    assert!(record.updated > record.created);
    assert_eq!((record.memory_mib, record.config.value("A"), record.timeout_s), (256, Some("1"), 30));
    assert_eq!(world.catalog.made_fn(id).await.unwrap(), record);
}

#[tokio::test(start_paused = true)]
async fn triggers_have_names_and_paths_of_their_own() {
    let world = World::new();
    let (shop, blog) = (world.stack("shop").await, world.stack("blog").await);
    let (a, b) = (FnRef::Made(world.made(&shop, "a").await), FnRef::Made(world.made(&shop, "b").await));
    let deployed = FnRef::Deployed(shop, "c".parse().unwrap());
    world.trigger(&shop, &a, "t", "/1").await.unwrap();
    world.trigger(&shop, &b, "t", "/2").await.unwrap();
    let moved = world.trigger(&shop, &deployed, "s", "/3").await.unwrap();
    world.trigger(&blog, &deployed, "t", "/1").await.unwrap();
    let refused = |text: &str| Err(text.to_owned());
    assert_eq!(world.trigger(&shop, &a, "t", "/4").await, refused("Trigger already exists"));
    let taken = "Trigger with the same type and source exists on this app";
    assert_eq!(world.trigger(&shop, &a, "u", "/2").await, refused(taken));
    assert_eq!(world.triggers(&shop, None).await, ["s", "t", "t"]);
    assert_eq!(world.triggers(&shop, Some(&b)).await, ["t"]);

    let patch = TriggerPatch { source: Some("/2".parse().unwrap()), ..TriggerPatch::default() };
    assert!(matches!(world.catalog.change_trigger(moved, &patch).await, Err(FnError::SourceTaken)));
    let (name, source) = (Some("r".parse().unwrap()), Some("/5".parse().unwrap()));
    let patch = TriggerPatch { name, source, ..TriggerPatch::default() };
    world.catalog.change_trigger(moved, &patch).await.unwrap();
    assert_eq!(world.triggers(&shop, None).await, ["r", "t", "t"]);
    for (source, expected) in [("/3", None), ("/5", Some(moved))] {
        let found = world.catalog.trigger_by_source(&shop, source).await.unwrap();
        assert_eq!(found.map(|trigger| trigger.id), expected, "{source}");
    }
}

#[tokio::test(start_paused = true)]
async fn triggers_go_with_their_fn_and_everything_goes_with_the_stack() {
    let world = World::new();
    let (shop, blog) = (world.stack("shop").await, world.stack("blog").await);
    world.made(&blog, "other").await;
    let before = world.rows().await;
    let id = world.made(&shop, "a").await;
    let (a, deployed) = (FnRef::Made(id), FnRef::Deployed(shop, "c".parse().unwrap()));
    for (calls, name, source) in [(&a, "t", "/1"), (&a, "u", "/2"), (&deployed, "v", "/3")] {
        world.trigger(&shop, calls, name, source).await.unwrap();
    }
    world.catalog.delete_fn(id).await.unwrap();
    assert_eq!(world.triggers(&shop, None).await, ["v"]);
    assert_eq!(world.trigger(&shop, &a, "w", "/1").await, Err("Fn not found".to_owned()));
    assert!(matches!(world.catalog.delete_fn(id).await, Err(FnError::UnknownFn)));

    world.made(&shop, "b").await;
    world.catalog.delete(&shop, DataFate::Remove, "k_a").await.unwrap();
    let late = world.catalog.create_fn(&shop, new_fn("late")).await;
    assert!(matches!(late, Err(FnError::Catalog(CatalogError::Deleted { .. }))));
    world.catalog.finish_deletion(&shop, DataFate::Remove).await.unwrap();
    assert_eq!(world.rows().await, before - 2, "only the stack and its name have gone beside what was made here");
}
