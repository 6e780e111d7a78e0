//! Quotas: who sets them, what is answered, and what comes of the rate of requests.

use std::time::Duration;

use http::StatusCode;
use mu_db::Order;
use serde_json::{Value, json};

use super::world::{Answer, CONCURRENT_MAX, OPERATOR, Who, World, principal};
use crate::access::{NodeRole, Role};
use crate::audit::AuditFilter;
use crate::quota::Subject;

const SOMEBODY: u8 = 3;
/// Nobody knows this one.
const STRANGER: u8 = 4;
const SHOP: &str = "/v1/stacks/shop/quota";

async fn get(world: &World, who: u8, path: &str) -> Answer {
    world.ask(&Who::Key(who), "GET", path, &Value::Null).await
}

async fn put(world: &World, who: u8, path: &str, body: Value) -> Answer {
    world.ask(&Who::Key(who), "PUT", path, &body).await
}

fn retry_after(answer: &Answer) -> Option<&str> {
    answer.headers.get("retry-after").and_then(|value| value.to_str().ok())
}

/// The limits of a stack; those that are not named are null.
fn limits(named: &[(&str, u64)]) -> Value {
    let mut limits = json!({
        "invocations_per_second": null,
        "concurrent_invocations": null,
        "instructions_per_day": null,
        "table_bytes": null,
        "box_bytes": null,
    });
    named.iter().for_each(|(name, limit)| limits[*name] = json!(limit));
    limits
}

#[tokio::test(start_paused = true)]
async fn operators_set_the_quota_of_a_stack_and_who_sees_it_reads_it() {
    let world = World::new().await;
    let stack = world.stack("shop", &[]).await;
    world.grant(SOMEBODY, stack, Role::Viewer).await;
    let default = ("concurrent_invocations", u64::from(CONCURRENT_MAX));
    let unset = json!({"set": limits(&[]), "effective": limits(&[default])});
    assert_eq!(get(&world, SOMEBODY, SHOP).await.json(), unset);

    let own = [("invocations_per_second", 50), ("table_bytes", 1 << 40)];
    let done = put(&world, OPERATOR, SHOP, json!({"invocations_per_second": 50, "table_bytes": 1_u64 << 40})).await;
    let set = json!({"set": limits(&own), "effective": limits(&[own[0], own[1], default])});
    assert_eq!((done.status, done.json()), (StatusCode::OK, set.clone()));
    assert_eq!(get(&world, SOMEBODY, SHOP).await.json(), set);
    for wrong in [json!({"requests_per_second": 1}), json!({"box_bytes": -1}), json!({"box_bytes": "1GiB"}), json!(1)] {
        let refused = put(&world, OPERATOR, SHOP, wrong).await;
        assert_eq!((refused.status, refused.code()), (StatusCode::BAD_REQUEST, "invalid".to_owned()));
    }
    assert_eq!(put(&world, OPERATOR, SHOP, json!({})).await.json(), unset, "one without limits is none");
    assert!(world.control.quotas.book().list(None, 10).is_empty());

    let filter = AuditFilter { stack: Some(stack), ..AuditFilter::default() };
    let audit = world.control.audit.read(&filter, Order::Ascending, None, 100).await.unwrap();
    assert!(audit.items.iter().any(|record| record.action == "quota.set" && record.who == principal(OPERATOR)));
}

#[tokio::test(start_paused = true)]
async fn the_quota_of_a_client_limits_its_requests() {
    let world = World::new().await;
    world.member(SOMEBODY, NodeRole::Member).await;
    let path = format!("/v1/members/{}/quota", principal(SOMEBODY));
    let set = put(&world, OPERATOR, &path, json!({"requests_per_second": 2, "box_bytes": 5})).await;
    assert_eq!((set.status, &set.json()["set"]["requests_per_second"]), (StatusCode::OK, &json!(2)));
    assert_eq!(get(&world, OPERATOR, &path).await.json()["effective"]["box_bytes"], json!(5));
    for _ in 0..2 {
        assert_eq!(get(&world, SOMEBODY, "/v1/me").await.status, StatusCode::OK);
    }
    let refused = get(&world, SOMEBODY, "/v1/me").await;
    assert_eq!((refused.status, retry_after(&refused)), (StatusCode::TOO_MANY_REQUESTS, Some("1")));
    let message = "the client is at the limit `requests_per_second` of its quota, 2: try again in 1 s";
    assert_eq!((refused.code().as_str(), &refused.json()["message"]), ("rate_limited", &json!(message)));
    assert_eq!(get(&world, OPERATOR, "/v1/me").await.status, StatusCode::OK, "others go on");
    tokio::time::advance(Duration::from_millis(500)).await;
    assert_eq!(get(&world, SOMEBODY, "/v1/me").await.status, StatusCode::OK);
    for wrong in ["/v1/members/nobody/quota", "/v1/members/k_1/quota"] {
        assert_eq!(get(&world, OPERATOR, wrong).await.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_is_not_known_may_ask_only_so_often() {
    let world = World::new().await;
    let (nobody, stranger) = (Who::Nobody, Who::Key(STRANGER));
    let ask = async |who: &Who| world.ask(who, "GET", "/v1/node", &Value::Null).await;
    for _ in 0..50 {
        assert_eq!(ask(&nobody).await.status, StatusCode::OK);
        assert_eq!(ask(&stranger).await.status, StatusCode::FORBIDDEN);
    }
    for who in [nobody, stranger] {
        let refused = ask(&who).await;
        assert_eq!((refused.status, retry_after(&refused)), (StatusCode::TOO_MANY_REQUESTS, Some("1")));
        assert_eq!(refused.code(), "rate_limited");
    }
    assert_eq!(ask(&Who::Key(OPERATOR)).await.status, StatusCode::OK, "others at this address go on");
}

#[tokio::test(start_paused = true)]
async fn a_quota_goes_with_the_data_of_its_stack() {
    for (keep, is_kept) in [("true", true), ("false", false)] {
        let world = World::new().await;
        let stack = world.stack("shop", &[]).await;
        let quotas = &world.control.quotas;
        quotas.owners().add(stack, "k_owner");
        assert_eq!(put(&world, OPERATOR, SHOP, json!({"box_bytes": 5})).await.status, StatusCode::OK);
        let path = format!("/v1/stacks/shop?keep_data={keep}");
        let deleted = world.ask(&Who::Key(OPERATOR), "DELETE", &path, &Value::Null).await;
        assert!(deleted.status.is_success(), "{deleted:?}");
        // Whatever of it goes on by itself is done by this too.
        world.control.resume_deletions().await;
        assert_eq!(quotas.book().own(&Subject::Stack(stack)).is_some(), is_kept);
        assert_eq!(quotas.owners().of(&stack).is_some(), is_kept);
    }
}
