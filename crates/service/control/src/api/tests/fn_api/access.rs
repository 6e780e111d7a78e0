//! Every request of Fn's API for everybody, as one table, and who learns what.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::super::world::{OPERATOR, Who, World};
use super::{app, deploy, made_fn, trigger};
use crate::access::{NodeRights, NodeRole, Role, TokenScope, TokenStacks};

const SOMEBODY: u8 = 3;

const COLUMNS: [(&str, Option<Role>, Option<NodeRole>); 8] = [
    ("nobody", None, None),
    ("stranger", None, None),
    ("member", None, Some(NodeRole::Member)),
    ("viewer", Some(Role::Viewer), None),
    ("invoker", Some(Role::Invoker), None),
    ("developer", Some(Role::Developer), None),
    ("admin", Some(Role::Admin), None),
    ("operator", None, Some(NodeRole::Operator)),
];

const REQUESTS: [(&str, &str); 20] = [
    ("GET /v2/apps", ""),
    ("POST /v2/apps", r#"{"name": "fresh"}"#),
    ("GET /v2/apps/{app}", ""),
    ("PUT /v2/apps/{app}", r#"{"config": {"A": "1"}}"#),
    ("DELETE /v2/apps/{app}", ""),
    ("GET /v2/fns?app_id={app}", ""),
    ("GET /v2/fns", ""),
    ("POST /v2/fns", r#"{"app_id": "{app}", "name": "new", "image": "me/x"}"#),
    ("GET /v2/fns/{fn}", ""),
    ("PUT /v2/fns/{fn}", r#"{"memory": 256}"#),
    ("DELETE /v2/fns/{fn}", ""),
    ("GET /v2/triggers?app_id={app}", ""),
    ("POST /v2/triggers", r#"{"app_id": "{app}", "fn_id": "{fn}", "name": "new", "type": "http", "source": "/new"}"#),
    ("GET /v2/triggers/{trigger}", ""),
    ("PUT /v2/triggers/{trigger}", r#"{"source": "/other"}"#),
    ("DELETE /v2/triggers/{trigger}", ""),
    ("POST /invoke/{app}.cart", ""),
    ("POST /invoke/{fn}", ""),
    ("GET /t/shop/t", ""),
    ("GET /v2/fns/00000000000000000000000000", ""),
];

async fn status(request: &str, body: &str, column: (&str, Option<Role>, Option<NodeRole>)) -> u16 {
    let (_, granted, node) = column;
    let world = World::new().await;
    let stack = deploy(&world, "shop").await;
    let app = stack.to_string();
    let made = made_fn(&world, &app, "img").await;
    let trigger = trigger(&world, &app, &made, "t", "/t").await;
    // Somebody whom the node does not know at all could not sign.
    let elsewhere = world.stack("elsewhere", &[]).await;
    world.grant(SOMEBODY, elsewhere, Role::Viewer).await;
    if let Some(role) = granted {
        world.grant(SOMEBODY, stack, role).await;
    }
    if let Some(role) = node {
        world.member(SOMEBODY, role).await;
    }
    let filled = |text: &str| text.replace("{app}", &app).replace("{fn}", &made).replace("{trigger}", &trigger);
    let (request, body) = (filled(request), filled(body));
    let (method, path) = request.split_once(' ').unwrap();
    let who = if column.0 == "nobody" { Who::Nobody } else { Who::Key(SOMEBODY) };
    let body = if body.is_empty() { Value::Null } else { serde_json::from_str(&body).unwrap() };
    let answer = world.ask(&who, method, path, &body).await;
    if answer.status.as_u16() >= 400 {
        let error = answer.json();
        assert!(error["message"].is_string() && error.as_object().unwrap().len() == 1, "{request}: {error}");
    }
    answer.status.as_u16()
}

#[tokio::test(start_paused = true)]
async fn the_matrix_of_fns_api() {
    let mut table = String::new();
    for (at, (who, ..)) in COLUMNS.iter().enumerate() {
        writeln!(table, "{:45}{}{who}", "", "|   ".repeat(at)).unwrap();
    }
    for (request, body) in REQUESTS {
        write!(table, "{request:44}").unwrap();
        for column in COLUMNS {
            write!(table, " {}", status(request, body, column).await).unwrap();
        }
        table.push('\n');
    }
    insta::assert_snapshot!(table);
}

#[tokio::test(start_paused = true)]
async fn a_token_sees_only_its_own_apps() {
    let world = World::new().await;
    let shop = deploy(&world, "shop").await;
    app(&world, "blog").await;
    let stacks = TokenStacks::Only([shop].into());
    let scope = TokenScope { stacks, role: Role::Viewer, node: NodeRights::Withheld };
    let token = world.token(OPERATOR, scope).await;
    for (path, expected) in
        [("/v2/apps", &["shop"][..]), ("/v2/apps?name=shop", &["shop"]), ("/v2/apps?name=blog", &[])]
    {
        let apps = world.ask(&token, "GET", path, &Value::Null).await.json();
        let names: Vec<&Value> = apps["items"].as_array().unwrap().iter().map(|item| &item["name"]).collect();
        assert_eq!(names, expected, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn writes_leave_audit_records_and_can_be_repeated() {
    let world = World::new().await;
    let (path, key) = ("/v2/apps", [("idempotency-key", "once")]);
    let body = json!({"name": "shop"});
    let first = world.ask_with(&Who::Key(OPERATOR), "POST", path, &key, &body).await;
    let again = world.ask_with(&Who::Key(OPERATOR), "POST", path, &key, &body).await;
    assert_eq!((first.status, first.json()), (again.status, again.json()));
    let wrong = json!({"name": "a b"});
    for _ in 0..2 {
        let key = [("idempotency-key", "wrong")];
        let refused = world.ask_with(&Who::Key(OPERATOR), "POST", path, &key, &wrong).await;
        assert_eq!((refused.status.as_u16(), refused.json()), (400, json!({"message": "Invalid app name"})));
    }
    let audit = world.ask(&Who::Key(OPERATOR), "GET", "/v1/audit", &Value::Null).await.json();
    let records = audit["items"].as_array().unwrap();
    let made = records.iter().filter(|record| record["action"] == "stack.create" && record["target"] == "shop");
    assert_eq!(made.count(), 1, "{audit:#}");
}
