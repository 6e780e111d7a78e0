//! Images for several machines.

use super::*;

#[tokio::test]
async fn an_index_leads_to_the_image_for_this_machine() {
    let (dir, fake, image) = (tempfile::tempdir().unwrap(), Fake::start().await, hello());
    fake.put("me/hello", "only", &image);
    let index = |architecture: &str| {
        let other = serde_json::json!({"digest": Digest::of(b"other"), "size": 1, "platform": {"os": "linux", "architecture": "vax"}});
        let platform = serde_json::json!({"os": "linux", "architecture": architecture});
        let own = serde_json::json!({"digest": image.digest(), "size": image.manifest.len(), "platform": platform});
        serde_json::json!({"schemaVersion": 2, "manifests": [other, own]}).to_string().into_bytes()
    };
    let good = index(crate::manifest::machine().1);
    fake.put_content("/v2/me/hello/manifests/all", &good);
    fake.put_content("/v2/me/hello/manifests/other", &index("pdp11"));
    let store = ImageStore::open(params(dir.path(), Form::Unpacked)).unwrap();
    let pulled = store.pull(&fake.reference("me/hello:all")).await.unwrap();
    assert_eq!(pulled.digest(), &image.digest());
    let exact = pulled.reference().unwrap().clone();
    assert_eq!(exact.digest(), Some(&Digest::of(&good)), "the reference stays good for every machine");
    fake.asked();
    store.pull(&exact).await.unwrap();
    assert_eq!(fake.asked().len(), 0, "the index is here as well");
    let error = store.pull(&fake.reference("me/hello:other")).await.expect_err("it is for others");
    assert!(error.to_string().contains("is for linux/vax, linux/pdp11, and this machine is linux/"), "{error}");
}

#[tokio::test]
async fn an_index_of_one_needs_no_platform() {
    let (dir, fake, image) = (tempfile::tempdir().unwrap(), Fake::start().await, hello());
    fake.put("me/hello", "1", &image);
    let only = serde_json::json!({"schemaVersion": 2, "manifests": [{"digest": image.digest(), "size": 1}]});
    fake.put_content("/v2/me/hello/manifests/one", only.to_string().as_bytes());
    let store = ImageStore::open(params(dir.path(), Form::Unpacked)).unwrap();
    let pulled = store.pull(&fake.reference("me/hello:one")).await.unwrap();
    assert_eq!(pulled.digest(), &image.digest());
    store.collect().await.unwrap();
    assert_eq!(names(dir.path(), "indexes"), 1);
}

#[tokio::test]
async fn an_index_stays_while_its_image_is_fetched() {
    let (dir, fake, image) = (tempfile::tempdir().unwrap(), Fake::start().await, hello());
    let only = serde_json::json!({"schemaVersion": 2, "manifests": [{"digest": image.digest(), "size": 1}]});
    fake.put_content("/v2/me/hello/manifests/one", only.to_string().as_bytes());
    fake.misbehave(|asked| (!asked.path.ends_with("/one")).then_some(Answer::Silence));
    let store = ImageStore::open(params(dir.path(), Form::Unpacked)).unwrap();
    let reference = fake.reference("me/hello:one");
    let mut pull = Box::pin(store.pull(&reference));
    assert!(futures_util::poll!(&mut pull).is_pending());
    let kept = async {
        while names(dir.path(), "indexes") == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), kept).await.expect("it is kept");
    store.collect().await.unwrap();
    assert_eq!(names(dir.path(), "indexes"), 1);
}
