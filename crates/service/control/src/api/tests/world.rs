//! A node to ask, with a stand-in for what runs the stacks.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use mu_db::{Kv, MemJournal, MemKv};
use mu_env::{Env, InvocationId, Timestamp};
use mu_stack::{Stack, StackId};
use mu_storage::{MemBlobs, MemUploads, RootKey};
use mu_telemetry::{Metrics, MetricsParams, Readings};
use serde_json::Value;
use tower_service::Service as _;

use crate::access::oidc::MemJwksSource;
use crate::access::signature::{Authorities, SignedBody, Signer};
use crate::access::{
    Access, AccessSettings, AnonymousAccess, LastAdmin, NewToken, NodeRole, Principal, Role, SecretKey, TokenScope,
};
use crate::api::{ApiSettings, Control, Rollouts, Turns};
use crate::audit::Audit;
use crate::catalog::fns::FnRecord;
use crate::catalog::{
    ArtifactHash, Artifacts, Catalog, DataFate, Idempotency, NewStack, NewVersion, Routing, StackRecord, StoredVersion,
    VersionNumber,
};
use crate::domains::{Domains, MemHosts, MemProver};
use crate::logs::{LogOptions, LogStore};
use crate::quota::{Measure, MeasureError, Owners, Quota, QuotaDefaults, QuotaParts, Quotas, Stored};
use crate::region::{Region, RegionBody, RegionCall, RegionError};
use crate::rollout::{Counts, LatencyHistogram};
use crate::secrets::Secrets;
use crate::usage::UsageLedger;

pub(super) const HOST: &str = "mu.example:12081";
/// The operator of the node's configuration.
pub(super) const OPERATOR: u8 = 9;
/// What the node's configuration allows every stack.
pub(super) const CONCURRENT_MAX: u32 = 64;
/// A version with this message cannot run.
pub(super) const BROKEN: &str = "broken";

pub(super) struct World {
    pub(super) env: Env,
    pub(super) control: Arc<Control>,
    pub(super) region: Arc<StandIn>,
    pub(super) prover: MemProver,
    pub(super) hosts: MemHosts,
    router: Router,
}

/// Who sends a request.
#[derive(Clone, Debug)]
pub(super) enum Who {
    Nobody,
    Key(u8),
    Bearer(String),
}

/// What was answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl World {
    pub(super) async fn new() -> Self {
        let env = Env::simulated(1, Timestamp::from_micros(1_700_000_000_000_000));
        let kv: Arc<dyn Kv> = Arc::new(MemKv::new());
        let key = RootKey::from_bytes([5; 32]);
        let settings = AccessSettings {
            anonymous: AnonymousAccess::None,
            operators: BTreeSet::from([principal(OPERATOR)]),
            issuers: Vec::new(),
            authorities: Authorities::only([HOST]),
        };
        let (logs, writer) = LogStore::open(Arc::clone(&kv), env.clone(), LogOptions::default()).await.unwrap();
        let (usage, folder) =
            UsageLedger::open(Arc::new(MemJournal::new([9; 16])), Arc::clone(&kv), env.clone()).await.unwrap();
        env.tasks().spawn(writer.run(env.tasks().shutdown().clone()));
        env.tasks().spawn(folder.run(env.tasks().shutdown().clone()));
        let region = Arc::new(StandIn::default());
        let concurrent = Quota { concurrent_invocations: Some(CONCURRENT_MAX), ..Quota::default() };
        let metrics = Metrics::new(MetricsParams { version: "1", functions_max: 1 });
        let quotas = Quotas::open(QuotaParts {
            env: env.clone(),
            kv: Arc::clone(&kv),
            defaults: QuotaDefaults { client: Quota::default(), stack: concurrent },
            owners: Owners::default(),
            usage: Arc::clone(&usage),
            measure: Arc::clone(&region) as _,
            metrics: metrics.clone(),
        });
        let uploads = Arc::new(MemUploads::new());
        let (prover, hosts) = (MemProver::new(), MemHosts::default());
        let (proofs, sink) = (Arc::new(prover.clone()), Arc::new(hosts.clone()));
        let control = Arc::new(Control {
            env: env.clone(),
            access: Access::new(&kv, &env, settings, Arc::new(MemJwksSource::default())),
            audit: Audit::new(Arc::clone(&kv), env.clone()),
            catalog: Catalog::new(Arc::clone(&kv), env.clone()),
            artifacts: Artifacts::new(Arc::clone(&kv), Arc::new(MemBlobs::new()), uploads, env.clone()),
            idempotency: Idempotency::new(Arc::clone(&kv), env.clone()),
            domains: Domains::new(Arc::clone(&kv), env.clone(), proofs, sink),
            secrets: Arc::new(Secrets::new(Arc::clone(&kv), &key, env.clone())),
            logs,
            usage,
            quotas: Arc::new(quotas.await.unwrap()),
            region: Arc::clone(&region) as _,
            turns: Turns::default(),
            metrics,
            rollouts: Rollouts::default(),
            settings: ApiSettings {
                gateway_url: "http://127.0.0.1:12080".to_owned(),
                request_bytes_max: 1 << 20,
                call_bytes_max: 2 << 20,
                detached_drain: Duration::ZERO,
            },
        });
        let router = Arc::clone(&control).router();
        Self { env, control, region, prover, hosts, router }
    }

    /// A stack of the operator's with these versions, made by their messages; the last one is served.
    pub(super) async fn stack(&self, name: &str, versions: &[&str]) -> StackId {
        let catalog = &self.control.catalog;
        let stack = NewStack::named(name.parse().unwrap(), principal(OPERATOR).to_string());
        let id = catalog.create(stack).await.unwrap().id;
        for message in versions {
            let number = catalog.begin_version(&id, version(name, message)).await.unwrap().version.record.number;
            catalog.version_prepared(&id, number).await.unwrap();
            catalog.activate(&id, number, None, "k_test", "deployed").await.unwrap();
        }
        id
    }

    /// The value of a metric, by the start of its line.
    pub(super) fn metric(&self, line: &str) -> Option<String> {
        let text = self.control.metrics.encode(Readings::default());
        text.lines().find_map(|candidate| candidate.strip_prefix(line)?.strip_prefix(' ')).map(str::to_owned)
    }

    pub(super) async fn grant(&self, seed: u8, stack: StackId, role: Role) {
        let (who, by) = (principal(seed), principal(OPERATOR));
        self.control.access.grants().grant(stack, &who, role, &by, LastAdmin::Stays).await.unwrap();
    }

    pub(super) async fn member(&self, seed: u8, role: NodeRole) {
        self.control.access.members().set(&principal(seed), role, &principal(OPERATOR)).await.unwrap();
    }

    pub(super) async fn token(&self, seed: u8, scope: TokenScope) -> Who {
        let new = NewToken { name: "t".into(), scope, lifetime: Duration::from_secs(3_600) };
        let (text, _) = self.control.access.tokens().create(&principal(seed), new).await.unwrap();
        Who::Bearer(text.reveal().to_owned())
    }

    /// Asks with a JSON body; null is none.
    pub(super) async fn ask(&self, who: &Who, method: &str, path: &str, body: &Value) -> Answer {
        self.ask_with(who, method, path, &[], body).await
    }

    /// The same with more headers.
    pub(super) async fn ask_with(
        &self,
        who: &Who,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let json = [("content-type", "application/json")];
        let headers = [headers, if body.is_empty() { &[] } else { &json[..] }].concat();
        self.send(who, method, path, &headers, body.into()).await
    }

    /// Sends bytes.
    pub(super) async fn send(
        &self,
        who: &Who,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Answer {
        let mut parts = parts(method, path, headers);
        match who {
            Who::Nobody => {}
            Who::Key(seed) => self.signer(*seed).sign(&mut parts, SignedBody::Bytes(&body)).unwrap(),
            Who::Bearer(text) => {
                parts.headers.insert("authorization", format!("Bearer {text}").parse().unwrap());
            }
        }
        self.pass(parts, body).await
    }

    pub(super) fn signer(&self, seed: u8) -> Signer {
        Signer::new(secret(seed), self.env.clone())
    }

    /// Gives the API a request as it is.
    pub(super) async fn pass(&self, parts: Parts, body: Bytes) -> Answer {
        let request = Request::from_parts(parts, Body::from(body));
        let response = self.router.clone().call(request).await.unwrap();
        let (parts, body) = response.into_parts();
        // A stream that is followed has no end.
        let body = match parts.headers.get("content-type").is_some_and(|kind| kind == "text/event-stream") {
            true => Bytes::new(),
            false => body.collect().await.unwrap().to_bytes(),
        };
        Answer { status: parts.status, headers: parts.headers, body }
    }
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub(super) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

pub(super) fn secret(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

pub(super) fn principal(seed: u8) -> Principal {
    Principal::Key(secret(seed).client())
}

pub(super) fn parts(method: &str, path: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(path).header("host", HOST);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

/// A stack with a table and no code.
pub(super) fn stack(name: &str) -> Stack {
    let yaml = format!("name: {name}\nversion: '1'\nservices:\n  - {{type: KeyValueTable, name: carts}}\n");
    Stack::parse_yaml("mu.yaml", yaml.as_bytes()).unwrap_or_else(|report| panic!("{report}"))
}

fn version(name: &str, message: &str) -> NewVersion {
    let artifacts = BTreeMap::<_, ArtifactHash>::new();
    NewVersion { stack: stack(name), artifacts, manifest: None, message: message.to_owned(), by: "k_test".to_owned() }
}

/// A [`Region`] that runs nothing, and remembers what it was told.
#[derive(Debug, Default)]
pub(super) struct StandIn {
    told: Mutex<Vec<String>>,
    counts: Mutex<BTreeMap<VersionNumber, Counts>>,
}

impl StandIn {
    fn note(&self, what: String) {
        self.told.lock().unwrap().push(what);
    }

    /// What it was told since this was asked last.
    pub(super) fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.told.lock().unwrap())
    }

    /// A version answers so many requests, in so many milliseconds each, of which so many fail.
    pub(super) fn answers(&self, version: u64, requests: u64, millis: u64, failures: u64) {
        let mut all = self.counts.lock().unwrap();
        let counts = all.entry(version.try_into().unwrap()).or_insert_with(|| Counts {
            loaded: Arc::downgrade(&(Arc::new(()) as Arc<dyn Any + Send + Sync>)),
            failures: 0,
            latencies: LatencyHistogram::new(),
        });
        counts.failures += failures;
        (0..requests).for_each(|_| counts.latencies.record(Duration::from_millis(millis)));
    }
}

#[async_trait]
impl Region for StandIn {
    async fn prepare(&self, _: &StackId, version: &StoredVersion) -> Result<(), RegionError> {
        self.note(format!("prepare {}", version.record.number));
        match version.record.message == BROKEN {
            true => Err(RegionError::NotLoadable("it is broken".to_owned())),
            false => Ok(()),
        }
    }

    async fn serve(&self, _: &StackId, routing: &Routing) -> Result<(), RegionError> {
        self.note(format!("serve {routing}"));
        Ok(())
    }

    async fn reload(&self, _: &StackId, routing: &Routing) -> Result<(), RegionError> {
        self.note(format!("reload {routing}"));
        self.counts.lock().unwrap().clear();
        Ok(())
    }

    async fn remove(&self, _: &StackId, data: DataFate) -> Result<(), RegionError> {
        self.note(format!("remove {data:?}"));
        Ok(())
    }

    /// Echoes what would be called.
    async fn invoke(&self, _: &StackId, call: RegionCall) -> Result<Response<RegionBody>, RegionError> {
        let RegionCall { id, handler, path_params, request, .. } = call;
        Ok(echo(id, format!("{} {} {handler} {path_params:?}", request.method(), request.uri())))
    }

    /// Says what would be run, and how it was asked. A request for `/fail/STATUS/CODE` fails so.
    async fn invoke_made(
        &self,
        app: &StackRecord,
        made: &FnRecord,
        call: RegionCall,
    ) -> Result<Response<RegionBody>, RegionError> {
        let RegionCall { id, form, request, begun, .. } = call;
        if let Some((_, failure)) = request.uri().path().split_once("/fail/") {
            let (status, code) = failure.split_once('/').unwrap();
            let (status, code) = (status.parse().unwrap(), code.to_owned());
            return Err(RegionError::Call { status, code, message: "in our words".to_owned(), retry_after: None });
        }
        if let Some(begun) = begun {
            let _ = begun.send(());
        }
        let said = format!("{form:?} {} {} {} of {}", request.method(), request.uri(), made.image, app.name);
        Ok(echo(id, Value::String(said).to_string()))
    }

    fn counts(&self, _: &StackId) -> BTreeMap<VersionNumber, Counts> {
        self.counts.lock().unwrap().clone()
    }
}

fn echo(id: InvocationId, text: String) -> Response<RegionBody> {
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync();
    let response = Response::builder().header("x-mu-invocation-id", id.to_string());
    response.body(body).unwrap()
}

/// It stores nothing.
#[async_trait]
impl Measure for StandIn {
    async fn measure(&self, _: &StackId, _: Stored) -> Result<u64, MeasureError> {
        Ok(0)
    }
}
