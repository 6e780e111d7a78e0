//! Requests that change something.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde_json::{Value, json};

use super::world::{BROKEN, OPERATOR, Who, World, stack};
use crate::catalog::ArtifactHash;

const BOSS: Who = Who::Key(OPERATOR);

fn version(message: &str, activate: bool) -> Value {
    let proto = STANDARD.encode(stack("shop").to_proto_bytes().unwrap());
    json!({"stack": proto, "artifacts": {}, "message": message, "activate": activate})
}

#[tokio::test(start_paused = true)]
async fn a_version_that_cannot_run_is_never_served() {
    let world = World::new().await;
    world.stack("shop", &["first"]).await;
    let refused = world.ask(&BOSS, "POST", "/v1/stacks/shop/versions", &version(BROKEN, true)).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::UNPROCESSABLE_ENTITY, "not_loadable".into()));
    assert_eq!(world.region.told(), ["prepare v2"]);
    let routing = world.ask(&BOSS, "GET", "/v1/stacks/shop/routing", &Value::Null).await.json();
    assert_eq!(routing["weights"], json!([{"version": 1, "weight": 100}]));
    let to_broken = json!({"weights": [{"version": 2, "weight": 100}]});
    let refused = world.ask(&BOSS, "PUT", "/v1/stacks/shop/routing", &to_broken).await;
    assert!(refused.status.is_client_error(), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_loaded_any_more_is_not_routed() {
    let world = World::new().await;
    world.stack("shop", &[BROKEN, "second"]).await;
    for (method, path, body) in [
        ("PUT", "/v1/stacks/shop/routing", json!({"weights": [{"version": 1, "weight": 100}]})),
        ("POST", "/v1/stacks/shop/rollback", json!({})),
        ("POST", "/v1/stacks/shop/rollback", json!({"to": 1})),
    ] {
        let refused = world.ask(&BOSS, method, path, &body).await;
        assert_eq!(refused.code(), "not_loadable", "{path} {body}");
        assert_eq!(world.region.told(), ["prepare v1"], "{path} {body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_beside_the_routing_loads_anew() {
    let world = World::new().await;
    world.stack("shop", &["first"]).await;
    for (method, path, body, told) in [
        ("PUT", "secrets/KEY", json!({"value": "a"}), "reload v1=100"),
        ("PATCH", "config", json!({"config": {"A": "1"}}), "reload v1=100"),
    ] {
        let answer = world.ask(&BOSS, method, &format!("/v1/stacks/shop/{path}"), &body).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert_eq!(world.region.told(), [told], "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_with_a_key_is_carried_out_once() {
    let world = World::new().await;
    let key = [("idempotency-key", "k1")];
    let first = world.ask_with(&BOSS, "POST", "/v1/stacks", &key, &json!({"name": "shop"})).await;
    let again = world.ask_with(&BOSS, "POST", "/v1/stacks", &key, &json!({"name": "shop"})).await;
    assert_eq!((first.status, again.status), (StatusCode::CREATED, StatusCode::CREATED));
    assert_eq!((&first.body, again.headers["idempotent-replayed"].as_bytes()), (&again.body, &b"true"[..]));
    let other = world.ask_with(&BOSS, "POST", "/v1/stacks", &key, &json!({"name": "other"})).await;
    assert_eq!((other.status, other.code()), (StatusCode::CONFLICT, "idempotency_key_reused".into()));
}

#[tokio::test(start_paused = true)]
async fn a_secret_is_answered_once() {
    let world = World::new().await;
    let key = [("idempotency-key", "k1")];
    let order = json!({"name": "ci", "role": "viewer", "stacks": null, "expires_in_s": 60});
    let first = world.ask_with(&BOSS, "POST", "/v1/tokens", &key, &order).await;
    assert!(first.json()["secret"].as_str().unwrap().starts_with("mu_"), "{first:?}");
    let again = world.ask_with(&BOSS, "POST", "/v1/tokens", &key, &order).await;
    assert_eq!((again.status, again.code()), (StatusCode::CONFLICT, "shown_once".into()));
    let tokens = world.ask(&BOSS, "GET", "/v1/tokens", &Value::Null).await;
    assert_eq!(tokens.json()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_of_a_handler_is_what_was_asked_for() {
    let world = World::new().await;
    world.stack("shop", &["first"]).await;
    let path = "/v1/stacks/shop/invoke/cart.show?mu-method=GET&mu-path-param=id%3Da+b&q=1";
    let answer = world.ask(&BOSS, "POST", path, &Value::Null).await;
    assert_eq!(answer.body, "GET /?q=1 cart.show [(\"id\", \"a b\")]");
}

/// Actions, targets and outcomes of the audit log, sorted.
async fn records(world: &World) -> Vec<String> {
    let audit = world.ask(&BOSS, "GET", "/v1/audit", &Value::Null).await.json();
    let mut lines: Vec<String> = Vec::new();
    for item in audit["items"].as_array().unwrap() {
        lines.push(format!("{} {} {}", item["action"], item["target"], item["outcome"]));
        assert_eq!(item["principal"], super::world::principal(OPERATOR).to_string());
    }
    lines.sort();
    lines
}

#[tokio::test(start_paused = true)]
async fn every_write_leaves_a_record_of_how_it_ended() {
    let world = World::new().await;
    let made = world.ask(&BOSS, "POST", "/v1/stacks", &json!({"name": "shop"})).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let _ = world.ask(&BOSS, "POST", "/v1/stacks", &json!({"name": "shop"})).await;
    let _ = world.ask(&BOSS, "DELETE", "/v1/stacks/unknown", &Value::Null).await;
    assert_eq!(
        records(&world).await,
        [
            r#""stack.create" "shop" "done""#,
            r#""stack.create" null "failed: name_taken""#,
            r#""stack.delete" null "failed: unknown_stack""#,
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_upload_leaves_a_record_of_its_beginning_and_none_of_its_pieces() {
    let world = World::new().await;
    world.stack("shop", &[]).await;
    let uploads = "/v1/stacks/shop/uploads";
    let hashes = ["code", "more"].map(|content| ArtifactHash::of(content.as_bytes()).to_string());
    let asked = world.ask(&BOSS, "POST", "/v1/stacks/shop/artifacts/missing", &json!({"hashes": hashes})).await;
    assert_eq!(asked.json()["missing"], json!(hashes));
    let mut ids = Vec::new();
    for hash in &hashes {
        let begun = world.ask(&BOSS, "POST", uploads, &json!({"hash": hash, "bytes": 4})).await;
        ids.push(begun.json()["id"].as_str().unwrap().to_owned());
    }
    for (offset, piece) in [("0", "co"), ("1", "x"), ("2", "de")] {
        let path = format!("{uploads}/{}", ids[0]);
        let answer = world.send(&BOSS, "PATCH", &path, &[("upload-offset", offset)], piece.into()).await;
        assert_eq!(answer.status.is_success(), offset != "1", "{answer:?}");
    }
    let given_up = world.ask(&BOSS, "DELETE", &format!("{uploads}/{}", ids[1]), &Value::Null).await;
    assert_eq!(given_up.status, StatusCode::NO_CONTENT);
    let mut expected = [&hashes[0], &hashes[1], &ids[1]].map(|target| format!(r#""stack.deploy" "{target}" "done""#));
    expected.sort();
    assert_eq!(records(&world).await, expected);
}
