//! A process that ends between any two commits, or right after one whose answer it never saw.

use mu_db::{KeyRange, Order, Scan, ScanLimit, Select};
use mu_stack::StackId;

use super::world::{Death, OWNER, World, new_stack, new_version, pass, pieces, version};
use crate::catalog::limits::UNUSED_ARTIFACT_AGE_MAX;
use crate::catalog::{ArtifactHash, CatalogError, DataFate, NewStack, StackRef, StackState};

/// All ways to die within a few commits, and one not to.
fn deaths() -> impl Iterator<Item = (usize, bool)> {
    (1..40).flat_map(|commits| [(commits, false), (commits, true)])
}

async fn rows(world: &World) -> usize {
    let limit = ScanLimit { rows: usize::MAX, bytes: usize::MAX };
    let scan = Scan { range: KeyRange::all(), order: Order::Ascending, limit, select: Select::Keys };
    world.kv.scan(scan).await.unwrap().rows.len()
}

#[tokio::test]
async fn a_stack_is_made_once() {
    for (commits, last_happens) in deaths().take(4) {
        let world = World::new();
        let request = || NewStack { idempotency_key: Some("key".into()), ..new_stack("shop", OWNER) };
        let dying = world.dying(Death::after(commits, last_happens));
        let _ = dying.catalog.create(request()).await;
        let made = world.catalog.create(request()).await.unwrap();
        assert_eq!(world.catalog.stack(&StackRef::Id(made.id)).await.unwrap(), made);
        assert_eq!(rows(&world).await, 2, "died after {commits} commits, {last_happens}");
    }
}

#[tokio::test]
async fn a_deletion_goes_on() {
    for data in [DataFate::Remove, DataFate::Keep] {
        let mut survived = false;
        for (commits, last_happens) in deaths() {
            let world = World::new();
            let id = world.stack("shop").await;
            for content in [b"1", b"2", b"3"] {
                let number = world.prepared(&id, content).await;
                world.catalog.activate(&id, number, None, OWNER, "").await.unwrap();
            }
            let dying = world.dying(Death::after(commits, last_happens));
            let delete = async {
                dying.catalog.delete(&id, data, OWNER).await?;
                dying.catalog.finish_deletion(&id, data).await
            };
            survived |= delete.await.is_ok();

            // The next process goes on with what is pending, and whoever had no answer asks again.
            for stack in world.catalog.pending_deletions().await.unwrap() {
                let StackState::Deleting { data, .. } = stack.state else { panic!("{stack:?}") };
                world.catalog.finish_deletion(&id, data).await.unwrap();
            }
            match world.catalog.delete(&id, data, OWNER).await {
                Ok(_) => world.catalog.finish_deletion(&id, data).await.unwrap(),
                Err(CatalogError::UnknownStack { .. }) => {}
                Err(error) => panic!("{error}"),
            }
            check_deleted(&world, &id, data).await;
        }
        assert!(survived, "some lived long enough");
    }
}

async fn check_deleted(world: &World, id: &StackId, data: DataFate) {
    assert_eq!(world.catalog.pending_deletions().await.unwrap(), []);
    assert_eq!(world.catalog.versions(id, None, 10).await.unwrap().versions, []);
    // What is left: three artifacts, each with who uploaded it; and of a stack whose data are kept, two rows.
    let kept = if data == DataFate::Keep { 2 } else { 0 };
    assert_eq!(rows(world).await, 6 + kept);
}

#[tokio::test]
async fn a_deploy_is_whole_or_not_at_all() {
    let mut survived = false;
    for (commits, last_happens) in deaths().take(12) {
        let world = World::new();
        let id = world.stack("shop").await;
        let old = world.prepared(&id, b"old").await;
        world.catalog.activate(&id, old, None, OWNER, "").await.unwrap();
        let hash = world.upload(OWNER, b"new").await.hash;
        let dying = world.dying(Death::after(commits, last_happens));
        let deploy = async {
            let begun = dying.catalog.begin_version(&id, new_version(OWNER, hash)).await?;
            let number = begun.version.record.number;
            dying.catalog.version_prepared(&id, number).await?;
            dying.catalog.activate(&id, number, Some(begun.routing_revision), OWNER, "").await
        };
        survived |= deploy.await.is_ok();

        let routed = world.catalog.routing(&id).await.unwrap().unwrap().routing.sole_version().unwrap();
        for record in world.catalog.versions(&id, None, 10).await.unwrap().versions {
            let stored = world.catalog.version(&id, record.number).await.unwrap();
            for hash in stored.record.artifacts.values() {
                world.artifacts.read(hash).await.unwrap();
            }
        }
        assert!(routed == old || routed == version(2), "{routed}");
        // Whoever had no answer deploys again.
        let number = world.prepared(&id, b"new").await;
        world.catalog.activate(&id, number, None, OWNER, "").await.unwrap();
        assert_eq!(world.catalog.roll_back(&id, OWNER, "").await.unwrap().routing.versions().count(), 1);
    }
    assert!(survived, "some lived long enough");
}

#[tokio::test]
async fn an_upload_can_be_ended_again() {
    let mut survived = false;
    for (commits, last_happens) in deaths().take(8) {
        let world = World::new();
        let hash = ArtifactHash::of(b"code");
        let dying = world.dying(Death::after(commits, last_happens));
        let upload = async {
            let upload = dying.artifacts.create_upload(OWNER, hash, Some(4)).await?;
            dying.artifacts.append(OWNER, upload.id, 0, pieces(&[b"code"])).await?;
            dying.artifacts.finish_upload(OWNER, upload.id).await
        };
        survived |= upload.await.is_ok();

        if world.artifacts.missing(OWNER, None, &[hash]).await.unwrap().contains(&hash) {
            let upload = world.artifacts.create_upload(OWNER, hash, Some(4)).await.unwrap();
            let rest = &b"code"[usize::try_from(upload.length).unwrap()..];
            world.artifacts.append(OWNER, upload.id, upload.length, pieces(&[rest])).await.unwrap();
            world.artifacts.finish_upload(OWNER, upload.id).await.unwrap();
        }
        world.artifacts.collect().await.unwrap();
        assert_eq!(world.artifacts.read(&hash).await.unwrap(), "code");
        assert_eq!(world.blobs.list("", None, 10).await.unwrap().len(), 1, "{commits} {last_happens}");
        assert_eq!(world.uploads.list().await.unwrap(), [], "{commits} {last_happens}");
        assert_eq!(rows(&world).await, 2);
    }
    assert!(survived, "some lived long enough");
}

/// A blob that was written for an artifact that its process did not live to enter.
#[tokio::test(start_paused = true)]
async fn leftovers_are_collected() {
    let world = World::new();
    let hash = ArtifactHash::of(b"code");
    let upload = world.artifacts.create_upload(OWNER, hash, Some(4)).await.unwrap();
    world.artifacts.append(OWNER, upload.id, 0, pieces(&[b"code"])).await.unwrap();
    let dying = world.dying(Death::after(1, false));
    dying.artifacts.finish_upload(OWNER, upload.id).await.unwrap_err();
    assert_eq!(world.blobs.list("", None, 10).await.unwrap().len(), 1);
    world.artifacts.collect().await.unwrap();
    assert_eq!(world.blobs.list("", None, 10).await.unwrap().len(), 1, "its upload is open, and may be ended again");
    world.artifacts.cancel_upload(OWNER, upload.id).await.unwrap();
    assert_eq!(world.artifacts.collect().await.unwrap().leftovers, 1);
    assert_eq!(world.blobs.list("", None, 10).await.unwrap(), []);

    // And a file that lost its record.
    world.uploads.append(upload.id, 0, "code".into()).await.unwrap();
    assert_eq!(world.artifacts.collect().await.unwrap().leftovers, 1);
    assert_eq!(world.uploads.list().await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_collection_goes_on() {
    let mut survived = false;
    for (commits, last_happens) in deaths().take(8) {
        for anew in [false, true] {
            let world = World::new();
            let hash = world.upload(OWNER, b"code").await.hash;
            pass(UNUSED_ARTIFACT_AGE_MAX).await;
            let dying = world.dying(Death::after(commits, last_happens));
            survived |= dying.artifacts.collect().await.is_ok();
            if anew {
                world.upload(OWNER, b"code").await;
                world.artifacts.collect().await.unwrap();
                assert_eq!(world.artifacts.read(&hash).await.unwrap(), "code", "{commits} {last_happens}");
                assert_eq!(world.blobs.list("", None, 10).await.unwrap().len(), 1, "{commits} {last_happens}");
            } else {
                world.artifacts.collect().await.unwrap();
                assert_eq!(rows(&world).await, 0, "{commits} {last_happens}");
                assert_eq!(world.blobs.list("", None, 10).await.unwrap(), []);
            }
        }
    }
    assert!(survived, "some lived long enough");
}
