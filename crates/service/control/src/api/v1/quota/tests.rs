//! Quotas through the API: who sets them, what is answered, and what comes of the rate of requests.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use async_trait::async_trait;
use axum::body::Body;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use mu_db::{Kv, MemJournal, MemKv, Order};
use mu_env::{Env, Timestamp};
use mu_storage::{MemBlobs, MemUploads, RootKey};
use mu_telemetry::{Metrics, MetricsParams};
use serde_json::{Value, json};
use tower_service::Service as _;

use super::*;
use crate::access::oidc::MemJwksSource;
use crate::access::signature::{Authorities, SignedBody, Signer};
use crate::access::{Access, AccessSettings, AnonymousAccess, LastAdmin, NodeRole, Principal, Role, SecretKey};
use crate::api::{ApiSettings, PeerAddress};
use crate::audit::{Audit, AuditFilter};
use crate::catalog::{
    Artifacts, Catalog, DataFate, Idempotency, NewStack, Routing, StackRecord, StoredVersion, VersionNumber,
};
use crate::logs::{LogOptions, LogStore};
use crate::quota::{Measure, MeasureError, Owners, QuotaDefaults, QuotaParts, Quotas, Stored};
use crate::region::{Region, RegionBody, RegionCall, RegionError};
use crate::rollout::Sample;
use crate::secrets::Secrets;
use crate::usage::UsageLedger;

/// A node that runs nothing and stores nothing.
#[derive(Debug)]
struct Nothing;

#[async_trait]
impl Region for Nothing {
    async fn prepare(&self, _: &StackId, _: &StoredVersion) -> Result<(), RegionError> {
        Ok(())
    }
    async fn refresh(&self, _: &StackId, _: &Routing) -> Result<(), RegionError> {
        Ok(())
    }
    async fn remove(&self, _: &StackId, _: DataFate) -> Result<(), RegionError> {
        Ok(())
    }
    async fn invoke(&self, _: &StackId, call: RegionCall) -> Result<http::Response<RegionBody>, RegionError> {
        Err(RegionError::NotFound(call.handler))
    }
    fn samples(&self, _: &StackId) -> BTreeMap<VersionNumber, Sample> {
        BTreeMap::new()
    }
}

#[async_trait]
impl Measure for Nothing {
    async fn measure(&self, _: &StackId, _: Stored) -> Result<u64, MeasureError> {
        Ok(0)
    }
}

struct World {
    control: Arc<Control>,
    stack: StackRecord,
}

/// An answer, as far as it matters here.
struct Answer {
    status: StatusCode,
    retry_after: Option<String>,
    body: Value,
}

const NOON: Timestamp = Timestamp::from_micros(20_778 * 86_400_000_000 + 43_200_000_000);

/// An operator, and a member who owns the stack `shop`.
fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}
const OPERATOR: u8 = 1;
const MEMBER: u8 = 2;

fn principal(seed: u8) -> Principal {
    Principal::Key(key(seed).client())
}

impl World {
    async fn new() -> Self {
        let env = Env::simulated(7, NOON);
        let kv: Arc<dyn Kv> = Arc::new(MemKv::new());
        let settings = AccessSettings {
            anonymous: AnonymousAccess::None,
            operators: BTreeSet::from([principal(OPERATOR)]),
            issuers: Vec::new(),
            authorities: Authorities::only(["node.test"]),
        };
        let access = Access::new(&kv, &env, settings, Arc::new(MemJwksSource::default()));
        access.members().set(&principal(MEMBER), NodeRole::Member, &principal(OPERATOR)).await.unwrap();
        let catalog = Catalog::new(Arc::clone(&kv), env.clone());
        let stack = NewStack::named("shop".parse().unwrap(), principal(MEMBER).to_string());
        let stack = catalog.create(stack).await.unwrap();
        access
            .grants()
            .grant(stack.id, &principal(MEMBER), Role::Admin, &principal(OPERATOR), LastAdmin::Stays)
            .await
            .unwrap();
        let (logs, _) = LogStore::open(Arc::clone(&kv), env.clone(), LogOptions::default()).await.unwrap();
        let journal = Arc::new(MemJournal::new([9; 16]));
        let (usage, _) = UsageLedger::open(journal, Arc::clone(&kv), env.clone()).await.unwrap();
        let default = Quota { concurrent_invocations: Some(64), ..Quota::default() };
        let quotas = Quotas::open(QuotaParts {
            env: env.clone(),
            kv: Arc::clone(&kv),
            defaults: QuotaDefaults { client: Quota::default(), stack: default },
            owners: Owners::load(&catalog).await.unwrap(),
            usage: Arc::clone(&usage),
            measure: Arc::new(Nothing),
            metrics: Metrics::new(MetricsParams { version: "1", functions_max: 1 }),
        });
        let blobs = Arc::new(MemBlobs::new());
        let root_key = RootKey::from_bytes([3; 32]);
        let control = Control {
            access,
            audit: Audit::new(Arc::clone(&kv), env.clone()),
            catalog,
            artifacts: Artifacts::new(Arc::clone(&kv), blobs, Arc::new(MemUploads::new()), env.clone()),
            idempotency: Idempotency::new(Arc::clone(&kv), env.clone()),
            secrets: Arc::new(Secrets::new(Arc::clone(&kv), &root_key, env.clone())),
            logs,
            usage,
            quotas: Arc::new(quotas.await.unwrap()),
            region: Arc::new(Nothing),
            settings: ApiSettings { gateway_url: "http://gateway.test".to_owned(), request_bytes_max: 1 << 20 },
            env,
        };
        Self { control: Arc::new(control), stack }
    }

    /// Asks by somebody's key, or without one.
    async fn ask(&self, by: Option<u8>, method: Method, path: &str, body: Option<Value>) -> Answer {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = Request::builder().method(method).uri(format!("http://node.test{path}"));
        let request = request.header("host", "node.test").header("content-type", "application/json");
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        if let Some(by) = by {
            let signer = Signer::new(key(by), self.control.env.clone());
            signer.sign(&mut parts, SignedBody::Bytes(body.as_bytes())).unwrap();
        }
        parts.extensions.insert(PeerAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        let mut router = Arc::clone(&self.control).router();
        let response = router.call(Request::from_parts(parts, Body::from(body))).await.unwrap();
        let (parts, body) = response.into_parts();
        let retry_after = parts.headers.get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, retry_after, body: serde_json::from_slice(&body).unwrap_or_default() }
    }

    async fn get(&self, by: u8, path: &str) -> Answer {
        self.ask(Some(by), Method::GET, path, None).await
    }

    async fn put(&self, by: u8, path: &str, body: Value) -> Answer {
        self.ask(Some(by), Method::PUT, path, Some(body)).await
    }
}

#[tokio::test(start_paused = true)]
async fn operators_set_quotas_of_stacks_and_those_who_see_them_read() {
    let world = World::new().await;
    let path = "/v1/stacks/shop/quota";
    let before = world.get(MEMBER, path).await;
    let nothing = json!({
        "invocations_per_second": null,
        "concurrent_invocations": null,
        "instructions_per_day": null,
        "table_bytes": null,
        "box_bytes": null,
    });
    let with = |changes: &[(&str, Value)]| {
        let mut quota = nothing.clone();
        changes.iter().for_each(|(name, value)| quota[*name] = value.clone());
        quota
    };
    let default = ("concurrent_invocations", json!(64));
    let expected = with(&[("effective", with(std::slice::from_ref(&default)))]);
    assert_eq!((before.status, before.body), (StatusCode::OK, expected.clone()));

    let set = json!({"invocations_per_second": 50, "table_bytes": 1_u64 << 40});
    let denied = world.put(MEMBER, path, set.clone()).await;
    assert_eq!((denied.status, denied.body["code"].as_str()), (StatusCode::FORBIDDEN, Some("denied")));

    let done = world.put(OPERATOR, path, set).await;
    let own = [("invocations_per_second", json!(50)), ("table_bytes", json!(1_u64 << 40))];
    let mut after = with(&own);
    after["effective"] = with(&[own[0].clone(), own[1].clone(), default]);
    assert_eq!((done.status, &done.body), (StatusCode::OK, &after));
    assert_eq!(world.get(MEMBER, path).await.body, after);

    for wrong in [json!({"requests_per_second": 1}), json!({"box_bytes": -1}), json!({"box_bytes": "1GiB"}), json!(1)] {
        let refused = world.put(OPERATOR, path, wrong).await;
        assert_eq!((refused.status, refused.body["code"].as_str()), (StatusCode::BAD_REQUEST, Some("invalid")));
    }
    assert_eq!(world.put(OPERATOR, path, json!({})).await.body, expected, "without limits it is none");
    assert!(world.control.quotas.book().list(None, 10).is_empty());

    let filter = AuditFilter { stack: Some(world.stack.id), ..AuditFilter::default() };
    let audit = world.control.audit.read(&filter, Order::Ascending, None, 100).await.unwrap();
    assert!(audit.items.iter().any(|record| record.action == "quota.set" && record.who == principal(OPERATOR)));
}

#[tokio::test(start_paused = true)]
async fn the_quota_of_a_client_limits_its_requests() {
    let world = World::new().await;
    let path = format!("/v1/members/{}/quota", principal(MEMBER));
    assert_eq!(world.get(MEMBER, &path).await.status, StatusCode::FORBIDDEN);
    let set = world.put(OPERATOR, &path, json!({"requests_per_second": 2, "box_bytes": 5})).await;
    assert_eq!((set.status, &set.body["requests_per_second"]), (StatusCode::OK, &json!(2)));
    assert_eq!(world.get(OPERATOR, &path).await.body["effective"]["box_bytes"], json!(5));
    for _ in 0..2 {
        assert_eq!(world.get(MEMBER, "/v1/me").await.status, StatusCode::OK);
    }
    let refused = world.get(MEMBER, "/v1/me").await;
    assert_eq!((refused.status, refused.retry_after.as_deref()), (StatusCode::TOO_MANY_REQUESTS, Some("1")));
    assert_eq!(refused.body["code"], "rate_limited");
    assert_eq!(
        refused.body["message"],
        "the client is at the limit `requests_per_second` of its quota, 2: try again in 1 s"
    );
    assert_eq!(world.get(OPERATOR, "/v1/me").await.status, StatusCode::OK, "others go on");
    tokio::time::advance(std::time::Duration::from_millis(500)).await;
    assert_eq!(world.get(MEMBER, "/v1/me").await.status, StatusCode::OK);
    for wrong in ["/v1/members/nobody/quota", "/v1/members/k_1/quota"] {
        assert_eq!(world.get(OPERATOR, wrong).await.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_known_may_ask_only_so_often() {
    let world = World::new().await;
    for at in 0..100 {
        // A key that the node does not know is as good as none.
        let (by, expected) = if at % 2 == 0 { (None, StatusCode::OK) } else { (Some(9), StatusCode::FORBIDDEN) };
        assert_eq!(world.ask(by, Method::GET, "/v1/node", None).await.status, expected);
    }
    for by in [None, Some(9)] {
        let refused = world.ask(by, Method::GET, "/v1/node", None).await;
        assert_eq!((refused.status, refused.retry_after.as_deref()), (StatusCode::TOO_MANY_REQUESTS, Some("1")));
        assert_eq!(refused.body["code"], "rate_limited");
    }
    assert_eq!(world.get(MEMBER, "/v1/node").await.status, StatusCode::OK, "others at this address go on");
}

#[tokio::test(start_paused = true)]
async fn a_quota_goes_with_the_data_of_its_stack() {
    for (keep, is_kept) in [("true", true), ("false", false)] {
        let world = World::new().await;
        let set = world.put(OPERATOR, "/v1/stacks/shop/quota", json!({"box_bytes": 5})).await;
        assert_eq!(set.status, StatusCode::OK);
        let path = format!("/v1/stacks/shop?keep_data={keep}");
        let deleted = world.ask(Some(MEMBER), Method::DELETE, &path, None).await;
        assert_eq!(deleted.status, StatusCode::OK, "{}", deleted.body);
        // Whatever of it goes on by itself is done by this too.
        world.control.resume_deletions().await;
        let quotas = &world.control.quotas;
        assert_eq!(quotas.book().own(&Subject::Stack(world.stack.id)).is_some(), is_kept);
        assert_eq!(quotas.owners().of(&world.stack.id).is_some(), is_kept);
    }
}
