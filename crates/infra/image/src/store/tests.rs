mod indexes;
mod room;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use mu_env::Timestamp;

use super::*;
use crate::registry::fake::{Answer, Fake, status};
use crate::testing::{ImageSource, Tar, is_root_or_skipped};

/// What a layer of one small file takes: its archive, and a block.
const SMALL: u64 = 2048 + 4096;

fn params(dir: &Path, form: Form) -> StoreParams {
    StoreParams {
        dir: dir.to_owned(),
        form,
        limits: ImageLimits::default(),
        registries: Registries::default(),
        env: Env::system(),
    }
}

fn layer(name: &str, content: &str) -> Vec<u8> {
    Tar::default().file(name, content.as_bytes()).finish()
}

fn hello() -> ImageSource {
    ImageSource::new(&[layer("bin/hello", "base"), layer("function/func.py", "top")])
}

fn names(dir: &Path, folder: &str) -> usize {
    fs::read_dir(dir.join(folder)).unwrap().count()
}

fn blobs_asked(fake: &Fake) -> usize {
    fake.asked().iter().filter(|asked| asked.path.contains("/blobs/")).count()
}

#[tokio::test]
async fn an_image_is_pulled_once() {
    let (dir, fake, image) = (tempfile::tempdir().unwrap(), Fake::start().await, hello());
    fake.put("me/hello", "1", &image);
    let store = ImageStore::open(params(dir.path(), Form::Unpacked)).unwrap();
    let tagged = fake.reference("me/hello:1");
    let pulled = store.pull(&tagged).await.unwrap();
    assert_eq!((pulled.digest(), pulled.command().unwrap()), (&image.digest(), vec!["/bin/hello".to_owned()]));
    let exact = pulled.reference().unwrap().clone();
    assert_eq!(exact, tagged.with_digest(image.digest()));
    assert_eq!(pulled.size_bytes(), 2 * (SMALL + 4096), "directories take a block as well");
    assert_eq!(blobs_asked(&fake), 3);
    // A tag may have moved; nothing else is asked for.
    store.pull(&tagged).await.unwrap();
    assert_eq!(fake.asked().len(), 1);
    // A digest cannot move, and is here after a start as well.
    drop((pulled, store));
    let store = ImageStore::open(params(dir.path(), Form::Unpacked)).unwrap();
    let again = store.pull(&exact).await.unwrap();
    assert_eq!((again.digest(), again.reference()), (&image.digest(), Some(&exact)));
    assert_eq!((fake.asked().len(), names(dir.path(), "tmp")), (0, 0));
}

#[tokio::test]
async fn those_who_want_the_same_share_one_attempt() {
    let (dir, fake, image) = (tempfile::tempdir().unwrap(), Fake::start().await, hello());
    fake.put("me/hello", "1", &image);
    let store = ImageStore::open(params(dir.path(), Form::Unpacked)).unwrap();
    let (good, bad) = (fake.reference("me/hello:1"), fake.reference("me/missing:1"));
    let pulls = futures_util::future::join_all((0..10).map(|_| store.pull(&good)));
    assert!(pulls.await.iter().all(Result::is_ok));
    assert_eq!(fake.asked().len(), 4);
    let pulls = futures_util::future::join_all((0..10).map(|_| store.pull(&bad))).await;
    assert!(pulls.iter().all(|pull| matches!(pull, Err(ImageError::NotFound { .. }))), "{pulls:?}");
    assert_eq!(fake.asked().len(), 1);
}

#[tokio::test]
async fn an_attempt_goes_on_when_nobody_waits() {
    let (dir, fake, image) = (tempfile::tempdir().unwrap(), Fake::start().await, hello());
    fake.put("me/hello", "1", &image);
    let store = ImageStore::open(params(dir.path(), Form::Unpacked)).unwrap();
    let reference = fake.reference("me/hello:1");
    let mut impatient = Box::pin(store.pull(&reference));
    assert!(futures_util::poll!(&mut impatient).is_pending());
    drop(impatient);
    // Those who come later wait for the same.
    store.pull(&reference).await.unwrap();
    assert_eq!(fake.asked().len(), 4);
}

#[tokio::test]
async fn images_share_layers() {
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::start().await);
    let base = layer("base", "base");
    let (first, second) =
        (ImageSource::new(&[base.clone(), layer("a", "1"), base.clone()]), ImageSource::new(&[base, layer("b", "2")]));
    fake.put("me/first", "1", &first);
    fake.put("me/second", "1", &second);
    let store = ImageStore::open(params(dir.path(), Form::Unpacked)).unwrap();
    let (one, two) = (fake.reference("me/first:1"), fake.reference("me/second:1"));
    let (one, two) = tokio::join!(store.pull(&one), store.pull(&two));
    assert_eq!(
        (one.unwrap().size_bytes(), two.unwrap().size_bytes()),
        (2 * SMALL, 2 * SMALL),
        "each layer counts once"
    );
    assert_eq!(names(dir.path(), "layers"), 3);
    let layers = [&first.layers[0], &first.layers[1], &second.layers[1]].map(|layer| Digest::of(layer).to_string());
    let asked = fake.asked();
    for layer in layers {
        assert_eq!(asked.iter().filter(|asked| asked.path.ends_with(&layer)).count(), 1, "{layer}");
    }
}

#[tokio::test]
async fn what_must_not_be_used_is_refused_and_leaves_nothing() {
    let plain = || vec![layer("a", "1")];
    let of = |layers: Vec<Vec<u8>>| ImageSource::new(&layers);
    let other_diff_id = {
        let mut image = of(plain());
        let config = String::from_utf8(image.config.clone()).unwrap();
        image.config = config.replace(Digest::of(&plain()[0]).hex(), Digest::of(b"").hex()).into_bytes();
        let manifest = String::from_utf8(image.manifest.clone()).unwrap();
        let digest = Digest::of(config.as_bytes()).to_string();
        image.manifest = manifest.replace(&digest, Digest::of(&image.config).as_str()).into_bytes();
        image
    };
    let retyped = |media_type: &str| {
        let mut image = of(plain());
        let manifest = String::from_utf8(image.manifest.clone()).unwrap();
        image.manifest = manifest.replace("application/vnd.oci.image.layer.v1.tar+gzip", media_type).into_bytes();
        image
    };
    let many = (0..20).map(|at| layer("a", &at.to_string())).collect();
    let limits = ImageLimits {
        layers_max: 10,
        image_bytes_max: 10_000,
        layer_bytes_max: 9000,
        files_max: 20,
        ..ImageLimits::default()
    };
    let noise: String = (0..400_u32).map(|at| Digest::of(&at.to_be_bytes()).hex().to_owned()).collect();
    let half = || "x".repeat(4000);
    for (name, image, says) in [
        ("hostile", of(vec![Tar::default().file("../a", b"").finish()]), "is hostile: in layer sha256:"),
        ("another diff id", other_diff_id, "unpacked, it has the digest sha256:"),
        ("another machine", ImageSource::with_config(&plain(), &serde_json::json!({}), "pdp11"), "is for linux/pdp11"),
        ("layers", of(many), "it has 20 layers, and may have 10"),
        ("a bomb", of(vec![layer("a", &"x".repeat(100_000))]), "larger than 10000 bytes"),
        ("together", of(vec![layer("a", &half()), layer("b", &half())]), "larger than 10000 bytes"),
        ("a packed layer", of(vec![layer("a", &noise)]), "is larger than 9000"),
        ("wasm", retyped("application/wasm"), "`application/wasm` is no layer of files"),
        ("encrypted", retyped("application/vnd.oci.image.layer.v1.tar+encrypted"), "is no layer of files"),
    ] {
        let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::start().await);
        fake.put("me/hello", "1", &image);
        let store = ImageStore::open(StoreParams { limits, ..params(dir.path(), Form::Unpacked) }).unwrap();
        let error = store.pull(&fake.reference("me/hello:1")).await.expect_err(name);
        assert!(error.to_string().contains(says), "{name}: {error}");
        let archived = store.load_archive(ImageArchive::Bytes(image.archive().into())).await.expect_err(name);
        assert_eq!(std::mem::discriminant(&archived), std::mem::discriminant(&error), "{name}: {archived}");
        assert_eq!(names(dir.path(), "images"), 0, "{name}");
        // Other layers were given up when one failed; their threads notice in a moment.
        let cleared = async {
            while names(dir.path(), "tmp") > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), cleared).await.expect(name);
    }
}

#[tokio::test]
async fn a_registry_that_is_silent_runs_into_the_time_limit() {
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::start().await);
    fake.misbehave(|_| Some(Answer::Silence));
    let limits = ImageLimits { pull_timeout: Duration::from_millis(50), ..ImageLimits::default() };
    let store = ImageStore::open(StoreParams { limits, ..params(dir.path(), Form::Unpacked) }).unwrap();
    let error = store.pull(&fake.reference("me/hello:1")).await.expect_err("nobody answers");
    assert!(matches!(error, ImageError::TimedOut { .. }), "{error:?}");
}

#[tokio::test]
async fn a_registry_that_is_slow_keeps_no_other_image_waiting() {
    let (dir, slow, fake) = (tempfile::tempdir().unwrap(), Fake::start().await, Fake::start().await);
    let many: Vec<_> = (0..2 * LAYERS_AT_ONCE).map(|at| layer("a", &at.to_string())).collect();
    slow.put("me/slow", "1", &ImageSource::new(&many));
    let configuration = Digest::of(&ImageSource::new(&many).config).to_string();
    slow.misbehave(move |asked| {
        let is_layer = asked.path.contains("/blobs/") && !asked.path.ends_with(&configuration);
        is_layer.then_some(Answer::Silence)
    });
    fake.put("me/hello", "1", &hello());
    let store = ImageStore::open(params(dir.path(), Form::Unpacked)).unwrap();
    let (waiting, wanted) = (slow.reference("me/slow:1"), fake.reference("me/hello:1"));
    let mut waiting = Box::pin(store.pull(&waiting));
    assert!(futures_util::poll!(&mut waiting).is_pending());
    let mut asked = 0;
    // The manifest, the configuration, and as many layers as are fetched at once.
    let all_wait = async {
        while asked < 2 + LAYERS_AT_ONCE {
            asked += slow.asked().len();
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all_wait).await.expect("they are asked for");
    let pulled = tokio::time::timeout(Duration::from_secs(60), store.pull(&wanted)).await;
    pulled.expect("nobody is in the way").unwrap();
    assert!(futures_util::poll!(&mut waiting).is_pending());
}

#[tokio::test]
async fn a_node_that_stops_waits_for_no_registry() {
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::start().await);
    fake.misbehave(|_| Some(Answer::Silence));
    let env = Env::system();
    let store = ImageStore::open(StoreParams { env: env.clone(), ..params(dir.path(), Form::Unpacked) }).unwrap();
    let reference = fake.reference("me/hello:1");
    let mut pull = Box::pin(store.pull(&reference));
    assert!(futures_util::poll!(&mut pull).is_pending());
    env.tasks().stop().await;
    assert!(matches!(pull.await, Err(ImageError::Stopping { .. })));
}

#[tokio::test]
async fn what_was_fetched_before_a_failure_is_not_fetched_again() {
    let (dir, fake, image) = (tempfile::tempdir().unwrap(), Fake::start().await, hello());
    fake.put("me/hello", "1", &image);
    let broken = Digest::of(&image.layers[1]).to_string();
    let is_broken = broken.clone();
    fake.misbehave(move |asked| asked.path.ends_with(&is_broken).then(|| status(410)));
    let store = ImageStore::open(params(dir.path(), Form::Unpacked)).unwrap();
    let reference = fake.reference("me/hello:1");
    let error = store.pull(&reference).await.expect_err("a layer is gone");
    assert!(matches!(error, ImageError::Refused { status: 410, .. }), "{error:?}");
    store.load_archive(ImageArchive::Bytes(image.archive().into())).await.unwrap();
    fake.asked();
    store.pull(&reference).await.unwrap();
    assert_eq!(fake.asked().len(), 1, "an archive had the rest");
}

#[tokio::test]
async fn an_archive_is_as_good_as_a_registry() {
    let (dir, image) = (tempfile::tempdir().unwrap(), hello());
    let store = ImageStore::open(params(&dir.path().join("store"), Form::Unpacked)).unwrap();
    let path = dir.path().join("hello.tar");
    fs::write(&path, image.archive()).unwrap();
    let loaded = store.load_archive(ImageArchive::Path(path)).await.unwrap();
    assert_eq!((loaded.digest(), loaded.reference()), (&image.digest(), None));
    let missing = store.load_archive(ImageArchive::Path(dir.path().join("missing.tar"))).await.expect_err("no file");
    assert!(missing.to_string().contains("missing.tar` cannot be read: No such file"), "{missing}");
}

#[tokio::test]
async fn a_root_filesystem_is_mounted_once_and_as_long_as_somebody_has_it() {
    if !is_root_or_skipped("a_root_filesystem_is_mounted_once_and_as_long_as_somebody_has_it") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let image = ImageSource::new(&[
        Tar::default().file("a/below", b"").file("kept", b"base").file("gone", b"").finish(),
        Tar::default().file("a/.wh..wh..opq", b"").file("a/above", b"").file(".wh.gone", b"").finish(),
    ]);
    let store = ImageStore::open(params(dir.path(), Form::Unpacked)).unwrap();
    let loaded = store.load_archive(ImageArchive::Bytes(image.archive().into())).await.unwrap();
    let again = store.load_archive(ImageArchive::Bytes(image.archive().into())).await.unwrap();
    let (first, second) = (loaded.rootfs().await.unwrap(), again.rootfs().await.unwrap());
    assert_eq!((first.path(), names(dir.path(), "mounts")), (second.path(), 1));
    let at = first.path().to_owned();
    assert_eq!(fs::read_to_string(at.join("kept")).unwrap(), "base");
    assert!(at.join("a/above").exists() && !at.join("a/below").exists() && !at.join("gone").exists());
    drop((first, loaded, again));
    assert!(at.join("kept").exists(), "somebody has it");
    drop(second);
    assert_eq!(names(dir.path(), "mounts"), 0);
    // What a killed process leaves mounted does not keep the next one from starting.
    let loaded = store.load_archive(ImageArchive::Bytes(image.archive().into())).await.unwrap();
    let left = Box::new(loaded.rootfs().await.unwrap());
    crate::mount::sweep(&dir.path().join("mounts")).unwrap();
    assert_eq!(names(dir.path(), "mounts"), 0);
    drop(left);
    assert!(matches!(loaded.archive("a:1"), Err(ImageError::Unsupported { .. })));
}

#[tokio::test]
async fn a_daemon_gets_an_archive() {
    let (dir, fake, image) = (tempfile::tempdir().unwrap(), Fake::start().await, hello());
    fake.put("me/hello", "1", &image);
    let store = ImageStore::open(params(dir.path(), Form::Packed)).unwrap();
    let from_registry = store.pull(&fake.reference("me/hello:1")).await.unwrap();
    let archived = |image: &Image| {
        let pieces = image.archive("a:1").unwrap();
        async move {
            let pieces: Vec<_> = pieces.collect().await;
            pieces.into_iter().flat_map(|piece| piece.unwrap()).collect::<Vec<u8>>()
        }
    };
    let tar = archived(&from_registry).await;
    let mut found = HashMap::new();
    for entry in tar::Archive::new(&*tar).entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        std::io::copy(&mut entry, &mut content).unwrap();
        found.insert(entry.path().unwrap().display().to_string(), content);
    }
    assert_eq!((&found["config.json"], &found["0/layer.tar"]), (&image.config, &image.layers[0]));
    let list: serde_json::Value = serde_json::from_slice(&found["manifest.json"]).unwrap();
    let expected = serde_json::json!([{
        "Config": "config.json", "Layers": ["0/layer.tar", "1/layer.tar"], "RepoTags": ["a:1"],
    }]);
    assert_eq!(list, expected);
    assert!(matches!(from_registry.rootfs().await, Err(ImageError::Unsupported { .. })));
    drop((from_registry, store));
    // The same from an archive, into a store that is empty.
    let other = tempfile::tempdir().unwrap();
    let store = ImageStore::open(params(other.path(), Form::Packed)).unwrap();
    let from_archive = store.load_archive(ImageArchive::Bytes(image.archive().into())).await.unwrap();
    assert_eq!(archived(&from_archive).await, tar);
    // A layer that is not what the manifest says does not become one that others are given.
    let mut damaged = image.archive();
    let at = damaged.windows(4).position(|window| window == &image.layers[0][..4]).unwrap();
    damaged[at + 12] ^= 1;
    let third = tempfile::tempdir().unwrap();
    let store = ImageStore::open(params(third.path(), Form::Packed)).unwrap();
    let error = store.load_archive(ImageArchive::Bytes(damaged.into())).await.expect_err("it is damaged");
    assert!(matches!(error, ImageError::Corrupt { .. }), "{error:?}");
}

#[tokio::test]
async fn a_store_belongs_to_one_process_and_is_emptied_when_its_form_changes() {
    let (dir, image) = (tempfile::tempdir().unwrap(), hello());
    let store = ImageStore::open(params(dir.path(), Form::Unpacked)).unwrap();
    let error = ImageStore::open(params(dir.path(), Form::Unpacked)).expect_err("it is in use");
    assert!(error.to_string().contains("another process uses it"), "{error}");
    store.load_archive(ImageArchive::Bytes(image.archive().into())).await.unwrap();
    drop(store);
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for (form, images) in [(Form::Unpacked, 1), (Form::Packed, 0)] {
        fs::create_dir_all(dir.path().join("tmp/7/half/written")).unwrap();
        drop(ImageStore::open(params(dir.path(), form)).unwrap());
        assert_eq!(["images", "tmp"].map(|folder| names(dir.path(), folder)), [images, 0], "{form:?}");
        assert_eq!(fs::metadata(dir.path()).unwrap().permissions().mode() & 0o777, 0o700, "nobody else's business");
    }
}

#[tokio::test]
async fn what_is_damaged_on_disk_is_fetched_again() {
    let (dir, fake, image) = (tempfile::tempdir().unwrap(), Fake::start().await, hello());
    fake.put("me/hello", "1", &image);
    let store = ImageStore::open(params(dir.path(), Form::Unpacked)).unwrap();
    let exact = store.pull(&fake.reference("me/hello:1")).await.unwrap().reference().unwrap().clone();
    let layer = dir.path().join("layers").join(Digest::of(&layer("bin/hello", "base")).hex());
    let kept = dir.path().join("images").join(image.digest().hex());
    for damaged in [kept.join("manifest"), kept.join("config"), layer.join("size")] {
        fs::write(&damaged, "").unwrap();
        store.pull(&exact).await.unwrap();
        assert_eq!(fs::read_to_string(layer.join("root/bin/hello")).unwrap(), "base", "{}", damaged.display());
    }
}

#[tokio::test]
async fn collecting_spares_what_is_held_and_what_others_share() {
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::start().await);
    let base = layer("base", "base");
    let images = ["a", "b"].map(|name| ImageSource::new(&[base.clone(), layer(name, name)]));
    for (name, image) in ["a", "b"].iter().zip(&images) {
        fake.put(&format!("me/{name}"), "1", image);
    }
    let env = |seconds: u64| Env::simulated(1, Timestamp::from_micros(seconds * 1_000_000));
    let limits = ImageLimits { unused_for_max: Duration::from_secs(1000), ..ImageLimits::default() };
    let at = |seconds| StoreParams { limits, env: env(seconds), ..params(dir.path(), Form::Unpacked) };
    let store = ImageStore::open(at(10_000)).unwrap();
    let a = store.pull(&fake.reference("me/a:1")).await.unwrap();
    let b = store.pull(&fake.reference("me/b:1")).await.unwrap();
    assert_eq!(store.collect().await.unwrap(), Collected { images: 0, bytes: 0, left_bytes: 3 * SMALL });
    let exact = a.reference().unwrap().clone();
    let other = b.digest().clone();
    drop((a, b, store));
    let store = ImageStore::open(at(10_500)).unwrap();
    store.pull(&exact).await.unwrap();
    drop(store);
    let store = ImageStore::open(at(11_300)).unwrap();
    assert!(store.has(&other));
    assert_eq!(store.collect().await.unwrap(), Collected { images: 1, bytes: SMALL, left_bytes: 2 * SMALL });
    assert!(!store.has(&other) && store.has(exact.digest().unwrap()));
    drop(store);
    // Held, it stays however old it is; afterwards it goes.
    let store = ImageStore::open(at(50_000)).unwrap();
    let held = store.pull(&exact).await.unwrap();
    store.shared.files.note_use(held.digest(), Timestamp::from_micros(0));
    assert_eq!(store.collect().await.unwrap().images, 0);
    drop(held);
    store.shared.files.note_use(&images[0].digest(), Timestamp::from_micros(0));
    assert_eq!(store.collect().await.unwrap(), Collected { images: 1, bytes: 2 * SMALL, left_bytes: 0 });
    assert_eq!(["images", "layers", "tmp"].map(|folder| names(dir.path(), folder)), [0, 0, 0]);
    fake.asked();
    store.pull(&exact).await.unwrap();
    assert_eq!(blobs_asked(&fake), 3, "what was collected is fetched again");
}

#[test]
fn what_is_awaited_may_move_between_threads() {
    fn is_send<T: Send>(_: &T) {}
    let check = |store: &ImageStore, image: &Image, reference: &ImageRef| {
        is_send(&store.pull(reference));
        is_send(&store.load_archive(ImageArchive::Bytes(Bytes::new())));
        is_send(&store.collect());
        is_send(&image.rootfs());
        is_send(&crate::push(Path::new(""), reference, &Registries::default(), |_| {}));
    };
    let _ = check;
}
