//! The list of stacks.

use std::sync::Arc;
use std::time::Instant;

use futures_util::future::try_join_all;
use mu_db::{Batch, RedbKv, RedbOptions, keys};

use super::world::{OTHER, OWNER, World, new_stack};
use crate::catalog::limits::{LISTED_NAMES_MAX, PAGE_MAX};
use crate::catalog::{DataFate, EntryState, StackEntry, StackListParams};

async fn names(world: &World, params: StackListParams<'_>, visible: impl Fn(&StackEntry) -> bool) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut after: Option<String> = params.after.map(str::to_owned);
    loop {
        let params = StackListParams { after: after.as_deref(), ..params };
        let page = world.catalog.list(params, &visible).await.unwrap();
        pages.push(page.stacks.into_iter().map(|entry| entry.name.to_string()).collect());
        after = page.next;
        if after.is_none() {
            return pages;
        }
    }
}

#[tokio::test]
async fn pages_follow_each_other() {
    let world = World::new();
    for name in ["b", "a", "shop", "shop-2", "Shop", "shop_1", "z"] {
        let owner = if name.len() == 1 { OTHER } else { OWNER };
        world.catalog.create(new_stack(name, owner)).await.unwrap();
    }
    let all = |_: &StackEntry| true;
    let owned = |entry: &StackEntry| entry.owner == OWNER;
    let params = |prefix, after, limit| StackListParams { prefix, after, limit };
    let sorted = ["Shop", "a", "b", "shop", "shop-2", "shop_1", "z"];
    assert_eq!(names(&world, params("", None, 100), all).await, [sorted]);
    assert_eq!(names(&world, params("", None, 7), all).await, [sorted]);
    assert_eq!(names(&world, params("", None, 4), all).await, [&sorted[..4], &sorted[4..]]);
    assert_eq!(names(&world, params("", None, 0), all).await.len(), 7, "a page has at least one");
    assert_eq!(names(&world, params("shop", None, 2), all).await, [vec!["shop", "shop-2"], vec!["shop_1"]]);
    assert_eq!(names(&world, params("shop", Some("shop-3"), 2), all).await, [["shop_1"]]);
    assert_eq!(names(&world, params("a", Some("z"), 2), all).await, [[""; 0]]);
    assert_eq!(names(&world, params("", None, 3), owned).await, [&["Shop", "shop", "shop-2"][..], &["shop_1"]]);
    assert_eq!(names(&world, params("", None, 4), owned).await.len(), 1, "an invisible one makes no page");
}

#[tokio::test]
async fn states_are_listed() {
    let world = World::new();
    for name in ["active", "deleting", "kept"] {
        world.stack(name).await;
    }
    for name in ["deleting", "kept"] {
        let id = world.catalog.stack(&name.parse().unwrap()).await.unwrap().id;
        world.catalog.delete(&id, DataFate::Keep, OWNER).await.unwrap();
        if name == "kept" {
            world.catalog.finish_deletion(&id, DataFate::Keep).await.unwrap();
        }
    }
    let params = StackListParams { limit: 10, ..StackListParams::default() };
    let page = world.catalog.list(params, |_| true).await.unwrap();
    let states: Vec<_> = page.stacks.iter().map(|entry| entry.state).collect();
    assert_eq!(states, [EntryState::Active, EntryState::Deleting, EntryState::Kept]);
}

/// Ten thousand stacks and more: a page looks at a bounded number of names, and the list still has an end.
#[tokio::test]
async fn long_lists_have_bounded_pages() {
    const COUNT: usize = LISTED_NAMES_MAX + 1_500;
    let world = World::new();
    let first = world.catalog.create(new_stack("s00000", OWNER)).await.unwrap();
    let row = world.kv.get(&keys::catalog::stack_name("s00000")).await.unwrap().unwrap();
    let rest = (1..COUNT).map(|index| keys::catalog::stack_name(&format!("s{index:05}")));
    world.kv.commit(rest.fold(Batch::new(), |batch, key| batch.put(key, row.clone()))).await.unwrap();

    let params = |limit| StackListParams { limit, ..StackListParams::default() };
    let all = names(&world, params(usize::MAX), |entry| entry.id == first.id).await;
    assert_eq!((all[0].len(), all.concat().len()), (PAGE_MAX, COUNT));
    let last = format!("s{:05}", COUNT - 1);
    let one = names(&world, params(10), |entry| entry.name.as_str() == last).await;
    assert_eq!(one, [vec![], vec![last]], "the first page has none of its own, and the next one is the last");
    assert_eq!(names(&world, params(10), |_| false).await.concat(), Vec::<String>::new());
}

/// Prints what a page costs where there are ten thousand stacks, for `--nocapture`.
#[tokio::test]
async fn ten_thousand_stacks_are_listed() {
    const COUNT: usize = 10_000;
    let directory = tempfile::tempdir().unwrap();
    let kv = Arc::new(RedbKv::open(&directory.path().join("kv"), &RedbOptions::default()).unwrap());
    let world = World::over(kv);
    for first in (0..COUNT).step_by(1_000) {
        let create = |index| {
            let owner = if index % 1_000 == 999 { OTHER } else { OWNER };
            world.catalog.create(new_stack(&format!("stack-{index:05}"), owner))
        };
        try_join_all((first..first + 1_000).map(create)).await.unwrap();
    }
    let all = |_: &StackEntry| true;
    let others = |entry: &StackEntry| entry.owner == OTHER;
    for (what, after, limit, found) in [
        ("the first page of 50", None, 50, 50),
        ("a page of 50 in the middle", Some("stack-05000"), 50, 50),
        ("a page of 500", None, 500, 500),
    ] {
        let params = StackListParams { prefix: "", after, limit };
        let start = Instant::now();
        let page = world.catalog.list(params, all).await.unwrap();
        let ids: Vec<_> = page.stacks.iter().map(|entry| entry.id).collect();
        let listed = start.elapsed();
        let routings = world.catalog.routings(&ids).await.unwrap();
        println!("{what}: {listed:?}, with routings {:?}", start.elapsed());
        assert_eq!((page.stacks.len(), routings.len(), page.next.is_some()), (found, found, true));
    }
    let params = StackListParams { limit: 50, ..StackListParams::default() };
    let start = Instant::now();
    let page = world.catalog.list(params, others).await.unwrap();
    println!("ten visible ones of all: {:?}", start.elapsed());
    assert_eq!((page.stacks.len(), page.next), (10, None));
    let start = Instant::now();
    assert_eq!(world.catalog.pending_deletions().await.unwrap(), []);
    println!("what is being deleted: {:?}", start.elapsed());
}
