//! Domains over the API: what is told, and what is left behind.

use std::collections::BTreeMap;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use http::{Method, Request, header};
use http_body_util::BodyExt as _;
use mu_db::{Kv, MemJournal, MemKv};
use mu_env::{Env, Timestamp};
use mu_stack::StackId;
use mu_storage::{MemBlobs, MemUploads, RootKey};
use serde_json::{Value, json};
use tower_service::Service as _;

use super::*;
use crate::access::oidc::MemJwksSource;
use crate::access::signature::Authorities;
use crate::access::{Access, AccessSettings, AnonymousAccess};
use crate::api::{ApiSettings, Turns};
use crate::audit::Audit;
use crate::catalog::{Artifacts, Catalog, DataFate, Idempotency, Routing, StoredVersion, VersionNumber};
use crate::domains::{Domains, MemHosts, MemProver};
use crate::logs::{LogOptions, LogStore};
use crate::region::{Region, RegionBody, RegionCall, RegionError};
use crate::rollout::Sample;
use crate::secrets::Secrets;
use crate::usage::UsageLedger;

struct World {
    router: Router,
    prover: MemProver,
    hosts: MemHosts,
}

impl World {
    async fn with_stack(name: &str) -> Self {
        let (kv, env): (Arc<dyn Kv>, _) =
            (Arc::new(MemKv::new()), Env::simulated(1, Timestamp::from_micros(1_000_000)));
        let (prover, hosts) = (MemProver::new(), MemHosts::default());
        let settings = AccessSettings {
            anonymous: AnonymousAccess::Operator,
            operators: std::collections::BTreeSet::new(),
            issuers: Vec::new(),
            authorities: Authorities::any(),
        };
        let journal = Arc::new(MemJournal::new([1; 16]));
        let control = Control {
            access: Access::new(&kv, &env, settings, Arc::new(MemJwksSource::default())),
            audit: Audit::new(Arc::clone(&kv), env.clone()),
            catalog: Catalog::new(Arc::clone(&kv), env.clone()),
            artifacts: Artifacts::new(
                Arc::clone(&kv),
                Arc::new(MemBlobs::new()),
                Arc::new(MemUploads::new()),
                env.clone(),
            ),
            idempotency: Idempotency::new(Arc::clone(&kv), env.clone()),
            domains: Domains::new(Arc::clone(&kv), env.clone(), Arc::new(prover.clone()), Arc::new(hosts.clone())),
            secrets: Arc::new(Secrets::new(Arc::clone(&kv), &RootKey::from_bytes([1; 32]), env.clone())),
            logs: LogStore::open(Arc::new(MemKv::new()), env.clone(), LogOptions::default()).await.unwrap().0,
            usage: UsageLedger::open(journal, Arc::clone(&kv), env.clone()).await.unwrap().0,
            region: Arc::new(Nowhere),
            turns: Turns::default(),
            settings: ApiSettings { gateway_url: "http://127.0.0.1:12080".to_owned(), request_bytes_max: 4096 },
            env,
        };
        let world = Self { router: Arc::new(control).router(), prover, hosts };
        let (status, answer) = world.ask(Method::POST, "/v1/stacks", json!({"name": name})).await;
        assert_eq!(status, 201, "{answer}");
        world
    }

    async fn ask(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "127.0.0.1")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string()));
        let response = self.router.clone().call(request.unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts.status.as_u16(), serde_json::from_slice(&body).unwrap_or_default())
    }

    async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.ask(Method::GET, path, Value::Null).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// Claims a host and proves it by DNS.
    async fn verified(&self, stack: &str, host: &str) {
        let (status, claimed) =
            self.ask(Method::POST, &format!("/v1/stacks/{stack}/domains"), json!({"host": host})).await;
        assert_eq!(status, 201, "{claimed}");
        let challenge = &claimed["challenge"];
        self.prover.set_dns(challenge["dns_name"].as_str().unwrap(), &[challenge["dns_value"].as_str().unwrap()]);
        let (status, verified) =
            self.ask(Method::POST, &format!("/v1/stacks/{stack}/domains/{host}/verify"), json!({})).await;
        assert_eq!((status, &verified["state"]), (200, &json!("verified")), "{verified}");
    }

    fn served(&self) -> Vec<String> {
        let mut hosts: Vec<_> = self.hosts.table().keys().map(ToString::to_string).collect();
        hosts.sort();
        hosts
    }
}

/// Runs nothing.
#[derive(Debug)]
struct Nowhere;

#[async_trait]
impl Region for Nowhere {
    async fn prepare(&self, _: &StackId, _: &StoredVersion) -> Result<(), RegionError> {
        Ok(())
    }

    async fn serve(&self, _: &StackId, _: &Routing) -> Result<(), RegionError> {
        Ok(())
    }

    async fn reload(&self, _: &StackId, _: &Routing) -> Result<(), RegionError> {
        Ok(())
    }

    async fn remove(&self, _: &StackId, _: DataFate) -> Result<(), RegionError> {
        Ok(())
    }

    async fn invoke(&self, _: &StackId, _: RegionCall) -> Result<http::Response<RegionBody>, RegionError> {
        Err(RegionError::NotFound("nothing runs here".to_owned()))
    }

    fn samples(&self, _: &StackId) -> BTreeMap<VersionNumber, Sample> {
        BTreeMap::new()
    }
}

#[tokio::test]
async fn a_host_is_claimed_proven_and_given_up() {
    let world = World::with_stack("shop").await;
    let domains = "/v1/stacks/shop/domains";
    let claim = json!({"host": "WWW.Example.com", "gateway": "api"});
    let (status, claimed) = world.ask(Method::POST, domains, claim).await;
    assert_eq!((status, &claimed["host"], &claimed["gateway"]), (201, &json!("www.example.com"), &json!("api")));
    let challenge = &claimed["challenge"];
    let url = challenge["http_url"].as_str().unwrap();
    assert!(url.starts_with("http://www.example.com/.well-known/mu-domain-challenge/"), "{url}");
    assert_eq!(challenge["dns_name"], "_mu-challenge.www.example.com");
    assert_eq!(world.get(domains).await["items"], json!([claimed]));

    let verify = format!("{domains}/www.example.com/verify");
    let (status, refused) = world.ask(Method::POST, &verify, json!({})).await;
    assert_eq!((status, &refused["code"]), (409, &json!("not_proven")));
    assert_eq!(refused["details"], json!({"http": "status 404", "dns": "there is no such record"}));
    assert_eq!(world.served(), [""; 0]);

    world.prover.set_http(url, challenge["http_body"].as_str().unwrap());
    let (status, verified) = world.ask(Method::POST, &verify, json!({})).await;
    assert_eq!((status, &verified["state"], &verified["challenge"]), (200, &json!("verified"), &Value::Null));
    assert_eq!(world.served(), ["www.example.com"]);

    let (status, _) = world.ask(Method::DELETE, &format!("{domains}/www.example.com"), json!({})).await;
    assert_eq!(status, 204);
    assert_eq!(world.served(), [""; 0]);
    assert_eq!(world.get(domains).await["items"], json!([]));

    let records = world.get("/v1/stacks/shop/audit").await;
    let of_hosts: Vec<_> = records["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|record| record["action"] == "stack.domains.manage")
        .map(|record| record["target"].as_str().unwrap())
        .collect();
    assert_eq!(of_hosts, ["www.example.com"; 4], "{records}");
}

#[tokio::test]
async fn mistakes_have_their_codes() {
    let world = World::with_stack("shop").await;
    world.ask(Method::POST, "/v1/stacks", json!({"name": "other"})).await;
    world.verified("other", "taken.example.com").await;
    for (method, path, body, expected) in [
        (Method::POST, "shop/domains", json!({"host": "https://a.example"}), (400, "invalid")),
        (Method::POST, "shop/domains", json!({"host": "*.a.example"}), (400, "invalid")),
        (Method::POST, "shop/domains", json!({"host": "127.0.0.1"}), (400, "invalid")),
        (Method::POST, "shop/domains", json!({"host": "a.example", "gateway": "a b"}), (400, "invalid")),
        (Method::POST, "shop/domains", json!({"host": "a.example", "port": 1}), (400, "invalid")),
        (Method::POST, "shop/domains", json!({"host": "taken.example.com"}), (409, "host_taken")),
        (Method::POST, "none/domains", json!({"host": "a.example"}), (404, "unknown_stack")),
        (Method::POST, "shop/domains/a.example/verify", json!({}), (404, "unknown_domain")),
        (Method::POST, "shop/domains/a%20b/verify", json!({}), (400, "invalid")),
        (Method::GET, "shop/domains?limit=0", json!({}), (400, "invalid")),
        (Method::GET, "shop/domains?cursor=x", json!({}), (400, "invalid")),
    ] {
        let (status, answer) = world.ask(method.clone(), &format!("/v1/stacks/{path}"), body.clone()).await;
        assert_eq!((status, &answer["code"]), (expected.0, &json!(expected.1)), "{method} {path} {body}: {answer}");
    }
    assert_eq!(world.served(), ["taken.example.com"], "nothing has changed");
}

#[tokio::test]
async fn a_list_has_pages() {
    let world = World::with_stack("shop").await;
    let domains = "/v1/stacks/shop/domains";
    for host in ["c.example", "a.example", "b.example"] {
        world.ask(Method::POST, domains, json!({"host": host})).await;
    }
    let (mut hosts, mut path) = (Vec::new(), format!("{domains}?limit=2"));
    loop {
        let page = world.get(&path).await;
        hosts.extend(page["items"].as_array().unwrap().iter().map(|domain| domain["host"].clone()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("{domains}?limit=2&cursor={cursor}");
    }
    assert_eq!(hosts, ["a.example", "b.example", "c.example"]);
}

#[tokio::test]
async fn hosts_go_with_their_stack_also_when_its_data_stays() {
    let world = World::with_stack("shop").await;
    for query in ["?keep_data=true", ""] {
        world.verified("shop", "a.example").await;
        assert_eq!(world.served(), ["a.example"]);
        let (status, answer) = world.ask(Method::DELETE, &format!("/v1/stacks/shop{query}"), json!({})).await;
        assert!(status == 202 || status == 200, "{status} {answer}");
        assert_eq!(world.served(), [""; 0], "{query}");
        world.ask(Method::POST, "/v1/stacks", json!({"name": "shop"})).await;
    }
}
