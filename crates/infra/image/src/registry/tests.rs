use std::io::Write;

use base64::Engine as _;

use super::fake::{Answer, Asked, Fake, status};
use super::*;
use crate::testing::{ImageSource, Tar, available_or_skipped};
use crate::{PushProgress, push, resolve};

const LIMIT: u64 = 1 << 20;

fn image() -> ImageSource {
    ImageSource::new(&[Tar::default().file("a", &[7; 5000]).finish(), Tar::default().file("b", b"2").finish()])
}

async fn registry(fake: &Fake) -> Registry {
    Registry::of(&fake.reference("me/hello:1"), &Registries::default()).await.unwrap()
}

async fn manifest(fake: &Fake) -> Result<Vec<u8>, ImageError> {
    registry(fake).await.manifest("1", LIMIT).await
}

fn paths(asked: &[Asked]) -> Vec<String> {
    asked.iter().map(|asked| format!("{} {}", asked.method, asked.path)).collect()
}

#[tokio::test]
async fn a_tag_leads_to_a_digest() {
    let (fake, image) = (Fake::start().await, image());
    fake.put("me/hello", "1", &image);
    let exact = resolve(&fake.reference("me/hello:1"), &Registries::default()).await.unwrap();
    assert_eq!(exact.to_string(), format!("{}/me/hello:1@{}", fake.address, image.digest()));
    assert_eq!(resolve(&exact, &Registries::default()).await.unwrap(), exact);
}

/// What a registry answers, and what people and callers are told.
#[tokio::test]
async fn statuses_are_told_apart() {
    let said = r#"{"errors": [{"code": "TOOMANYREQUESTS", "message": "come back later"}]}"#;
    for (code, body, says) in [
        (404, "", "has no image"),
        (401, "", "denies access to"),
        (403, "", "(403): correct its name, or provide credentials"),
        (429, said, "with status 429: TOOMANYREQUESTS come back later"),
        (400, "<html>\u{1b}[31m", r"with status 400: <html>\u{1b}[31m"),
        (418, "", "with status 418: it does not say why"),
        (500, "", "it answered with status 500; try again"),
        (503, "", "it answered with status 503"),
        (304, "", "it answered with status 304"),
    ] {
        let fake = Fake::start().await;
        fake.misbehave(move |_| Some(Answer::Status(code, Vec::new(), body.to_owned())));
        let error = manifest(&fake).await.expect_err("it is no success");
        let text = error.to_string();
        assert!(text.contains(says) && text.contains(&fake.reference("me/hello:1").to_string()), "{code}: {text}");
        assert_eq!(error.registry_status(), (400..500).contains(&code).then_some(code), "{error:?}");
        // What may pass is tried three times.
        assert_eq!(fake.asked().len(), if code >= 500 || matches!(code, 304 | 429) { 3 } else { 1 }, "{code}");
    }
}

#[tokio::test]
async fn what_fails_in_passing_is_tried_again() {
    let (fake, image) = (Fake::start().await, image());
    fake.put("me/hello", "1", &image);
    let failures = std::sync::atomic::AtomicU32::new(2);
    fake.misbehave(move |_| {
        let left = failures.load(std::sync::atomic::Ordering::Relaxed);
        failures.store(left.saturating_sub(1), std::sync::atomic::Ordering::Relaxed);
        (left > 0).then(|| if left == 2 { status(502) } else { Answer::Cut(100) })
    });
    assert_eq!(manifest(&fake).await.unwrap(), image.manifest);
}

#[tokio::test]
async fn a_download_that_broke_off_leaves_nothing_in_the_next_one() {
    let (fake, image) = (Fake::start().await, image());
    fake.put("me/hello", "1", &image);
    let layer = Descriptor::new("", Digest::of(&image.layers[0]), image.layers[0].len() as u64);
    let is_first = std::sync::atomic::AtomicBool::new(true);
    fake.misbehave(move |_| is_first.swap(false, std::sync::atomic::Ordering::Relaxed).then_some(Answer::Cut(5000)));
    let file = tempfile::NamedTempFile::new().unwrap();
    registry(&fake).await.download(&layer, file.as_file()).await.unwrap();
    assert_eq!(fake.asked().len(), 2);
    assert_eq!(std::fs::read(file.path()).unwrap(), image.layers[0]);
}

#[tokio::test]
async fn nobody_there_is_said_so() {
    let fake = Fake::start().await;
    let reference = fake.reference("me/hello:1");
    drop(fake);
    let error = resolve(&reference, &Registries::default()).await.expect_err("nobody listens");
    assert!(matches!(error, ImageError::Unavailable { .. }), "{error:?}");
    assert!(error.to_string().contains("it cannot be reached: "), "{error}");
}

#[tokio::test]
async fn what_is_sent_is_bounded_and_checked() {
    let (fake, image) = (Fake::start().await, image());
    fake.put("me/hello", "1", &image);
    let registry = registry(&fake).await;
    let blob = |content: &[u8]| Descriptor::new("", Digest::of(content), content.len() as u64);
    let layer = blob(&image.layers[0]);
    let file = tempfile::tempfile().unwrap();
    registry.download(&layer, &file).await.unwrap();
    let mut whole = Vec::new();
    std::io::copy(&mut &file, &mut whole).unwrap();
    assert_eq!(whole.len(), 0, "the place is at the end");
    assert_eq!(file.metadata().unwrap().len(), image.layers[0].len() as u64);

    // A digest that leads to something else, of the same size and not.
    let wrong = Descriptor::new("", Digest::of(b"other"), layer.size);
    let path = format!("/v2/me/hello/blobs/{}", wrong.digest);
    fake.put_content(&path, &image.layers[0]);
    for size in [layer.size, layer.size - 1] {
        let wrong = Descriptor::new("", wrong.digest.clone(), size);
        let error = registry.download(&wrong, &file).await.expect_err("the digest");
        assert!(matches!(&error, ImageError::Corrupt { reason, .. } if reason.contains("something else")), "{error}");
    }
    let error = registry.small_blob(&wrong, LIMIT).await.expect_err("the digest");
    assert!(matches!(error, ImageError::Corrupt { .. }), "{error:?}");
    fake.put_content(&format!("/v2/me/hello/manifests/{}", Digest::of(b"other")), &image.manifest);
    let error = registry.manifest(Digest::of(b"other").as_str(), LIMIT).await.expect_err("the digest");
    assert!(error.to_string().contains("sent a manifest that is not sha256:"), "{error}");

    let missing = registry.download(&blob(b"missing"), &file).await.expect_err("it is not there");
    assert!(missing.to_string().contains("has its manifest, and not what that names"), "{missing}");

    fake.misbehave(|_| Some(Answer::Endless));
    let error = registry.manifest("1", LIMIT).await.expect_err("it never ends");
    assert!(error.to_string().contains("its manifest is larger than 1048576 bytes"), "{error}");
    let error = registry.download(&layer, &file).await.expect_err("it never ends");
    assert!(matches!(error, ImageError::Corrupt { .. }), "{error:?}");

    let length = layer.size;
    fake.misbehave(move |_| Some(Answer::Cut(length)));
    let error = registry.download(&layer, &file).await.expect_err("it is cut");
    assert!(matches!(error, ImageError::Unavailable { .. }), "{error:?}");
}

/// A registry that wants a token, which another place has.
fn wants_token(tokens: &Fake, scope: &'static str) -> impl Fn(&Asked) -> Option<Answer> + use<> {
    let challenge = format!("Bearer realm=\"http://{}/token\",service=\"fake\",scope=\"{scope}\"", tokens.address);
    move |asked| {
        let wanted = format!("Bearer for {scope}");
        (asked.authorization.as_deref() != Some(&wanted))
            .then(|| Answer::Status(401, vec![("www-authenticate", challenge.clone())], String::new()))
    }
}

fn has_tokens(asked: &Asked) -> Option<Answer> {
    let right = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode("me:hunter2"));
    if asked.authorization.as_ref().is_some_and(|authorization| *authorization != right) {
        return Some(status(401));
    }
    let scopes = asked.path.split(['?', '&']).filter_map(|part| part.strip_prefix("scope="));
    let scope = scopes.map(|scope| scope.replace("%3A", ":").replace("%2F", "/").replace("%2C", ","));
    let token = format!("for {}", scope.collect::<Vec<_>>().join(" "));
    Some(Answer::Status(200, Vec::new(), serde_json::json!({"access_token": token}).to_string()))
}

#[tokio::test]
async fn a_token_is_fetched_where_the_registry_says() {
    let (fake, tokens, image) = (Fake::start().await, Fake::start().await, image());
    fake.put("me/hello", "1", &image);
    fake.misbehave(wants_token(&tokens, "repository:me/hello:pull"));
    tokens.misbehave(has_tokens);
    let host = fake.address.to_string();
    for (password, works) in [(None, true), (Some("hunter2"), true), (Some("wrong"), false)] {
        let registries = password.map_or_else(Registries::default, |password| {
            Registries::default().with_credentials(&host, "me".into(), password.into())
        });
        let registry = Registry::of(&fake.reference("me/hello:1"), &registries).await.unwrap();
        match registry.manifest("1", LIMIT).await {
            Ok(found) => assert!(works && found == image.manifest),
            Err(error) => {
                assert!(!works && matches!(error, ImageError::Denied { status: 401, .. }), "{error:?}");
                assert!(!format!("{error} {error:?}").contains("wrong"), "{error:?}");
            }
        }
        let asked = tokens.asked();
        assert_eq!(paths(&asked), ["GET /token?service=fake&scope=repository%3Ame%2Fhello%3Apull"]);
        assert_eq!(asked[0].authorization.is_some(), password.is_some());
        if works {
            registry.small_blob(&Descriptor::new("", Digest::of(&image.config), 1), LIMIT).await.unwrap();
            assert!(tokens.asked().is_empty(), "a token is good for the whole conversation");
        }
        assert!(fake.asked().iter().all(|asked| !asked.authorization.as_deref().unwrap_or("").starts_with("Basic")));
    }
}

#[tokio::test]
async fn passwords_and_strange_challenges() {
    let (fake, image) = (Fake::start().await, image());
    fake.put("me/hello", "1", &image);
    let host = fake.address.to_string();
    let mine = || Registries::default().with_credentials(&host, "me".into(), "hunter2".into());
    for (challenge, registries, works) in [
        ("Basic realm=\"x\"", mine(), true),
        ("Basic realm=\"x\"", Registries::default(), false),
        ("Negotiate", mine(), false),
        ("Bearer realm=\"nowhere\"", mine(), false),
        ("Bearer realm=\"file:///etc/passwd\"", mine(), false),
    ] {
        fake.misbehave(move |asked| {
            let is_right = asked.authorization.as_deref() == Some("Basic bWU6aHVudGVyMg==");
            (!is_right).then(|| Answer::Status(401, vec![("www-authenticate", challenge.into())], String::new()))
        });
        let registry = Registry::of(&fake.reference("me/hello:1"), &registries).await.unwrap();
        let found = registry.manifest("1", LIMIT).await;
        assert_eq!(found.is_ok(), works, "{challenge}: {found:?}");
    }
}

#[tokio::test]
async fn credentials_stay_behind_when_content_is_elsewhere() {
    let (fake, elsewhere, image) = (Fake::start().await, Fake::start().await, image());
    fake.put("me/hello", "1", &image);
    elsewhere.put("me/hello", "1", &image);
    let place = elsewhere.address;
    fake.misbehave(move |asked| match asked.authorization {
        None => Some(Answer::Status(401, vec![("www-authenticate", "Basic".into())], String::new())),
        Some(_) if asked.path.contains("/blobs/") => {
            let location = format!("http://{place}{}?signature=secret", asked.path);
            Some(Answer::Status(307, vec![("location", location)], String::new()))
        }
        Some(_) => None,
    });
    let host = fake.address.to_string();
    let registries = Registries::default().with_credentials(&host, "me".into(), "hunter2".into());
    let registry = Registry::of(&fake.reference("me/hello:1"), &registries).await.unwrap();
    let config = Descriptor::new("", Digest::of(&image.config), image.config.len() as u64);
    assert_eq!(registry.small_blob(&config, LIMIT).await.unwrap(), image.config);
    assert!(elsewhere.asked().iter().all(|asked| asked.authorization.is_none()));
    drop(elsewhere);
    let error = registry.small_blob(&config, LIMIT).await.expect_err("nobody is there");
    assert!(!format!("{error} {error:?}").contains("signature"), "{error:?}");
}

/// Whoever may name images does not reach this machine by that.
#[tokio::test]
async fn what_is_out_of_reach_is_not_asked() {
    let (fake, elsewhere, image) = (Fake::start().await, Fake::start().await, image());
    fake.put("me/hello", "1", &image);
    let guarded = || Registries::default().with_reach(|address| !address.is_loopback());
    let (port, address) = (fake.address.port(), fake.address.to_string());
    for host in
        [format!("localhost:{port}"), address.clone(), format!("[::1]:{port}"), format!("[::ffff:127.0.0.1]:{port}")]
    {
        let reference: ImageRef = format!("{host}/me/hello:1").parse().unwrap();
        let guarded = Registries::default().with_reach(|address| !address.to_canonical().is_loopback());
        let error = resolve(&reference, &guarded).await.expect_err("nothing there is asked");
        assert!(matches!(error, ImageError::OutOfReach { .. }), "{error:?}");
    }
    assert!(fake.asked().is_empty());
    // Another port of the same host is not listed.
    for (listed, is_asked) in [(address.clone(), true), (format!("127.0.0.1:{}", elsewhere.address.port()), false)] {
        let insecure = guarded().with_insecure(&listed);
        assert_eq!(resolve(&fake.reference("me/hello:1"), &insecure).await.is_ok(), is_asked, "{listed}");
        let known = guarded().with_credentials(&format!("{listed}/me"), "me".into(), "hunter2".into());
        assert_eq!(resolve(&fake.reference("me/hello:1"), &known).await.is_ok(), is_asked, "{listed}");
    }
}

#[tokio::test]
async fn a_registry_leads_to_no_place_that_is_out_of_reach() {
    let (fake, inside) = (Fake::start().await, Fake::start().await);
    let port = inside.address.port();
    // One that is listed, and by a name: addresses that are named like this machine are permitted.
    let guarded =
        Registries::default().with_reach(|address| !address.is_loopback()).with_insecure(&fake.address.to_string());
    for place in ["localhost", "127.0.0.2", "[::1]"] {
        for scheme in ["http", "https"] {
            let location = format!("{scheme}://{place}:{port}/secret");
            let challenge = format!("Bearer realm=\"{location}\"");
            for answer in [(307, "location", location.clone()), (401, "www-authenticate", challenge)] {
                let (status, name, value) = answer.clone();
                fake.misbehave(move |_| Some(Answer::Status(status, vec![(name, value.clone())], String::new())));
                let error = resolve(&fake.reference("me/hello:1"), &guarded).await.expect_err("it leads inward");
                // It goes without TLS to itself alone.
                let is_told = status == 401 || scheme == "https";
                assert_eq!(matches!(error, ImageError::OutOfReach { .. }), is_told, "{answer:?}: {error:?}");
            }
        }
    }
    assert!(inside.asked().is_empty());
}

/// An archive in a file, as `push` takes it.
fn archive_of(image: &ImageSource) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&image.archive()).unwrap();
    file
}

#[tokio::test]
async fn only_what_a_registry_lacks_is_sent() {
    let (fake, tokens, image) = (Fake::start().await, Fake::start().await, image());
    let archive = archive_of(&image);
    fake.put_content(&format!("/v2/me/hello/blobs/{}", Digest::of(&image.layers[0])), &image.layers[0]);
    fake.misbehave(wants_token(&tokens, "repository:me/hello:pull,push"));
    tokens.misbehave(has_tokens);
    let seen = Arc::new(std::sync::Mutex::new(Vec::<PushProgress>::new()));
    let progress = seen.clone();
    let reference = fake.reference("me/hello:1");
    let told = move |now| progress.lock().unwrap().push(now);
    let exact = push(archive.path(), &reference, &Registries::default(), told).await.unwrap();
    assert_eq!(exact, reference.with_digest(image.digest()));
    let sent = (image.layers[1].len() + image.config.len()) as u64;
    let seen = seen.lock().unwrap();
    assert_eq!(seen.first(), Some(&PushProgress { sent_bytes: 0, total_bytes: sent }));
    assert_eq!(seen.last(), Some(&PushProgress { sent_bytes: sent, total_bytes: sent }));
    assert_eq!(fake.content("/v2/me/hello/manifests/1").unwrap(), image.manifest);
    for blob in image.blobs() {
        assert_eq!(fake.content(&format!("/v2/me/hello/blobs/{}", Digest::of(blob))).as_ref().unwrap(), blob);
    }
    let uploads = fake.asked().iter().filter(|asked| asked.path.contains("digest=")).count();
    assert_eq!(uploads, 2);
}

#[tokio::test]
async fn a_registry_that_does_not_take_an_image_is_said_so() {
    let image = image();
    let archive = archive_of(&image);
    for (method, answer, says) in [
        ("POST", Answer::Status(403, vec![], String::new()), "denies access"),
        ("POST", Answer::Status(202, vec![], String::new()), "does not say where to send layers to"),
        ("POST", Answer::Status(202, vec![("location", "ftp://x".into())], String::new()), "without TLS"),
        ("PUT", Answer::Status(413, vec![], String::new()), "with status 413"),
        ("PUT", Answer::Status(200, vec![], String::new()), "answered an upload with status 200"),
    ] {
        let fake = Fake::start().await;
        let answer = std::sync::Mutex::new(Some(answer));
        fake.misbehave(move |asked| (asked.method == method).then(|| answer.lock().unwrap().take()).flatten());
        let reference = fake.reference("me/hello:1");
        let error = push(archive.path(), &reference, &Registries::default(), |_| {}).await.expect_err(says);
        assert!(error.to_string().contains(says), "{error}");
    }
}

/// The registry that is packaged everywhere, if it is here.
#[tokio::test]
async fn a_real_registry_takes_and_gives_an_image() {
    let is_installed = std::process::Command::new("docker-registry").arg("--version").output().is_ok();
    if !available_or_skipped("a_real_registry_takes_and_gives_an_image", is_installed, "docker-registry") {
        return;
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = tempfile::tempdir().unwrap();
    // It does not say which port it took: one that was free a moment ago is given to it.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = serde_json::json!({
        "version": 0.1, "http": {"addr": address.to_string()},
        "storage": {"filesystem": {"rootdirectory": dir.path()}},
    });
    std::fs::write(dir.path().join("config.yml"), settings.to_string()).unwrap();
    let mut server = tokio::process::Command::new("docker-registry");
    let server = server.arg("serve").arg(dir.path().join("config.yml")).kill_on_drop(true);
    let _server = server.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    let started = async {
        while tokio::net::TcpStream::connect(address).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), started).await.expect("it listens");

    let (image, registries) = (image(), Registries::default());
    let reference: ImageRef = format!("{address}/me/hello:1").parse().unwrap();
    assert!(matches!(resolve(&reference, &registries).await, Err(ImageError::NotFound { .. })));
    let archive = archive_of(&image);
    let sent = Arc::new(std::sync::atomic::AtomicU64::new(0));
    for round in 0..2 {
        let sent = sent.clone();
        let told = move |now: PushProgress| sent.store(now.total_bytes, std::sync::atomic::Ordering::Relaxed);
        let exact = push(archive.path(), &reference, &registries, told).await.unwrap();
        assert_eq!(exact, resolve(&reference, &registries).await.unwrap(), "round {round}");
        assert_eq!(exact.digest(), Some(&image.digest()));
    }
    assert_eq!(sent.load(std::sync::atomic::Ordering::Relaxed), 0, "the second time, nothing was lacking");
    let registry = Registry::of(&reference, &registries).await.unwrap();
    let layer = Descriptor::new("", Digest::of(&image.layers[0]), image.layers[0].len() as u64);
    registry.download(&layer, &tempfile::tempfile().unwrap()).await.unwrap();
}
