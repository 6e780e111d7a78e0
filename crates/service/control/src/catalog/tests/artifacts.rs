//! Artifacts: uploaded in pieces, checked, known to those who have them, collected.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream;
use mu_db::{RedbKv, RedbOptions};
use mu_env::{Env, Timestamp};
use mu_storage::{FsBlobs, FsUploads};

use super::world::{OTHER, OWNER, World, new_version, pass, pieces};
use crate::catalog::limits::{ASKED_ARTIFACTS_MAX, OPEN_UPLOADS_MAX, UNUSED_ARTIFACT_AGE_MAX, UPLOAD_AGE_MAX};
use crate::catalog::{ArtifactError, ArtifactHash, ArtifactInfo, Collected, GATHERED_BYTES};

#[tokio::test(start_paused = true)]
async fn an_upload_goes_on_where_it_was_interrupted() {
    let world = World::new();
    let content: Vec<u8> = (0..251).cycle().take(3 * GATHERED_BYTES).collect();
    let (hash, size) = (ArtifactHash::of(&content), content.len() as u64);
    let upload = world.artifacts.create_upload(OWNER, hash, Some(size)).await.unwrap();
    assert_eq!((upload.length, upload.expires), (0, world.env.now().plus(UPLOAD_AGE_MAX)));

    let broken = stream::iter([
        Ok(Bytes::copy_from_slice(&content[..GATHERED_BYTES + 7])),
        Ok(Bytes::copy_from_slice(&content[GATHERED_BYTES + 7..GATHERED_BYTES + 9])),
        Err("the connection was reset"),
    ]);
    let arrived = GATHERED_BYTES as u64 + 9;
    match world.artifacts.append(OWNER, upload.id, 0, broken).await {
        Err(ArtifactError::Interrupted { length, reason }) => {
            assert_eq!((length, &*reason), (arrived, "the connection was reset"));
        }
        other => panic!("{other:?}"),
    }
    let early = world.artifacts.finish_upload(OWNER, upload.id).await.unwrap_err();
    assert_eq!(early.to_string(), format!("the upload has {arrived} of {size} bytes: continue there"));
    for offset in [0, arrived - 1, size] {
        let refused = world.artifacts.append(OWNER, upload.id, offset, pieces(&[b"x"])).await;
        assert!(matches!(refused, Err(ArtifactError::Offset { length }) if length == arrived), "{refused:?}");
    }
    let again = world.artifacts.create_upload(OWNER, hash, Some(size)).await.unwrap();
    assert_eq!((again.id, again.length), (upload.id, arrived), "the id is found again");
    assert_eq!(world.artifacts.open_uploads(OWNER).await.unwrap(), [again]);
    let rest = pieces(&[&content[GATHERED_BYTES + 9..]]);
    assert_eq!(world.artifacts.append(OWNER, upload.id, arrived, rest).await.unwrap(), size);
    let finished = world.artifacts.finish_upload(OWNER, upload.id).await.unwrap();
    assert_eq!(finished, ArtifactInfo { hash, size_bytes: size });
    assert_eq!(world.artifacts.read(&hash).await.unwrap(), content);
    assert_eq!(world.uploads.list().await.unwrap(), []);
    let gone = world.artifacts.upload(OWNER, upload.id).await;
    assert!(matches!(gone, Err(ArtifactError::UnknownUpload { .. })), "{gone:?}");
}

#[tokio::test]
async fn what_has_another_hash_is_refused() {
    let world = World::new();
    let hash = ArtifactHash::of(b"code");
    for (size, sent) in [(Some(4), &b"edoc"[..]), (None, b"code and more"), (None, b"")] {
        let upload = world.artifacts.create_upload(OWNER, hash, size).await.unwrap();
        world.artifacts.append(OWNER, upload.id, 0, pieces(&[sent])).await.unwrap();
        let refused = world.artifacts.finish_upload(OWNER, upload.id).await;
        let actual = ArtifactHash::of(sent);
        assert!(matches!(refused, Err(ArtifactError::OtherHash { actual: a, .. }) if a == actual), "{refused:?}");
        assert_eq!(world.artifacts.open_uploads(OWNER).await.unwrap(), []);
    }
    assert!(matches!(world.artifacts.read(&hash).await, Err(ArtifactError::UnknownArtifact { .. })));
    assert_eq!(world.blobs.list("", None, 10).await.unwrap(), []);
    assert_eq!(world.uploads.list().await.unwrap(), []);
    let empty = world.upload(OWNER, b"").await;
    assert_eq!(world.artifacts.read(&empty.hash).await.unwrap(), "", "nothing is an artifact, too");
}

#[tokio::test]
async fn sizes_are_bounded() {
    let mut world = World::new();
    world.artifacts = world.artifacts.with_bytes_max(10);
    let hash = ArtifactHash::of(b"");
    let refused = world.artifacts.create_upload(OWNER, hash, Some(11)).await.unwrap_err();
    assert_eq!(refused.to_string(), "an artifact has at most 10 bytes, this one has 11");
    let too_large = "an artifact has at most 10 bytes, this one has more";
    let more = "the upload was begun for 3 bytes, and more came: begin it anew with the right size";
    for (size, expected) in [(None, too_large), (Some(3), more)] {
        let upload = world.artifacts.create_upload(OWNER, hash, size).await.unwrap();
        let refused = world.artifacts.append(OWNER, upload.id, 0, pieces(&[b"ab", b"123456789"])).await.unwrap_err();
        assert_eq!(refused.to_string(), expected);
        assert_eq!(world.artifacts.upload(OWNER, upload.id).await.unwrap().length, 2);
    }
}

#[tokio::test]
async fn of_two_senders_one_is_told() {
    let world = World::new();
    let upload = world.artifacts.create_upload(OWNER, ArtifactHash::of(b"x"), None).await.unwrap();
    let content = vec![7; GATHERED_BYTES];
    let send = || world.artifacts.append(OWNER, upload.id, 0, pieces(&[&content, b"end"]));
    let (one, other) = tokio::join!(send(), send());
    let (won, lost) = if one.is_ok() { (one, other) } else { (other, one) };
    assert_eq!(won.unwrap(), GATHERED_BYTES as u64 + 3);
    assert!(matches!(lost, Err(ArtifactError::Offset { .. })), "{lost:?}");
}

#[tokio::test(start_paused = true)]
async fn open_uploads_are_bounded_and_expire() {
    let world = World::new();
    let hash = |index: u8| ArtifactHash::of(&[index]);
    let mut ids = Vec::new();
    for index in 0..OPEN_UPLOADS_MAX {
        ids.push(world.artifacts.create_upload(OWNER, hash(index), None).await.unwrap().id);
    }
    let refused = world.artifacts.create_upload(OWNER, hash(99), None).await;
    assert!(matches!(refused, Err(ArtifactError::TooManyUploads)), "{refused:?}");
    world.artifacts.create_upload(OTHER, hash(99), None).await.unwrap();
    world.artifacts.cancel_upload(OWNER, ids[3]).await.unwrap();
    world.artifacts.cancel_upload(OWNER, ids[3]).await.unwrap();
    let next = world.artifacts.create_upload(OWNER, hash(99), None).await.unwrap();
    assert_ne!(next.id, ids[3]);
    for stranger in [world.artifacts.upload(OTHER, ids[0]).await, world.artifacts.upload(OWNER, ids[3]).await] {
        assert!(matches!(stranger, Err(ArtifactError::UnknownUpload { .. })), "{stranger:?}");
    }

    world.artifacts.append(OWNER, ids[0], 0, pieces(&[b"x"])).await.unwrap();
    pass(UPLOAD_AGE_MAX).await;
    assert_eq!(world.artifacts.open_uploads(OWNER).await.unwrap(), []);
    let gone = world.artifacts.append(OWNER, ids[0], 1, pieces(&[b"x"])).await;
    assert!(matches!(gone, Err(ArtifactError::UnknownUpload { .. })), "{gone:?}");
    let fresh = world.artifacts.create_upload(OWNER, hash(0), None).await.unwrap();
    assert_eq!(fresh.length, 0, "what has expired makes room");
    assert_eq!(world.uploads.list().await.unwrap(), []);
    let collected = world.artifacts.collect().await.unwrap();
    assert_eq!(collected, Collected { uploads: u64::from(OPEN_UPLOADS_MAX), ..Collected::default() });
    assert_eq!(world.artifacts.open_uploads(OWNER).await.unwrap(), [fresh]);
}

#[tokio::test]
async fn nobody_learns_what_others_have() {
    let world = World::new();
    let (mine, theirs) = (world.stack("mine").await, world.stack("theirs").await);
    let hash = world.upload(OWNER, b"code").await.hash;
    let unknown = ArtifactHash::of(b"unknown");
    let missing = async |principal: &str, stack| {
        world.artifacts.missing(principal, stack, &[hash, unknown]).await.unwrap().contains(&hash)
    };
    assert!(!missing(OWNER, None).await, "who uploaded it has it");
    assert!(missing(OTHER, None).await && missing(OTHER, Some(&mine)).await, "nobody else has");
    world.catalog.begin_version(&mine, new_version(OWNER, hash)).await.unwrap();
    assert!(!missing(OTHER, Some(&mine)).await, "but the stack that uses it has");
    assert!(missing(OTHER, Some(&theirs)).await && missing(OTHER, None).await);
    world.catalog.begin_version(&mine, new_version(OTHER, hash)).await.unwrap();
    let refused = world.catalog.begin_version(&theirs, new_version(OTHER, hash)).await;
    assert!(refused.is_err());

    let blobs = world.blobs.list("", None, 10).await.unwrap();
    world.upload(OTHER, b"code").await;
    assert_eq!(world.blobs.list("", None, 10).await.unwrap(), blobs, "it is stored once");
    assert!(!missing(OTHER, Some(&theirs)).await);
    let many = vec![hash; ASKED_ARTIFACTS_MAX + 1];
    assert!(matches!(world.artifacts.missing(OWNER, None, &many).await, Err(ArtifactError::TooMany { .. })));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_uses_for_a_day_is_collected() {
    let world = World::new();
    let id = world.stack("shop").await;
    let (used, unused) = (world.upload(OWNER, b"used").await.hash, world.upload(OTHER, b"unused").await.hash);
    world.catalog.begin_version(&id, new_version(OWNER, used)).await.unwrap();
    pass(UNUSED_ARTIFACT_AGE_MAX - Duration::from_secs(1)).await;
    assert_eq!(world.artifacts.collect().await.unwrap(), Collected::default());
    let reader = world.artifacts.open(&unused).await.unwrap();
    pass(Duration::from_secs(1)).await;
    let collected = Collected { artifacts: 1, bytes: 6, ..Collected::default() };
    assert_eq!(world.artifacts.collect().await.unwrap(), collected);
    assert_eq!(reader.read(0, 6).await.unwrap(), "unused", "who has it open reads on");
    assert!(matches!(world.artifacts.open(&unused).await, Err(ArtifactError::UnknownArtifact { .. })));
    assert_eq!(world.artifacts.missing(OTHER, None, &[unused]).await.unwrap(), [unused]);
    assert_eq!(world.artifacts.read(&used).await.unwrap(), "used");
    assert_eq!(world.blobs.list("", None, 10).await.unwrap().len(), 1);

    world.upload(OTHER, b"unused").await;
    assert_eq!(world.artifacts.read(&unused).await.unwrap(), "unused", "it can be uploaded anew");
    assert_eq!(world.artifacts.collect().await.unwrap(), Collected::default());
    world.catalog.prune(&id, 0).await.unwrap();
    assert_eq!(world.artifacts.collect().await.unwrap().artifacts, 1, "the version that used it is gone");
}

/// An old artifact that is uploaded or deployed again is young again.
#[tokio::test(start_paused = true)]
async fn whatever_uses_an_artifact_saves_it() {
    let world = World::new();
    let id = world.stack("shop").await;
    let (uploaded, deployed) =
        (world.upload(OWNER, b"uploaded").await.hash, world.upload(OWNER, b"deployed").await.hash);
    pass(UNUSED_ARTIFACT_AGE_MAX).await;
    world.upload(OTHER, b"uploaded").await;
    world.catalog.begin_version(&id, new_version(OWNER, deployed)).await.unwrap();
    world.catalog.prune(&id, 0).await.unwrap();
    assert_eq!(world.artifacts.collect().await.unwrap(), Collected::default());
    for hash in [uploaded, deployed] {
        assert!(world.artifacts.open(&hash).await.is_ok());
    }
}

/// What everybody deploys, such as the same starter, is in nobody's way.
#[tokio::test(start_paused = true)]
async fn many_stacks_begin_to_use_one_artifact_at_once() {
    let world = World::new();
    let hash = world.upload(OWNER, b"code").await.hash;
    let mut stacks = Vec::new();
    for number in 0..100 {
        stacks.push(world.stack(&format!("shop-{number}")).await);
    }
    for age in [Duration::ZERO, UNUSED_ARTIFACT_AGE_MAX] {
        pass(age).await;
        let deploys = stacks.iter().map(|id| world.catalog.begin_version(id, new_version(OWNER, hash)));
        for begun in join_all(deploys).await {
            begun.unwrap();
        }
    }
    for id in &stacks {
        assert_eq!(world.artifacts.missing(OTHER, Some(id), &[hash]).await.unwrap(), []);
    }
    pass(UNUSED_ARTIFACT_AGE_MAX).await;
    assert_eq!(world.artifacts.collect().await.unwrap(), Collected::default());
}

/// The same of uploads.
#[tokio::test(start_paused = true)]
async fn many_upload_one_artifact_at_once() {
    let world = World::new();
    let names: Vec<String> = (0..100).map(|number| format!("k_{number}")).collect();
    for uploaded in join_all(names.iter().map(|name| world.upload(name, b"code"))).await {
        assert_eq!(world.artifacts.read(&uploaded.hash).await.unwrap(), "code");
    }
    assert_eq!(world.blobs.list("", None, 100).await.unwrap().len(), 1);
}

/// Deploys and collections of the same old artifact at the same time: a version never lacks its artifact.
#[tokio::test(start_paused = true)]
async fn deploys_and_collections_get_along() {
    for round in 0..50_u8 {
        let world = World::new();
        let id = world.stack("shop").await;
        let hash = world.upload(OWNER, b"code").await.hash;
        pass(UNUSED_ARTIFACT_AGE_MAX).await;
        let deploy = async {
            for _ in 0..round % 10 {
                tokio::task::yield_now().await;
            }
            world.catalog.begin_version(&id, new_version(OWNER, hash)).await
        };
        let upload = async {
            for _ in 0..round / 10 {
                tokio::task::yield_now().await;
            }
            world.upload(OTHER, b"code").await
        };
        let (begun, _, one, other) = tokio::join!(deploy, upload, world.artifacts.collect(), world.artifacts.collect());
        one.unwrap();
        other.unwrap();
        if begun.is_ok() {
            assert_eq!(world.artifacts.read(&hash).await.unwrap(), "code", "round {round}");
        }
        assert_eq!(world.artifacts.missing(OTHER, None, &[hash]).await.unwrap(), [], "round {round}");
        assert_eq!(world.artifacts.read(&hash).await.unwrap(), "code", "round {round}");
        world.artifacts.collect().await.unwrap();
        assert_eq!(world.blobs.list("", None, 10).await.unwrap().len(), 1, "round {round}");
    }
}

#[tokio::test]
async fn ending_an_upload_twice_at_once_is_fine() {
    let world = World::new();
    for known in [false, true] {
        if known {
            world.upload(OTHER, b"code").await;
        }
        let hash = ArtifactHash::of(b"code");
        let upload = world.artifacts.create_upload(OWNER, hash, Some(4)).await.unwrap();
        world.artifacts.append(OWNER, upload.id, 0, pieces(&[b"code"])).await.unwrap();
        let finish = || world.artifacts.finish_upload(OWNER, upload.id);
        let (one, other) = tokio::join!(finish(), finish());
        assert_eq!(one.unwrap(), other.unwrap());
        assert_eq!(world.artifacts.read(&hash).await.unwrap(), "code");
        assert_eq!(world.blobs.list("", None, 10).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn uploads_and_artifacts_survive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let env = Env::simulated(1, Timestamp::from_micros(7));
    let open = || {
        let kv = Arc::new(RedbKv::open(&directory.path().join("kv"), &RedbOptions::default()).unwrap());
        let blobs = Arc::new(FsBlobs::open(&directory.path().join("blobs")).unwrap());
        let uploads = Arc::new(FsUploads::open(&directory.path().join("uploads")).unwrap());
        (World::with(env.clone(), Arc::<RedbKv>::clone(&kv), blobs, uploads), kv)
    };
    let (world, kv) = open();
    let done = world.upload(OWNER, b"done").await.hash;
    let hash = ArtifactHash::of(b"half and half");
    let upload = world.artifacts.create_upload(OWNER, hash, Some(13)).await.unwrap();
    world.artifacts.append(OWNER, upload.id, 0, pieces(&[b"half and"])).await.unwrap();
    kv.close().await;
    drop((world, kv));

    let (world, _kv) = open();
    assert_eq!(world.artifacts.read(&done).await.unwrap(), "done");
    let again = world.artifacts.create_upload(OWNER, hash, Some(13)).await.unwrap();
    assert_eq!((again.id, again.length), (upload.id, 8));
    world.artifacts.append(OWNER, again.id, 8, pieces(&[b" half"])).await.unwrap();
    world.artifacts.finish_upload(OWNER, again.id).await.unwrap();
    assert_eq!(world.artifacts.read(&hash).await.unwrap(), "half and half");
    assert_eq!(world.artifacts.collect().await.unwrap(), Collected::default());
}
