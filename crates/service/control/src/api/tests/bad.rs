//! Requests that are refused, and change nothing.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
use serde_json::{Value, json};

use super::world::{OPERATOR, Who, World, parts};
use crate::access::signature::SignedBody;
use crate::access::{NodeRights, Role, TokenScope, TokenStacks};
use crate::catalog::ArtifactHash;
use crate::catalog::limits::ASKED_ARTIFACTS_MAX;

const BOSS: Who = Who::Key(OPERATOR);
const BODY: &[u8] = br#"{"name":"shop"}"#;

/// A request that makes a stack, signed as it should be.
fn signed(world: &World) -> Parts {
    let mut parts = parts("POST", "/v1/stacks", &[("content-type", "application/json")]);
    world.signer(OPERATOR).sign(&mut parts, SignedBody::Bytes(BODY)).unwrap();
    parts
}

fn set(parts: &mut Parts, name: &'static str, change: impl FnOnce(&str) -> String) {
    let value = change(parts.headers[name].to_str().unwrap());
    parts.headers.insert(name, value.parse().unwrap());
}

#[tokio::test(start_paused = true)]
async fn signatures_that_are_not_of_the_request_are_refused() {
    type Spoil = fn(&mut Parts, &mut Bytes);
    let spoiled: [(&str, Spoil, &str); 10] = [
        ("other method", |parts, _| parts.method = http::Method::GET, "bad_signature"),
        ("other path", |parts, _| parts.uri = "/v1/tokens".parse().unwrap(), "bad_signature"),
        ("with a query", |parts, _| parts.uri = "/v1/stacks?x=1".parse().unwrap(), "bad_signature"),
        ("other host", |parts, _| set(parts, "host", |_| "evil.example".into()), "wrong_authority"),
        ("other body", |_, body| *body = Bytes::from_static(br#"{"name":"prod"}"#), "wrong_body"),
        ("no body", |_, body| *body = Bytes::new(), "wrong_body"),
        ("cut signature", |parts, _| set(parts, "signature", |text| text[..text.len() / 2].into()), "bad_signature"),
        ("no signature", |parts, _| drop(parts.headers.remove("signature")), "bad_signature"),
        ("no input", |parts, _| drop(parts.headers.remove("signature-input")), "bad_signature"),
        ("cut input", |parts, _| set(parts, "signature-input", |text| text[..20].into()), "bad_signature"),
    ];
    let world = World::new().await;
    for (what, spoil, code) in spoiled {
        let (mut parts, mut body) = (signed(&world), Bytes::from_static(BODY));
        spoil(&mut parts, &mut body);
        let refused = world.pass(parts, body).await;
        assert_eq!((refused.status, refused.code()), (StatusCode::UNAUTHORIZED, code.into()), "{what}");
    }
    let stacks = world.ask(&BOSS, "GET", "/v1/stacks", &Value::Null).await;
    assert_eq!(stacks.json()["items"], json!([]), "nothing was made");
}

#[tokio::test(start_paused = true)]
async fn signatures_are_good_once_and_for_a_while() {
    let world = World::new().await;
    let (parts, late) = (signed(&world), signed(&world));
    assert_eq!(world.pass(parts.clone(), BODY.into()).await.status, StatusCode::CREATED);
    let again = world.pass(parts, BODY.into()).await;
    assert_eq!((again.status, again.code()), (StatusCode::UNAUTHORIZED, "replayed".into()));
    tokio::time::advance(Duration::from_secs(301)).await;
    let late = world.pass(late, BODY.into()).await;
    assert_eq!((late.status, late.code()), (StatusCode::UNAUTHORIZED, "clock_skew".into()));
    let stranger = world.ask(&Who::Key(77), "GET", "/v1/stacks", &Value::Null).await;
    assert_eq!((stranger.status, stranger.code()), (StatusCode::FORBIDDEN, "unknown_client".into()));
}

#[tokio::test(start_paused = true)]
async fn tokens_open_what_they_are_for_while_they_last() {
    let world = World::new().await;
    let shop = world.stack("shop", &["first"]).await;
    world.stack("other", &["first"]).await;
    let scope = TokenScope { stacks: TokenStacks::Only([shop].into()), role: Role::Viewer, node: NodeRights::Withheld };
    let token = world.token(OPERATOR, scope).await;
    let Who::Bearer(text) = &token else { unreachable!() };
    for (who, path, expected) in [
        (&token, "/v1/stacks/shop", (200, "")),
        (&token, "/v1/stacks/other", (404, "unknown_stack")),
        (&Who::Bearer(text[..text.len() - 1].to_owned()), "/v1/stacks/shop", (401, "")),
        (&Who::Bearer(format!("mu_{}", "A".repeat(43))), "/v1/stacks/shop", (401, "unknown_token")),
        (&Who::Bearer("x.y.z".to_owned()), "/v1/stacks/shop", (401, "")),
        (&Who::Bearer("x".repeat(20_000)), "/v1/stacks/shop", (401, "")),
    ] {
        let answer = world.ask(who, "GET", path, &Value::Null).await;
        assert_eq!(answer.status.as_u16(), expected.0, "{who:?} {path} {answer:?}");
        assert!(expected.1.is_empty() || answer.code() == expected.1, "{path} {answer:?}");
    }
    tokio::time::advance(Duration::from_secs(3_601)).await;
    let expired = world.ask(&token, "GET", "/v1/stacks/shop", &Value::Null).await;
    assert_eq!((expired.status, expired.code()), (StatusCode::UNAUTHORIZED, "expired_token".into()));
}

#[tokio::test(start_paused = true)]
async fn nobody_in_particular_learns_which_stacks_there_are() {
    let world = World::new().await;
    world.stack("shop", &["first"]).await;
    for path in ["/v1/stacks/shop", "/v1/stacks/other", "/v1/stacks/no-stack-has-this~name"] {
        let answer = world.ask(&Who::Nobody, "GET", path, &Value::Null).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::UNAUTHORIZED, "unauthenticated".into()), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_are_what_they_should_be() {
    let world = World::new().await;
    let json = [("content-type", "application/json")];
    for (headers, body, status, code) in [
        (&json[..], "{", 400, "invalid"),
        (&json, "[]", 400, "invalid"),
        (&json, r#"["shop"]"#, 400, "invalid"),
        (&json, r#"{"name": 1}"#, 400, "invalid"),
        (&json, r#"{"name": "a", "nmae": "b"}"#, 400, "invalid"),
        (&json, "", 400, "invalid"),
        (&[], r#"{"name": "shop"}"#, 415, "media_type"),
        (&json, r#"{"name": "no such name"}"#, 400, "invalid"),
    ] {
        let answer = world.send(&BOSS, "POST", "/v1/stacks", headers, body.into()).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (status, code.to_owned()), "{body}");
    }
    let large = Bytes::from(vec![b' '; (1 << 20) + 1]);
    let answer = world.send(&BOSS, "POST", "/v1/stacks", &json, large).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::PAYLOAD_TOO_LARGE, "too_large".into()));
    assert_eq!(answer.json()["details"]["limit_bytes"], 1 << 20);
    let hits = world.metric(r#"mu_limit_hits_total{limit="api.request_bytes_max"}"#);
    assert_eq!(hits.as_deref(), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn uploads_go_on_where_they_were_and_are_what_they_say() {
    let world = World::new().await;
    world.stack("shop", &[]).await;
    let content = vec![7_u8; 3 << 20];
    let order = json!({"hash": ArtifactHash::of(&content).to_string(), "bytes": content.len()});
    let begun = world.ask(&BOSS, "POST", "/v1/stacks/shop/uploads", &order).await.json();
    assert_eq!((&begun["offset"], &begun["piece_bytes_max"]), (&json!(0), &json!(8 << 20)));
    let path = format!("/v1/stacks/shop/uploads/{}", begun["id"].as_str().unwrap());
    let send = async |offset: usize, bytes: &[u8]| {
        let headers = [("upload-offset", &*offset.to_string())];
        world.send(&BOSS, "PATCH", &path, &headers, Bytes::copy_from_slice(bytes)).await
    };
    let half = send(0, &content[..2 << 20]).await;
    assert_eq!((half.status, &half.json()["offset"]), (StatusCode::OK, &json!(2 << 20)));
    let again = send(0, &content[..2 << 20]).await;
    assert_eq!((again.status, again.code()), (StatusCode::CONFLICT, "wrong_offset".into()));
    assert_eq!(again.json()["details"]["offset"], 2 << 20);
    let too_much = send(2 << 20, &[0; (8 << 20) + 1]).await;
    assert_eq!((too_much.status, too_much.code()), (StatusCode::PAYLOAD_TOO_LARGE, "too_large".into()));
    let wrong = send(2 << 20, &vec![8; 1 << 20]).await;
    assert_eq!((wrong.status, wrong.code()), (StatusCode::BAD_REQUEST, "hash_mismatch".into()));
    let gone = send(0, &content).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND, "{gone:?}");
    let order = json!({"hash": ArtifactHash::of(&content).to_string(), "bytes": u64::MAX});
    let huge = world.ask(&BOSS, "POST", "/v1/stacks/shop/uploads", &order).await;
    assert_eq!((huge.status, huge.code()), (StatusCode::PAYLOAD_TOO_LARGE, "too_large".into()));
    // A piece has a size that nobody sets.
    for (limit, hits) in [("api.upload_bytes_max", "1"), ("api.request_bytes_max", "0")] {
        let line = format!(r#"mu_limit_hits_total{{limit="{limit}"}}"#);
        assert_eq!(world.metric(&line).as_deref(), Some(hits), "{limit}");
    }
}

#[tokio::test(start_paused = true)]
async fn paths_and_methods_that_are_not_there_say_so() {
    let world = World::new().await;
    for (method, path, status) in [
        ("GET", "/", 404),
        ("GET", "/v1", 404),
        ("GET", "/v1/stacks/", 404),
        ("GET", "/v1/stacks/%ff", 400),
        ("PUT", "/v1/stacks", 405),
        ("GET", "/v1/stacks?limit=0", 400),
        ("GET", "/v1/stacks?limit=101", 400),
        ("GET", "/v1/stacks?cursor=%00", 400),
        ("GET", "/v1/stacks?nonsense=1", 400),
        ("GET", "/v1/stacks/%2e%2e", 404),
    ] {
        let answer = world.ask(&BOSS, method, path, &Value::Null).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path} {answer:?}");
        assert!(!answer.code().is_empty(), "{method} {path} {answer:?}");
    }
    let count = |outcome| world.metric(&format!(r#"mu_api_request_duration_seconds_count{{outcome="{outcome}"}}"#));
    let requests: u64 = count("client_error").unwrap().parse().unwrap();
    assert!(requests >= 10, "those that lead nowhere are counted as well: {requests}");
    assert_eq!(world.ask(&Who::Nobody, "GET", "/v1/node", &Value::Null).await.status, StatusCode::OK);
    assert_eq!(count("ok").as_deref(), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn a_question_is_about_so_many_artifacts() {
    let world = World::new().await;
    world.stack("shop", &[]).await;
    for (count, expected) in [(ASKED_ARTIFACTS_MAX, StatusCode::OK), (ASKED_ARTIFACTS_MAX + 1, StatusCode::BAD_REQUEST)]
    {
        let hashes = vec![ArtifactHash::of(b"code").to_string(); count];
        let answer = world.ask(&BOSS, "POST", "/v1/stacks/shop/artifacts/missing", &json!({"hashes": hashes})).await;
        assert_eq!(answer.status, expected, "{answer:?}");
    }
}
