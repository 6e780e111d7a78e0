//! What `mu deploy` has put on a node, seen and called through Fn's API.

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::world::{OPERATOR, Who, World};
use super::{BOSS, ask, deploy, deploy_to, done, made_fn, trigger};

#[tokio::test(start_paused = true)]
async fn a_stack_is_an_app_and_its_functions_are_fns() {
    let world = World::new().await;
    let shop = deploy(&world, "shop").await;
    let apps = done(&world, "GET /v2/apps?name=shop", Value::Null).await;
    assert_eq!(apps["items"][0]["id"], shop.to_string());
    let fns = done(&world, &format!("GET /v2/fns?app_id={shop}"), Value::Null).await;
    let names: Vec<&Value> = fns["items"].as_array().unwrap().iter().map(|item| &item["name"]).collect();
    assert_eq!(names, ["cart", "lone", "misc"]);
    let expected = json!({
        "id": format!("{shop}.cart"),
        "name": "cart",
        "app_id": shop.to_string(),
        "image": "",
        "memory": 64,
        "timeout": 2,
        "config": {"A": "1"},
        "annotations": {
            "fnproject.io/fn/invokeEndpoint": format!("http://mu.example:12081/invoke/{shop}.cart"),
            "mu/read-only": "deployed with `mu deploy`",
            "mu/runtime": "wasi1.0",
            "mu/version": 1,
        },
        "created_at": "2023-11-14T22:13:20.000Z",
        "updated_at": "2023-11-14T22:13:20.000Z",
    });
    assert_eq!(fns["items"][0], expected);
    assert_eq!(done(&world, &format!("GET /v2/fns/{shop}.cart"), Value::Null).await, expected);
}

#[tokio::test(start_paused = true)]
async fn functions_are_only_read() {
    let world = World::new().await;
    let shop = deploy(&world, "shop").await;
    let message = "Fn `cart` is a function of the deployed version v1 and only read here: change it with `mu deploy`";
    for method in ["PUT", "DELETE"] {
        let refused = ask(&world, &format!("{method} /v2/fns/{shop}.cart"), &json!({"memory": 1})).await;
        assert_eq!(refused, (400, json!({ "message": message })), "{method}");
    }
    let body = json!({"name": "cart", "app_id": shop.to_string(), "image": "me/x"});
    let (status, answer) = ask(&world, "POST /v2/fns", &body).await;
    assert_eq!((status, &answer["message"]), (409, &json!("Fn with specified name already exists")));
    assert_eq!(ask(&world, &format!("GET /v2/fns/{shop}.nothing"), &Value::Null).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn one_that_was_made_before_a_deploy_hides_the_function_in_lists() {
    let world = World::new().await;
    let shop = world.stack("shop", &[]).await;
    let made = made_fn(&world, &shop.to_string(), "cart").await;
    deploy_to(&world, &shop, "shop").await;
    let list = format!("GET /v2/fns?app_id={shop}&name=cart");
    for expected in [made.clone(), format!("{shop}.cart")] {
        let fns = done(&world, &list, Value::Null).await;
        let ids: Vec<&Value> = fns["items"].as_array().unwrap().iter().map(|item| &item["id"]).collect();
        assert_eq!(ids, [&expected]);
        assert_eq!(
            ask(&world, &format!("GET /v2/fns/{shop}.cart"), &Value::Null).await.0,
            200,
            "by its id it is there"
        );
        ask(&world, &format!("DELETE /v2/fns/{made}"), &Value::Null).await;
    }
}

#[tokio::test(start_paused = true)]
async fn functions_are_called() {
    let world = World::new().await;
    let shop = deploy(&world, "shop").await;
    let cart = format!("{shop}.cart");
    trigger(&world, &shop.to_string(), &cart, "t", "/a b").await;
    trigger(&world, &shop.to_string(), &cart, "root", "/").await;
    for (method, path, expected) in [
        ("POST", &*format!("/invoke/{cart}?x=1"), "POST /?x=1 cart.show []"),
        ("PATCH", "/t/shop/a%20b?y", "PATCH /a%20b?y cart.show []"),
        ("GET", "/t/shop", "GET / cart.show []"),
        ("GET", "/t/shop/", "GET / cart.show []"),
    ] {
        let answer = world.send(&BOSS, method, path, &[], Bytes::from_static(b"body")).await;
        assert_eq!((answer.status.as_u16(), &*answer.body), (200, expected.as_bytes()), "{method} {path}");
        assert_eq!(answer.headers["fn-call-id"], answer.headers["x-mu-invocation-id"]);
    }
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_in_fns_words() {
    let world = World::new().await;
    let app = done(&world, "POST /v2/apps", json!({ "name": "shop" })).await["id"].as_str().unwrap().to_owned();
    let cart = json!({ "name": "cart", "app_id": app, "image": "me/cart:1" });
    let cart = done(&world, "POST /v2/fns", cart).await["id"].as_str().unwrap().to_owned();
    for (source, status, message, retry_after) in [
        ("/fail/502/function_failed", 502, "function failed", None),
        ("/fail/502/function_head_too_large", 502, "function response header too large", None),
        ("/fail/503/queue_full", 503, "Timed out - server too busy", Some("15")),
        ("/fail/504/timed_out", 504, "Timed out", None),
        ("/fail/504/out_of_instructions", 502, "function failed", None),
        ("/fail/403/image_refused", 403, "in our words", None),
    ] {
        trigger(&world, &app, &cart, source.rsplit('/').next().unwrap(), source).await;
        for headers in [&[][..], &[("fn-invoke-type", "detached")]] {
            let answer = world.send(&BOSS, "POST", &format!("/t/shop{source}"), headers, Bytes::new()).await;
            assert_eq!((answer.status.as_u16(), answer.json()), (status, json!({ "message": message })), "{source}");
            let told = answer.headers.get("retry-after").map(|value| value.to_str().unwrap());
            assert_eq!(told, retry_after, "{source}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_for_a_function_may_be_as_large_as_functions_take() {
    let world = World::new().await;
    let shop = deploy(&world, "shop").await;
    let by_id = format!("/invoke/{shop}.cart");
    trigger(&world, &shop.to_string(), &format!("{shop}.cart"), "t", "/t").await;
    let paths = [&*by_id, "/t/shop/t", "/v1/stacks/shop/invoke/cart.show"];
    for path in paths {
        let answer = world.send(&BOSS, "POST", path, &[], vec![0; 2 << 20].into()).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        let answer = world.send(&BOSS, "POST", path, &[], vec![0; (2 << 20) + 1].into()).await;
        assert_eq!(answer.status, 413, "{path}");
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        let ours = "the request's body is larger than 2097152 bytes";
        assert_eq!(message, if path.starts_with("/v1") { ours } else { "Request content too large" }, "{path}");
    }
    let hits = world.metric(r#"mu_limit_hits_total{limit="functions.request_bytes_max"}"#);
    assert_eq!(hits.as_deref(), Some("3"));
}

#[tokio::test(start_paused = true)]
async fn a_detached_call_is_answered_when_it_begins() {
    let world = World::new().await;
    let app = done(&world, "POST /v2/apps", json!({ "name": "shop" })).await["id"].as_str().unwrap().to_owned();
    let cart = json!({ "name": "cart", "app_id": app, "image": "me/cart:1" });
    let cart = done(&world, "POST /v2/fns", cart).await["id"].as_str().unwrap().to_owned();
    let path = format!("/invoke/{cart}");
    let answer = world.send(&BOSS, "POST", &path, &[("fn-invoke-type", "detached")], Bytes::new()).await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (202, &b""[..]));
    assert_eq!(answer.headers["fn-call-id"].len(), 32);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_called_says_why() {
    let world = World::new().await;
    let shop = deploy(&world, "shop").await;
    let several =
        "`misc` has several handlers (`a`, `b`), and a call by Fn's API names none: use `mu invoke` or its routes";
    let none =
        "no route of the stack names a handler of `lone`, which a call by Fn's API could be for: use `mu invoke`";
    for (request, headers, status, message) in [
        (format!("POST /invoke/{shop}.misc"), &[][..], 501, several),
        (format!("POST /invoke/{shop}.lone"), &[], 501, none),
        (
            format!("POST /invoke/{shop}.cart"),
            &[("fn-invoke-type", "later")],
            400,
            "Fn-Invoke-Type is `sync` or `detached`",
        ),
        (format!("POST /invoke/{shop}.nothing"), &[], 404, "Fn not found"),
        (format!("POST /invoke/{shop}"), &[], 404, "Fn not found"),
        (format!("GET /invoke/{shop}.cart"), &[], 405, &format!("Method not allowed: GET /invoke/{shop}.cart")),
        ("GET /t/nothing/a".into(), &[], 404, "App not found"),
        ("GET /t/shop/a".into(), &[], 404, "Trigger not found"),
        ("GET /v2/nothing".into(), &[], 404, "Path not found: GET /v2/nothing"),
        ("PATCH /v2/apps".into(), &[], 405, "Method not allowed: PATCH /v2/apps"),
        (
            format!("GET /v2/fns/{shop}.cart/calls"),
            &[],
            410,
            "calls are not kept: `mu logs` shows what functions log, and `mu usage` how often they were called",
        ),
    ] {
        let (method, path) = request.split_once(' ').unwrap();
        let answer = world.send(&BOSS, method, path, headers, Bytes::new()).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (status, json!({ "message": message })), "{request}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_trigger_whose_function_is_gone_leads_nowhere() {
    let world = World::new().await;
    let shop = deploy(&world, "shop").await;
    trigger(&world, &shop.to_string(), &format!("{shop}.cart"), "t", "/t").await;
    let new = crate::catalog::NewVersion {
        stack: super::super::world::stack("shop"),
        artifacts: std::collections::BTreeMap::new(),
        manifest: None,
        message: String::new(),
        by: "k_test".to_owned(),
    };
    let catalog = &world.control.catalog;
    let number = catalog.begin_version(&shop, new).await.unwrap().version.record.number;
    catalog.version_prepared(&shop, number).await.unwrap();
    catalog.activate(&shop, number, None, "k_test", "deployed").await.unwrap();
    assert_eq!(ask(&world, "GET /t/shop/t", &Value::Null).await, (404, json!({"message": "Fn not found"})));
}

#[tokio::test(start_paused = true)]
async fn deleting_an_app_deletes_the_stack_with_everything() {
    let world = World::new().await;
    let shop = deploy(&world, "shop").await;
    let made = made_fn(&world, &shop.to_string(), "img").await;
    world.region.told();
    done(&world, &format!("DELETE /v2/apps/{shop}"), Value::Null).await;
    assert_eq!(world.region.told(), ["remove Remove"]);
    for gone in [format!("/v2/apps/{shop}"), format!("/v2/fns/{made}"), format!("/v2/fns/{shop}.cart")] {
        assert_eq!(ask(&world, &format!("GET {gone}"), &Value::Null).await.0, 404, "{gone}");
    }
    assert_eq!(world.ask(&Who::Key(OPERATOR), "GET", "/v1/stacks/shop", &Value::Null).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_change_of_configuration_is_served_and_none_is_not() {
    let world = World::new().await;
    let shop = deploy(&world, "shop").await;
    let put = format!("PUT /v2/apps/{shop}");
    for (body, told) in [
        (json!({"config": {"A": "1"}}), &["reload v1=100"][..]),
        (json!({"config": {"A": "1", "B": ""}}), &[]),
        (json!({"annotations": {"a/b": 1}}), &[]),
        (json!({}), &[]),
        (json!({"config": {"A": ""}}), &["reload v1=100"]),
    ] {
        world.region.told();
        done(&world, &put, body.clone()).await;
        assert_eq!(world.region.told(), told, "{body}");
    }
}
