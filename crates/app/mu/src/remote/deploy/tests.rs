//! A deploy to a server of a few lines.

use std::sync::{Arc, Mutex};

use mu_control::catalog::ArtifactHash;

use super::*;
use crate::client::Credentials;
use crate::client::stand_in::{Asked, Reply, StandIn};

const MANIFEST: &str = "\
name: shop
version: 1.0.0
services:
  - type: Function
    name: cart
    module: cart.wasm
  - type: Gateway
    name: api
    endpoints:
      /items/{id}:
        get: cart.show
        delete: cart.drop
";

fn manifest() -> Manifest {
    Manifest::parse("mu.yaml", MANIFEST.as_bytes()).unwrap()
}

fn module(bytes: usize) -> Module {
    let bytes: Vec<u8> = (0..bytes).map(|at| u8::try_from(at % 251).unwrap()).collect();
    Module { function: "cart".to_owned(), hash: ArtifactHash::of(&bytes), bytes }
}

fn arguments() -> Arguments {
    parsed(&["--message", "first"])
}

fn parsed(arguments: &[&str]) -> Arguments {
    #[derive(clap::Parser)]
    struct Only {
        #[command(flatten)]
        arguments: Arguments,
    }
    <Only as clap::Parser>::parse_from([&["deploy"], arguments].concat()).arguments
}

fn deploy(server: &StandIn, modules: &[Module], arguments: &Arguments) -> Result<Deployed, Failure> {
    let (client, manifest) = (server.client(Credentials::None), manifest());
    Deploy { client: &client, manifest: &manifest, text: MANIFEST, modules }.run("shop", arguments)
}

fn stack(weights: &Value) -> Value {
    let gateways = json!([{"name": "api", "url": "https://mu.example.com/shop/api"}]);
    json!({"stack": {"name": "shop", "routing": weights}, "latest_version": null, "gateways": gateways})
}

/// A node without the stack, on which uploads go as they should.
fn node(asked: &Asked, has_stack: bool) -> Reply {
    match asked.line().as_str() {
        "GET /v1/stacks/shop" if !has_stack => Reply::error(404, "unknown_stack", &json!({})),
        "GET /v1/stacks/shop" => Reply::json(200, &stack(&json!([{"version": 1, "weight": 100}]))),
        "POST /v1/stacks" => Reply::json(201, &json!({"name": "shop"})),
        "POST /v1/stacks/shop/artifacts/missing" => Reply::json(200, &json!({"missing": asked.json()["hashes"]})),
        "POST /v1/stacks/shop/uploads" => {
            Reply::json(201, &json!({"id": "u1", "hash": "", "offset": 0, "bytes": null, "complete": false}))
        }
        "POST /v1/stacks/shop/versions" => Reply::json(201, &json!({"number": 1, "state": "ready"})),
        "PUT /v1/stacks/shop/routing" => Reply::json(200, &json!({})),
        other => panic!("nobody expects {other}"),
    }
}

/// Takes pieces as a node does.
#[derive(Clone, Default)]
struct Received(Arc<Mutex<Vec<u8>>>);

impl Received {
    fn take(&self, asked: &Asked, size: usize) -> Reply {
        let mut bytes = self.0.lock().unwrap();
        if asked.headers["upload-offset"] != bytes.len().to_string() {
            return Reply::error(409, "wrong_offset", &json!({"offset": bytes.len()}));
        }
        bytes.extend(&asked.body);
        Reply::json(200, &json!({"id": "u1", "offset": bytes.len(), "complete": bytes.len() == size}))
    }
}

#[test]
fn a_first_deploy_makes_the_stack_and_sends_everything() {
    let (received, is_made, size) = (Received::default(), Arc::new(Mutex::new(false)), 5 << 19);
    let (bytes, made) = (received.clone(), Arc::clone(&is_made));
    let server = StandIn::start(move |_, asked| {
        let mut made = made.lock().unwrap();
        *made |= asked.line() == "POST /v1/stacks";
        if asked.method == "PATCH" { bytes.take(asked, size) } else { node(asked, *made) }
    });
    let modules = [module(size)];
    let deployed = deploy(&server, &modules, &arguments()).unwrap();
    assert_eq!(
        server.lines(),
        [
            "GET /v1/stacks/shop",
            "POST /v1/stacks",
            "POST /v1/stacks/shop/artifacts/missing",
            "POST /v1/stacks/shop/uploads",
            "PATCH /v1/stacks/shop/uploads/u1",
            "PATCH /v1/stacks/shop/uploads/u1",
            "PATCH /v1/stacks/shop/uploads/u1",
            "POST /v1/stacks/shop/versions",
            "GET /v1/stacks/shop",
        ]
    );
    assert_eq!(*received.0.lock().unwrap(), modules[0].bytes);
    let order = server.asked()[7].json();
    assert_eq!(
        (&order["activate"], &order["message"], &order["manifest"]),
        (&json!(true), &json!("first"), &json!(MANIFEST))
    );
    assert_eq!(order["artifacts"], json!({"cart": modules[0].hash.to_string()}));
    let proto = BASE64_STANDARD.decode(order["stack"].as_str().unwrap()).unwrap();
    assert_eq!(mu_stack::Stack::from_proto_bytes(&proto).unwrap().name().as_str(), "shop");
    let lines: Vec<String> = deployed.routes.iter().map(RouteUrl::line).collect();
    assert_eq!(
        lines,
        [
            "GET     curl 'https://mu.example.com/shop/api/items/id'",
            "DELETE  curl -X DELETE 'https://mu.example.com/shop/api/items/id'",
        ]
    );
}

#[test]
fn what_the_node_has_is_not_sent_and_a_rollout_begins_after_the_version_is_made() {
    let server = StandIn::start(|_, asked| match asked.line().as_str() {
        "POST /v1/stacks/shop/artifacts/missing" => Reply::json(200, &json!({"missing": []})),
        "POST /v1/stacks/shop/versions" => Reply::json(201, &json!({"number": 2})),
        _ => node(asked, true),
    });
    let arguments = parsed(&["--auto", "--p95-factor", "2"]);
    assert_eq!(deploy(&server, &[module(10)], &arguments).unwrap().number.to_string(), "v2");
    let asked = server.asked();
    assert_eq!(asked[2].json()["activate"], json!(false));
    assert_eq!(asked[3].line(), "PUT /v1/stacks/shop/routing");
    assert_eq!(asked[3].json(), json!({"weights": [{"version": 2, "weight": 100}], "auto": {"p95_factor": 2.0}}));
}

#[test]
fn a_stack_that_is_gone_but_for_its_data_is_made_again() {
    let server = StandIn::start(|number, asked| match asked.line().as_str() {
        "GET /v1/stacks/shop" if number == 0 => {
            Reply::json(200, &json!({"stack": {"name": "shop", "state": "kept", "routing": []}}))
        }
        "POST /v1/stacks/shop/artifacts/missing" => Reply::json(200, &json!({"missing": []})),
        _ => node(asked, true),
    });
    deploy(&server, &[module(10)], &arguments()).unwrap();
    assert_eq!(server.lines()[..2], ["GET /v1/stacks/shop", "POST /v1/stacks"]);
    assert_eq!(server.asked()[1].json(), json!({"name": "shop"}));
}

#[test]
fn an_upload_goes_on_where_it_was() {
    let (received, size) = (Received::default(), 3 << 20);
    received.0.lock().unwrap().extend(&module(size).bytes[..100_000]);
    let bytes = received.clone();
    let state = received.clone();
    let server = StandIn::start(move |number, asked| match asked.method.as_str() {
        "POST" => Reply::json(201, &json!({"id": "u1", "offset": state.0.lock().unwrap().len()})),
        // The piece arrives, and the answer does not.
        "PATCH" if number == 1 => {
            bytes.take(asked, size);
            Reply::HangUp
        }
        // Somebody else uploads the same, and is ahead.
        "PATCH" if number == 3 => {
            bytes.0.lock().unwrap().push(module(size).bytes[100_000 + (1 << 20)]);
            bytes.take(asked, size)
        }
        _ => bytes.take(asked, size),
    });
    upload::upload(&server.client(Credentials::None), "shop", &module(size)).unwrap();
    assert!(*received.0.lock().unwrap() == module(size).bytes);
}

#[test]
fn pieces_become_smaller_for_a_node_that_takes_less() {
    let refuse = || Reply::error(413, "too_large", &json!({"limit_bytes": 1 << 18}));
    // The second node hangs up before it has read all, so that nobody reads its answer.
    for refusal in [refuse(), Reply::HangUp] {
        let (received, size) = (Received::default(), 1 << 20);
        let bytes = received.clone();
        let server = StandIn::start(move |_, asked| match asked.method.as_str() {
            "PATCH" if asked.body.len() > 1 << 18 => refusal.clone(),
            "PATCH" => bytes.take(asked, size),
            _ => Reply::json(201, &json!({"id": "u1", "offset": bytes.0.lock().unwrap().len()})),
        });
        upload::upload(&server.client(Credentials::None), "shop", &module(size)).unwrap();
        assert!(*received.0.lock().unwrap() == module(size).bytes);
    }
}

#[test]
fn a_node_may_say_how_much_it_takes_at_once() {
    let (received, size) = (Received::default(), 8 << 20);
    let bytes = received.clone();
    let server = StandIn::start(move |_, asked| match asked.method.as_str() {
        "PATCH" => bytes.take(asked, size),
        _ => Reply::json(201, &json!({"id": "u1", "offset": 0, "piece_bytes_max": 64 << 20})),
    });
    upload::upload(&server.client(Credentials::None), "shop", &module(size)).unwrap();
    let sizes: Vec<usize> = server.asked().iter().skip(1).map(|asked| asked.body.len()).collect();
    assert_eq!(sizes, [4 << 20, 4 << 20]);
}

#[test]
fn an_upload_that_goes_in_circles_is_given_up() {
    let server = StandIn::start(|_, asked| match asked.method.as_str() {
        "PATCH" => Reply::error(409, "wrong_offset", &json!({"offset": 5})),
        _ => node(asked, true),
    });
    let failure = upload::upload(&server.client(Credentials::None), "shop", &module(10)).unwrap_err();
    assert_eq!(failure.cause(), Cause::Conflict);
}

#[test]
fn code_that_cannot_run_is_the_author_s_to_mend() {
    let server = StandIn::start(|_, asked| match asked.line().as_str() {
        "POST /v1/stacks/shop/artifacts/missing" => Reply::json(200, &json!({"missing": []})),
        "POST /v1/stacks/shop/versions" => Reply::error(422, "not_loadable", &json!({"version": 2})),
        _ => node(asked, true),
    });
    let failure = deploy(&server, &[module(10)], &arguments()).err().unwrap();
    assert_eq!(failure.cause(), Cause::Build);
}
