//! Every endpoint for everybody, as one table.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mu_stack::StackId;
use serde_json::{Value, json};

use super::world::{OPERATOR, Who, World, principal, stack};
use crate::access::{NodeRights, NodeRole, Role, TokenScope, TokenStacks};

const SOMEBODY: u8 = 3;
const HASH: &str = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";

/// A column: who asks, by which credentials, and what they were given before.
struct Column {
    who: &'static str,
    granted: Option<Role>,
    node: Option<NodeRole>,
    credentials: Credentials,
}

enum Credentials {
    None,
    Key,
    /// A token up to this role, for this stack or for another one.
    Token(Role, OnStack),
}

enum OnStack {
    This,
    Other,
}

fn columns() -> Vec<Column> {
    use Credentials::{Key, Token};
    let column = |who, granted, node, credentials| Column { who, granted, node, credentials };
    vec![
        column("nobody", None, None, Credentials::None),
        column("stranger", None, None, Key),
        column("viewer", Some(Role::Viewer), None, Key),
        column("invoker", Some(Role::Invoker), None, Key),
        column("developer", Some(Role::Developer), None, Key),
        column("admin", Some(Role::Admin), None, Key),
        column("member", None, Some(NodeRole::Member), Key),
        column("operator", None, Some(NodeRole::Operator), Key),
        column("admin's token, viewer", Some(Role::Admin), None, Token(Role::Viewer, OnStack::This)),
        column("admin's token, admin", Some(Role::Admin), None, Token(Role::Admin, OnStack::This)),
        column("admin's token, other stack", Some(Role::Admin), None, Token(Role::Admin, OnStack::Other)),
        column("viewer's token, admin", Some(Role::Viewer), None, Token(Role::Admin, OnStack::This)),
    ]
}

/// What is sent to an endpoint: something that it takes, so that nothing but permission is missing.
fn request(operation: &str) -> (String, Value) {
    let other = principal(8);
    let shop = "/v1/stacks/shop";
    let (path, body) = match operation {
        "GET /v1/node" | "GET /v1/me" | "GET /v1/members" | "GET /v1/stacks" | "GET /v1/tokens" | "GET /v1/audit" => {
            (operation[4..].to_owned(), Value::Null)
        }
        "POST /v1/node/operator" => ("/v1/node/operator".into(), json!({"principal": other.to_string()})),
        "PUT /v1/members/{principal}" => (format!("/v1/members/{other}"), json!({"role": "member"})),
        "DELETE /v1/members/{principal}" => (format!("/v1/members/{other}"), Value::Null),
        "POST /v1/tokens" => {
            ("/v1/tokens".into(), json!({"name": "t", "role": "viewer", "stacks": null, "expires_in_s": 60}))
        }
        "DELETE /v1/tokens/{id}" => ("/v1/tokens/{token}".into(), Value::Null),
        "POST /v1/stacks" => ("/v1/stacks".into(), json!({"name": "fresh"})),
        "POST /v1/stacks/{stack}/artifacts/missing" => (format!("{shop}/artifacts/missing"), json!({"hashes": []})),
        "POST /v1/stacks/{stack}/uploads" => (format!("{shop}/uploads"), json!({"hash": HASH, "bytes": 7})),
        "GET /v1/stacks/{stack}/uploads/{id}"
        | "PATCH /v1/stacks/{stack}/uploads/{id}"
        | "DELETE /v1/stacks/{stack}/uploads/{id}" => (format!("{shop}/uploads/{{upload}}"), Value::Null),
        "POST /v1/stacks/{stack}/versions" => {
            let proto = STANDARD.encode(stack("shop").to_proto_bytes().unwrap());
            (format!("{shop}/versions"), json!({"stack": proto, "artifacts": {}, "activate": true}))
        }
        "GET /v1/stacks/{stack}/versions/{number}" => (format!("{shop}/versions/1"), Value::Null),
        "GET /v1/stacks/{stack}/diff" => (format!("{shop}/diff?from=1&to=2"), Value::Null),
        "PUT /v1/stacks/{stack}/routing" => {
            (format!("{shop}/routing"), json!({"weights": [{"version": 1, "weight": 100}]}))
        }
        "PUT /v1/stacks/{stack}/quota" => (format!("{shop}/quota"), json!({"box_bytes": 5})),
        "GET /v1/members/{principal}/quota" => (format!("/v1/members/{other}/quota"), Value::Null),
        "PUT /v1/members/{principal}/quota" => (format!("/v1/members/{other}/quota"), json!({"box_bytes": 5})),
        "POST /v1/stacks/{stack}/rollback" => (format!("{shop}/rollback"), json!({})),
        "PATCH /v1/stacks/{stack}/config" => (format!("{shop}/config"), json!({"config": {"A": "1"}})),
        "PUT /v1/stacks/{stack}/secrets/{name}" => (format!("{shop}/secrets/KEY"), json!({"value": "v"})),
        "DELETE /v1/stacks/{stack}/secrets/{name}" => (format!("{shop}/secrets/KEY"), Value::Null),
        "POST /v1/stacks/{stack}/secrets/rotate" => (format!("{shop}/secrets/rotate"), Value::Null),
        "PUT /v1/stacks/{stack}/grants/{principal}" => (format!("{shop}/grants/{other}"), json!({"role": "viewer"})),
        "DELETE /v1/stacks/{stack}/grants/{principal}" => (format!("{shop}/grants/{other}"), Value::Null),
        "POST /v1/stacks/{stack}/domains" => (format!("{shop}/domains"), json!({"host": "b.example"})),
        "POST /v1/stacks/{stack}/domains/{host}/verify" => (format!("{shop}/domains/a.example/verify"), Value::Null),
        "DELETE /v1/stacks/{stack}/domains/{host}" => (format!("{shop}/domains/a.example"), Value::Null),
        "POST /v1/stacks/{stack}/invoke/{handler}" => (format!("{shop}/invoke/cart.show"), Value::Null),
        "GET /v1/stacks/{stack}" | "DELETE /v1/stacks/{stack}" => (shop.into(), Value::Null),
        of_stack if of_stack.starts_with("GET /v1/stacks/{stack}/") => {
            (of_stack[4..].replace("{stack}", "shop"), Value::Null)
        }
        unknown => panic!("{unknown} has no line in this test: add one"),
    };
    assert!(!path.contains("{stack}"), "{operation} has no line in this test: add one");
    (path, body)
}

/// Everything there is: a stack with a domain, a token, an upload and so on of whoever asks.
async fn ask(column: &Column, operation: &str) -> u16 {
    let world = World::new().await;
    let shop: StackId = world.stack("shop", &["first", "second"]).await;
    let other = world.stack("other", &[]).await;
    if let Some(role) = column.granted {
        world.grant(SOMEBODY, shop, role).await;
        world.grant(SOMEBODY, other, role).await;
    }
    if let Some(role) = column.node {
        world.member(SOMEBODY, role).await;
    }
    world.grant(8, shop, Role::Viewer).await;
    world.grant(OPERATOR, shop, Role::Admin).await;
    world.member(8, NodeRole::Member).await;
    let set = world.ask(&Who::Key(OPERATOR), "PUT", "/v1/stacks/shop/secrets/KEY", &json!({"value": "v"})).await;
    assert_eq!(set.status, 200, "{set:?}");
    let domain = world.control.domains.claim(&shop, &"a.example".parse().unwrap(), None, "k_test").await.unwrap();
    let challenge = domain.challenge().unwrap();
    world.prover.set_dns(&challenge.record_name(), &[&challenge.proof()]);
    let somebodys = world.control.access.tokens();
    let all = TokenScope { stacks: TokenStacks::All, role: Role::Admin, node: NodeRights::Passed };
    world.token(SOMEBODY, all).await;
    let token = somebodys.list(None, 1).await.unwrap().items[0].id;
    let hash = HASH.parse().unwrap();
    let upload = world.control.artifacts.create_upload(&principal(SOMEBODY).to_string(), hash, Some(7)).await.unwrap();

    let who = match &column.credentials {
        Credentials::None => Who::Nobody,
        Credentials::Key => Who::Key(SOMEBODY),
        Credentials::Token(role, on) => {
            let stack = if let OnStack::This = on { shop } else { other };
            let stacks = TokenStacks::Only(BTreeSet::from([stack]));
            world.token(SOMEBODY, TokenScope { stacks, role: *role, node: NodeRights::Passed }).await
        }
    };
    let (method, _) = operation.split_once(' ').unwrap();
    let (path, body) = request(operation);
    let path = path.replace("{token}", &token.to_string()).replace("{upload}", &upload.id.to_string());
    let headers: &[(&str, &str)] = if method == "PATCH" { &[("upload-offset", "0")] } else { &[] };
    world.ask_with(&who, method, &path, headers, &body).await.status.as_u16()
}

#[tokio::test(start_paused = true)]
async fn the_matrix_of_endpoints() {
    let document: Value = serde_json::from_str(&crate::api::document::text()).unwrap();
    let columns = columns();
    let mut table = String::new();
    for (at, column) in columns.iter().enumerate() {
        writeln!(table, "{:50}{}{}", "", "|   ".repeat(at), column.who).unwrap();
    }
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let operation = format!("{} {path}", method.to_uppercase());
            write!(table, "{operation:49}").unwrap();
            for column in &columns {
                write!(table, " {}", ask(column, &operation).await).unwrap();
            }
            table.push('\n');
        }
    }
    insta::assert_snapshot!(table);
}
