//! Images in a registry, which is Debian's `docker-registry`: pushed, pulled, and missing.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::images;
use crate::support::builder::Builder;
use crate::support::images::Image;
use crate::support::node::{Node, said};
use crate::support::registry::{Registry, USER};
use crate::support::{Images, Project, http};

/// Puts an image into a registry, as a builder's own `push` does, and returns its name there.
fn put(images: &Images, registry: &Registry, name: &str) -> String {
    let reference = format!("{}/me/{name}:1", registry.address());
    put_archive(&images.archive(name), &reference);
    reference
}

fn put_archive(archive: &Path, reference: &str) {
    let pushed = Builder::new().push(archive, reference, None);
    assert!(pushed.status.success(), "{}", said(&pushed));
}

/// A project of a function with an image that is in a registry.
fn project(image: &str) -> Project {
    let project = Project::empty();
    project.write(
        "mu.yaml",
        format!(
            "name: test\nversion: 1.0.0\nservices:\n  \
             - {{type: Function, name: f, runtime: container, image: '{image}', memory_limit: 64MiB}}\n  \
             - type: Gateway\n    name: web\n    endpoints:\n      /f: {{any: f.handle}}\n"
        ),
    );
    project
}

/// What `docker login` writes.
fn login_to(registry: &Registry) -> String {
    let (user, password) = USER;
    let auth = STANDARD.encode(format!("{user}:{password}"));
    json!({ "auths": { registry.address(): { "auth": auth } } }).to_string()
}

#[test]
fn an_image_of_a_registry_is_pulled_and_stays_when_the_registry_is_gone() {
    let images = images!();
    let registry = Registry::start();
    let project = project(&put(&images, &registry, "fn-test"));
    let mut node = Node::with_operator_and(&[&registry.setting()]);
    node.done(project.path(), &["deploy"]);
    assert_eq!(node.get("/test/web/f").status, 200);
    drop(registry);
    node.kill_and_start_again();
    assert_eq!(node.get("/test/web/f").status, 200);
}

#[test]
fn a_deployed_version_keeps_its_image_when_the_tag_moves() {
    let images = images!();
    let registry = Registry::start();
    let reference = put(&images, &registry, "fn-test");
    let project = project(&reference);
    let node = Node::with_operator_and(&[&registry.setting()]);
    node.done(project.path(), &["deploy"]);
    assert_eq!(node.get("/test/web/f").json()["env"]["CHANGED"], Value::Null);
    // Another image under the same name.
    let changed = Image::of_program(&images.program()).saying("/config/Env", json!(["CHANGED=yes"])).archive();
    let place = Project::empty();
    place.write("changed.tar", changed);
    put_archive(&place.path().join("changed.tar"), &reference);
    assert_eq!(node.get("/test/web/f").json()["env"]["CHANGED"], Value::Null);
    node.done(project.path(), &["deploy"]);
    assert_eq!(node.get("/test/web/f").json()["env"]["CHANGED"], "yes");
}

#[test]
fn an_image_that_is_not_there_is_told_when_it_is_deployed() {
    let images = images!();
    let registry = Registry::start();
    put(&images, &registry, "fn-test");
    let node = Node::with_operator_and(&[&registry.setting()]);
    for (image, reason) in [
        (format!("{}/me/nothing:1", registry.address()), "has no image"),
        (format!("{}/me/fn-test:2", registry.address()), "has no image"),
        ("127.0.0.1:1/me/fn-test:1".to_owned(), "127.0.0.1:1"),
    ] {
        let output = node.mu(project(&image).path(), &["deploy"]).output().unwrap();
        assert!(!output.status.success(), "{image}");
        assert!(said(&output).contains(reason), "{image}: {}", said(&output));
    }
}

#[test]
fn a_registry_of_the_nodes_machine_is_asked_only_if_it_is_listed() {
    let images = images!();
    let registry = Registry::start();
    let project = project(&put(&images, &registry, "fn-test"));
    let node = Node::with_operator_and(&[]);
    let output = node.mu(project.path(), &["deploy"]).output().unwrap();
    assert!(!output.status.success());
    assert!(said(&output).contains("is at an address that is not public"), "{}", said(&output));
}

#[test]
fn a_registry_with_a_password_lets_in_who_has_it() {
    let images = images!();
    let registry = Registry::with_password();
    let reference = format!("{}/me/fn-test:1", registry.address());
    let push = |credentials| Builder::new().push(&images.archive("fn-test"), &reference, credentials).status.success();
    assert!(!push(None) && push(Some(USER)));
    let place = Project::empty();
    place.write("config.json", login_to(&registry));
    let credentials = format!("containers.credentials={}", place.path().join("config.json").display());
    let node = Node::with_operator_and(&[&credentials]);
    let project = project(&reference);
    let output = node.mu(project.path(), &["deploy"]).output().unwrap();
    assert!(!output.status.success());
    assert!(said(&output).contains("denies access") && !said(&output).contains(USER.1), "{}", said(&output));
    // The command line asks as its user, for the digest; the node asks as the operator.
    fs::create_dir_all(node.home().join(".docker")).unwrap();
    fs::write(node.home().join(".docker/config.json"), login_to(&registry)).unwrap();
    node.done(project.path(), &["deploy"]);
    assert_eq!(node.get("/test/web/f").status, 200);
    // A local node asks as the user.
    node.done(project.path(), &["invoke", "f.handle"]);
}

#[test]
fn what_fns_api_makes_is_pulled_and_called() {
    let images = images!();
    let registry = Registry::start();
    let image = put(&images, &registry, "fn-test");
    let node = Node::with_operator_and(&[&registry.setting()]);
    let token = node.token();
    let made = |path: &str, what: Value| {
        let answer = node.ask(&token, "POST", path, what.to_string().as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    };
    let app = made("/v2/apps", json!({"name": "shop", "config": {"OF_APP": "1", "BOTH": "app"}}));
    let of_fn = json!({
        "app_id": app["id"], "name": "cart", "image": image, "memory": 64, "timeout": 5,
        "config": {"BOTH": "fn"},
    });
    let cart = made("/v2/fns", of_fn);
    let trigger = json!({"app_id": app["id"], "fn_id": cart["id"], "name": "t", "type": "http", "source": "/cart"});
    made("/v2/triggers", trigger);
    let invoke = format!("/invoke/{}", cart["id"].as_str().unwrap());

    let answer = node.ask(&token, "POST", &invoke, b"{}");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let told = answer.json();
    for (name, value) in [("OF_APP", "1"), ("BOTH", "fn"), ("FN_MEMORY", "64"), ("FN_NAME", "cart")] {
        assert_eq!(told["env"][name], value, "{name}: {told}");
    }
    assert_eq!((&told["env"]["FN_FN_ID"], &told["env"]["FN_APP_ID"]), (&cart["id"], &app["id"]));
    assert!(!told["headers"].to_string().contains("Fn-Http-Method"), "{told}");
    assert!(answer.header("fn-call-id").is_some());

    let answer = node.ask(&token, "PUT", "/t/shop/cart?a=b", br#"{"responseCode": 201}"#);
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert!(answer.text().contains("/t/shop/cart?a=b"), "{}", answer.text());

    // Who calls is told by gateways alone, and what is about a connection ends with it.
    let token_header = format!("Bearer {token}");
    for path in [&*invoke, "/t/shop/cart"] {
        let headers =
            [("authorization", &*token_header), ("mu-auth-subject", "forged"), ("te", "trailers"), ("x-kept", "kept")];
        let told = http::send(node.address("api"), "POST", path, &headers, b"{}").unwrap().text();
        assert!(told.contains("kept"), "{told}");
        assert!(!told.contains("forged") && !told.contains("trailers"), "{told}");
    }

    for (wanted, status, message) in [
        (json!({"isCrash": true}), 502, "error receiving function response"),
        (json!({"invalidResponse": true}), 502, "invalid function response"),
        (json!({"fdkStatus": 500}), 502, "invalid function response"),
        (json!({"fdkStatus": 502}), 502, "function failed"),
        (json!({"fdkStatus": 504}), 504, "Timed out"),
        (json!({"sleepTime": 60_000}), 504, "Timed out"),
        (json!({"responseSize": 7 << 20}), 502, "function response body too large"),
        (json!({"headerSize": 200_000}), 502, "function response header too large"),
    ] {
        let answer = node.ask(&token, "POST", &invoke, wanted.to_string().as_bytes());
        assert_eq!((answer.status, answer.json()), (status, json!({ "message": message })), "{wanted}");
    }
    let change = |what: Value| {
        let path = format!("/v2/fns/{}", cart["id"].as_str().unwrap());
        let changed = node.ask(&token, "PUT", &path, what.to_string().as_bytes());
        assert_eq!(changed.status, 200, "{}", changed.text());
    };
    for (start, status, words) in
        [("exit:1", 502, "Container failed to initialize, "), ("never", 504, "Container initialization timed out, ")]
    {
        change(json!({"timeout": 20, "config": {"FN_TEST_START": start}}));
        let answer = node.ask(&token, "POST", &invoke, b"{}");
        let message = format!("{words}please ensure you are using the latest fdk and check the logs");
        assert_eq!((answer.status, answer.json()), (status, json!({ "message": message })), "{start}");
    }
    // Another image, and the next call is its.
    let missing = format!("{}/me/nothing:1", registry.address());
    change(json!({ "image": missing, "config": {"FN_TEST_START": ""} }));
    let answer = node.ask(&token, "POST", &invoke, b"{}");
    assert_eq!(answer.status, 404, "as the registry says: {}", answer.text());
    // Without a token, it is nobody's.
    let nobody = http::send(node.address("api"), "POST", &invoke, &[], b"{}").unwrap();
    assert!([401, 403, 404].contains(&nobody.status), "{}", nobody.text());
}

#[test]
fn a_detached_call_is_answered_before_it_has_ended() {
    let images = images!();
    let node = Node::with_operator_and(&[]);
    let project = Project::of_containers(&[("f", &images.archive("fn-test"), super::SMALL)]);
    node.done(project.path(), &["deploy"]);
    let token = node.token();
    let app = node.ask(&token, "GET", "/v2/apps?name=test", b"").json()["items"][0]["id"].clone();
    let path = format!("/invoke/{}.f", app.as_str().unwrap());
    let headers = [("authorization", &*format!("Bearer {token}")), ("fn-invoke-type", "detached")];
    // Longer than anybody would wait here.
    let wanted = json!({"logOut": "begun", "sleepTime": 25_000}).to_string();
    let answer = http::send(node.address("api"), "POST", &path, &headers, wanted.as_bytes()).unwrap();
    assert_eq!((answer.status, answer.body.len()), (202, 0), "{}", answer.text());
    assert!(answer.header("fn-call-id").is_some());
}
