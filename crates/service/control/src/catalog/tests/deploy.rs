//! Versions: written, read, removed.

use std::collections::BTreeMap;

use mu_stack::Artifact;

use super::world::{OTHER, OWNER, World, new_version, shop, version};
use crate::catalog::limits::{MANIFEST_BYTES_MAX, MESSAGE_BYTES_MAX, VERSIONS_KEPT};
use crate::catalog::{ArtifactHash, CatalogError, NewVersion, VersionState};

#[tokio::test(start_paused = true)]
async fn a_version_is_read_as_it_was_written() {
    let world = World::new();
    let id = world.stack("shop").await;
    let hash = world.upload(OWNER, b"code").await.hash;
    let begun = world.catalog.begin_version(&id, new_version(OWNER, hash)).await.unwrap();
    assert_eq!((begun.routing_revision, begun.version.stack_id), (0, id));
    let record = &begun.version.record;
    assert_eq!(
        (record.number, &record.state, record.created),
        (version(1), &VersionState::Unprepared, world.env.now())
    );
    assert_eq!((&*record.by, &*record.message, &*record.declared), (OWNER, "as it was", "1"));
    assert_eq!(record.artifacts, BTreeMap::from([("cart".parse().unwrap(), hash)]));
    assert_eq!(begun.version.stack, shop().with_binaries(|_| hash.binary_id()));
    let read = world.catalog.version(&id, version(1)).await.unwrap();
    assert_eq!(read, begun.version);
    assert_eq!(read.stack.function("cart").unwrap().artifact, Artifact::Binary(hash.binary_id()));
    assert_eq!(world.catalog.manifest(&id, version(1)).await.unwrap().as_deref(), Some("name: shop"));

    let ready = world.catalog.version_prepared(&id, version(1)).await.unwrap();
    assert_eq!(ready.state, VersionState::Ready);
    world.catalog.activate(&id, version(1), Some(begun.routing_revision), OWNER, "").await.unwrap();
    let plain = NewVersion { manifest: None, ..new_version(OTHER, hash) };
    let begun = world.catalog.begin_version(&id, plain).await.unwrap();
    assert_eq!((begun.version.record.number, begun.routing_revision), (version(2), 1));
    assert_eq!(world.catalog.manifest(&id, version(2)).await.unwrap(), None);
    for error in [
        world.catalog.version(&id, version(3)).await.unwrap_err(),
        world.catalog.manifest(&id, version(3)).await.unwrap_err(),
        world.catalog.version_prepared(&id, version(3)).await.unwrap_err(),
    ] {
        assert!(matches!(error, CatalogError::UnknownVersion { .. }), "{error}");
    }
}

#[tokio::test]
async fn what_cannot_be_a_version_changes_nothing() {
    let world = World::new();
    let id = world.stack("shop").await;
    let hash = world.upload(OWNER, b"code").await.hash;
    let unknown = ArtifactHash::of(b"unknown");
    let new = || new_version(OWNER, hash);
    for (new, message) in [
        (NewVersion { artifacts: BTreeMap::new(), ..new() }, "function `cart` has no artifact".to_owned()),
        (
            NewVersion { artifacts: ["cart", "x"].map(|name| (name.parse().unwrap(), hash)).into(), ..new() },
            "function `x` is not in the stack".to_owned(),
        ),
        (
            NewVersion { artifacts: [("cart".parse().unwrap(), unknown)].into(), ..new() },
            format!("the artifact of one function is not uploaded: upload {unknown} of `cart` and try again"),
        ),
        (
            // It is there, but not for someone who has neither uploaded nor deployed it.
            new_version(OTHER, hash),
            format!("the artifact of one function is not uploaded: upload {hash} of `cart` and try again"),
        ),
        (
            NewVersion { manifest: Some(" ".repeat(MANIFEST_BYTES_MAX + 1)), ..new() },
            "the manifest of a version of 1048577 bytes is over the limit of 1048576 bytes".to_owned(),
        ),
        (
            NewVersion { message: " ".repeat(MESSAGE_BYTES_MAX + 1), ..new() },
            "the message of a version of 4097 bytes is over the limit of 4096 bytes".to_owned(),
        ),
    ] {
        assert_eq!(world.catalog.begin_version(&id, new).await.unwrap_err().to_string(), message);
    }
    assert_eq!(world.catalog.versions(&id, None, 10).await.unwrap().versions, []);
    let stack = world.catalog.stack(&id.into()).await.unwrap();
    assert_eq!(stack.next_version, version(1));
}

#[tokio::test]
async fn versions_are_listed_newest_first() {
    let world = World::new();
    let (id, other) = (world.stack("shop").await, world.stack("other").await);
    for number in 0..5 {
        world.begin(&id, &[number]).await.unwrap();
    }
    world.begin(&other, b"other").await.unwrap();
    let mut before = None;
    let mut pages = Vec::new();
    loop {
        let page = world.catalog.versions(&id, before, 2).await.unwrap();
        pages.push(page.versions.iter().map(|record| record.number.get()).collect::<Vec<_>>());
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(pages, [vec![5, 4], vec![3, 2], vec![1]]);
    assert_eq!(world.catalog.versions(&id, None, 5).await.unwrap().next, None);
}

#[tokio::test]
async fn deploys_at_once_get_numbers_of_their_own() {
    let world = World::new();
    let id = world.stack("shop").await;
    let hash = world.upload(OWNER, b"code").await.hash;
    let begin = || world.catalog.begin_version(&id, new_version(OWNER, hash));
    let begun = futures_util::future::join_all((0..10).map(|_| begin())).await;
    let mut numbers: Vec<_> = begun.into_iter().map(|begun| begun.unwrap().version.record.number.get()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=10).collect::<Vec<_>>());
}

#[tokio::test]
async fn old_versions_go_unless_they_are_needed() {
    let world = World::new();
    let id = world.stack("shop").await;
    for number in [1, 2, 3] {
        let prepared = world.prepared(&id, &[number]).await;
        world.catalog.activate(&id, prepared, None, OWNER, "").await.unwrap();
    }
    for number in 0..VERSIONS_KEPT + 5 {
        let failed = world.begin(&id, &[u8::try_from(number).unwrap(), 1]).await.unwrap().version.record.number;
        world.catalog.version_failed(&id, failed, "no").await.unwrap();
    }
    let left = world.catalog.versions(&id, None, 100).await.unwrap().versions;
    let numbers: Vec<_> = left.iter().map(|record| record.number.get()).collect();
    let newest = 3 + VERSIONS_KEPT as u64 + 5;
    let expected: Vec<_> = (newest - VERSIONS_KEPT as u64 + 1..=newest).rev().chain([3, 2]).collect();
    assert_eq!(numbers, expected, "3 is routed, and 2 is what a rollback leads to");
    for gone in [1, 4] {
        assert!(matches!(world.catalog.version(&id, version(gone)).await, Err(CatalogError::UnknownVersion { .. })));
        assert!(matches!(world.catalog.manifest(&id, version(gone)).await, Err(CatalogError::UnknownVersion { .. })));
    }
    world.catalog.roll_back(&id, OWNER, "").await.unwrap();
    assert_eq!(world.catalog.prune(&id, 1).await.unwrap(), VERSIONS_KEPT - 1);
    assert_eq!(world.catalog.prune(&id, 0).await.unwrap(), 1);
    assert_eq!(world.catalog.prune(&id, 0).await.unwrap(), 0);
    assert_eq!(world.catalog.versions(&id, None, 100).await.unwrap().versions.len(), 2);
}
