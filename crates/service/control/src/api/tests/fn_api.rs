//! Project Fn's API from outside: what its command line sends, what is refused and in which words, and who may do what.

mod access;
mod commands;
mod deployed;
mod lists;
mod texts;

use mu_stack::{Stack, StackId};
use serde_json::{Value, json};

use super::world::{OPERATOR, Who, World, principal};
use crate::catalog::{ArtifactHash, NewVersion};

const BOSS: Who = Who::Key(OPERATOR);

/// A stack with functions, and a route to each of their handlers: `cart` has one, `misc` has two, `lone` has none.
async fn deploy(world: &World, name: &str) -> StackId {
    let id = world.stack(name, &[]).await;
    deploy_to(world, &id, name).await;
    id
}

async fn deploy_to(world: &World, id: &StackId, name: &str) {
    let yaml = format!(
        "
name: {name}
version: '1'
services:
  - {{type: Function, name: cart, binary: none, env: {{A: '1'}}, memory_limit: 64 MiB, timeout: 1500ms}}
  - {{type: Function, name: misc, binary: none}}
  - {{type: Function, name: lone, binary: none}}
  - {{type: Gateway, name: api, endpoints: {{/: {{get: cart.show, put: cart.show}}, /a: {{get: misc.a}}, /b: {{get: misc.b}}}}}}
"
    );
    let stack = Stack::parse_yaml("stack.yaml", yaml.as_bytes()).unwrap_or_else(|report| panic!("{report}"));
    let boss = principal(OPERATOR).to_string();
    let (control, hash) = (&world.control, ArtifactHash::of(b"code"));
    let upload = control.artifacts.create_upload(&boss, hash, Some(4)).await.unwrap();
    let code = futures_util::stream::iter([Ok::<_, String>(bytes::Bytes::from_static(b"code"))]);
    control.artifacts.append(&boss, upload.id, 0, code).await.unwrap();
    control.artifacts.finish_upload(&boss, upload.id).await.unwrap();
    let artifacts = stack.functions().map(|function| (function.name.clone(), hash)).collect();
    let new = NewVersion { stack, artifacts, manifest: None, message: String::new(), by: boss };
    let number = control.catalog.begin_version(id, new).await.unwrap().version.record.number;
    control.catalog.version_prepared(id, number).await.unwrap();
    control.catalog.activate(id, number, None, "k_test", "deployed").await.unwrap();
}

/// Asks as the operator; the status and the JSON of the answer.
async fn ask(world: &World, request: &str, body: &Value) -> (u16, Value) {
    let (method, path) = request.split_once(' ').unwrap();
    let answer = world.ask(&BOSS, method, path, body).await;
    (answer.status.as_u16(), answer.json())
}

/// The same for what is to succeed.
async fn done(world: &World, request: &str, body: Value) -> Value {
    let (status, answer) = ask(world, request, &body).await;
    assert!(status < 300, "{request}: {status} {answer}");
    answer
}

fn id(answer: &Value) -> &str {
    answer["id"].as_str().unwrap()
}

async fn app(world: &World, name: &str) -> String {
    id(&done(world, "POST /v2/apps", json!({"name": name})).await).to_owned()
}

async fn made_fn(world: &World, app: &str, name: &str) -> String {
    let body = json!({"name": name, "app_id": app, "image": "me/x:1"});
    id(&done(world, "POST /v2/fns", body).await).to_owned()
}

async fn trigger(world: &World, app: &str, of: &str, name: &str, source: &str) -> String {
    let body = json!({"name": name, "app_id": app, "fn_id": of, "type": "http", "source": source});
    id(&done(world, "POST /v2/triggers", body).await).to_owned()
}
