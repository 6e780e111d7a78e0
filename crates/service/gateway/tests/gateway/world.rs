//! A gateway in front of one stack, whose handlers are written here.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use mu_db::{MemKv, MuDb};
use mu_env::Env;
use mu_gateway::{
    AuthRefusal, Authenticator, CertificateStore, Gateway, GatewayConfig, GatewayPorts, HostTable, Identity,
};
use mu_invoke::{
    DeployParams, Deployment, InvokeConfig, Invoker, Parts as InvokerParts, Ports, Receipt, ReceiptSink, Secrets,
};
use mu_runtime::{
    Artifact, Body, BodyError, Call, Engine, ExecutionUsage, Failure, LoadError, LoadParams, Outcome, Program, Ran,
    Response, collect_body, empty_body, full_body,
};
use mu_stack::{Auth, Manifest, StackId};
use mu_storage::{Boxes, MemBlobs, RootKey};
use mu_telemetry::{Limit, LogRecord, LogSink, Metrics, MetricsParams, Readings};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::client::{Answer, Client};

const MANIFEST: &str = "
name: shop
version: '1'
services:
  - {type: Function, name: till, module: till.wasm}
  - {type: Storage, name: photos, public: true}
  - {type: Storage, name: secrets}
  - type: Gateway
    name: api
    endpoints:
      /: {get: till.echo}
      /echo: {get: till.echo, post: till.echo, put: till.echo}
      /echo/{first}/x/{second}: {get: till.echo}
      /café: {get: till.echo}
      /own-cors: {get: till.own_cors}
      /own: {get: till.echo, head: till.own_head, options: till.echo}
      /chatty: {get: till.chatty}
      /no-content: {get: till.no_content}
      /stream: {get: till.stream}
      /broken-stream: {get: till.broken_stream}
      /fail: {get: till.fail}
      /gate: {get: till.gate}
  - {type: Function, name: vault, module: till.wasm, auth: token}
  - type: Gateway
    name: closed
    cors: {allow_origins: '*'}
    endpoints:
      /token: {get: vault.echo, websocket: vault.repeat}
      /open:
        - {method: get, route_to: vault.echo, auth: none}
      /jwt:
        - {method: any, route_to: till.echo, auth: {jwt: {issuer: accounts, claims: {role: admin}}}}
      /rest/{path...}: {any: vault.echo}
  - type: Gateway
    name: sockets
    endpoints:
      /: {websocket: till.repeat}
  - type: Gateway
    name: listed
    cors:
      allow_origins: ['https://a.example', 'https://b.example']
      allow_headers: [x-one, x-two]
      expose_headers: [x-three]
      allow_credentials: true
      max_age: 10m
    endpoints:
      /: {get: till.echo, post: till.fail, options: till.echo}
  - type: Gateway
    name: anyone
    cors:
      allow_origins: '*'
      allow_methods: [get]
      allow_headers: '*'
    endpoints:
      /: {get: till.echo, post: till.echo}
      /own-cors: {get: till.own_cors}
";

/// A stack with one gateway.
const KIOSK_MANIFEST: &str = "
name: kiosk
version: '1'
services:
  - {type: Function, name: till, module: till.wasm}
  - {type: Gateway, name: api, endpoints: {/echo: {get: till.echo}}}
";

/// What a function may state of itself.
pub(crate) const OWN_CORS: [(&str, &str); 6] = [
    ("access-control-allow-origin", "https://mine"),
    ("access-control-allow-credentials", "true"),
    ("access-control-expose-headers", "x-mine"),
    ("access-control-allow-methods", "DELETE"),
    ("access-control-allow-headers", "x-mine"),
    ("access-control-max-age", "9"),
];

pub(crate) const STACK: StackId = StackId::new([7; 32]);
/// Another with the same manifest.
pub(crate) const TWIN: StackId = StackId::new([8; 32]);
pub(crate) const KIOSK: StackId = StackId::new([6; 32]);

pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) tls_address: Option<SocketAddr>,
    pub(crate) env: Env,
    pub(crate) invoker: Arc<Invoker>,
    pub(crate) deployment: Arc<Deployment>,
    pub(crate) boxes: Arc<Boxes>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) sink: Arc<Sink>,
    pub(crate) hosts: Arc<HostTable>,
    metrics: Metrics,
    pub(crate) serving: JoinHandle<()>,
}

/// Where calls of the handler `gate` stop until they are let through.
pub(crate) struct Gate {
    entered: Semaphore,
    open: Semaphore,
}

impl Gate {
    /// Waits until one more call is stopped.
    pub(crate) async fn entered(&self) {
        self.entered.acquire().await.unwrap().forget();
    }

    /// Lets one call through.
    pub(crate) fn open(&self) {
        self.open.add_permits(1);
    }

    async fn stop(&self) {
        self.entered.add_permits(1);
        self.open.acquire().await.unwrap().forget();
    }
}

/// Keeps receipts, and drops log lines.
#[derive(Default)]
pub(crate) struct Sink(Mutex<Vec<Receipt>>);

impl Sink {
    pub(crate) fn receipts(&self) -> Vec<Receipt> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl ReceiptSink for Sink {
    fn accept(&self, receipt: Receipt) {
        self.0.lock().unwrap().push(receipt);
    }
}

impl LogSink for Sink {
    fn write(&self, _record: LogRecord) {}
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(GatewayConfig::default(), InvokeConfig::default()).await
    }

    pub(crate) async fn with(config: GatewayConfig, invoke_config: InvokeConfig) -> Self {
        Self::with_tls(config, invoke_config, None).await
    }

    /// With a second listener for TLS, if there are certificates.
    pub(crate) async fn with_tls(
        config: GatewayConfig,
        invoke_config: InvokeConfig,
        certificates: Option<Arc<CertificateStore>>,
    ) -> Self {
        let env = Env::system();
        let gate = Arc::new(Gate { entered: Semaphore::new(0), open: Semaphore::new(0) });
        let sink = Arc::new(Sink::default());
        let boxes = Arc::new(Boxes::open(Arc::new(MemBlobs::new()), RootKey::from_bytes([1; 32]), &env));
        let invoker = Arc::new(Invoker::new(InvokerParts {
            env: env.clone(),
            engine: Arc::new(Handlers(Arc::clone(&gate))),
            db: Arc::new(MuDb::new(Arc::new(MemKv::default()))),
            boxes: Arc::clone(&boxes),
            logs: Arc::clone(&sink) as Arc<dyn LogSink>,
            receipts: Arc::clone(&sink) as Arc<dyn ReceiptSink>,
            ports: Ports::default(),
            config: invoke_config,
        }));
        let deployment = deploy(&invoker, STACK, MANIFEST).await;
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let hosts = Arc::new(HostTable::default());
        let metrics = metrics();
        let (authenticator, counted) = (Arc::new(Names), Some(metrics.clone()));
        let ports = GatewayPorts { hosts: Arc::clone(&hosts), authenticator, metrics: counted };
        let gateway = Gateway::bind(anywhere, env.clone(), Arc::clone(&invoker), config).unwrap().with_ports(ports);
        let gateway = match certificates {
            Some(certificates) => gateway.with_tls(anywhere, certificates).unwrap(),
            None => gateway,
        };
        let (address, tls_address) = (gateway.address(), gateway.tls_address());
        let serving = tokio::spawn(gateway.serve(env.tasks().shutdown().clone()));
        Self { address, tls_address, env, invoker, deployment, boxes, gate, sink, hosts, metrics, serving }
    }

    /// How often a limit was reached.
    pub(crate) fn hits(&self, limit: Limit) -> u64 {
        hits(&self.metrics, limit)
    }

    pub(crate) async fn deploy_kiosk(&self) {
        deploy(&self.invoker, KIOSK, KIOSK_MANIFEST).await;
    }

    /// Deploys the same stack once more, under another id.
    pub(crate) async fn deploy_twin(&self) {
        deploy(&self.invoker, TWIN, MANIFEST).await;
    }

    /// Asks one request without a body over HTTP/1.
    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        Client::http1(self.address).await.ask(method, path, headers, "").await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[]).await
    }
}

pub(crate) fn metrics() -> Metrics {
    Metrics::new(MetricsParams { version: "1", functions_max: 1 })
}

pub(crate) fn hits(metrics: &Metrics, limit: Limit) -> u64 {
    let text = metrics.encode(Readings::default());
    let line = format!("mu_limit_hits_total{{limit=\"{}\"}} ", limit.as_str());
    text.lines().find_map(|candidate| candidate.strip_prefix(&line)).unwrap().parse().unwrap()
}

/// Serves the stack of a manifest.
pub(crate) async fn deploy(invoker: &Invoker, id: StackId, manifest: &str) -> Arc<Deployment> {
    let manifest = Manifest::parse("mu.yaml", manifest.as_bytes()).unwrap_or_else(|report| panic!("{report}"));
    let stack = manifest.deployed_stack();
    let artifacts = stack.functions().map(|function| (function.name.clone(), Artifact::from_bytes("code"))).collect();
    invoker
        .deploy(DeployParams {
            id,
            version: 1,
            owner: None,
            stack,
            artifacts,
            secrets: Secrets::default(),
            function_id: None,
        })
        .await
        .unwrap()
}

/// Knows people by `Bearer NAME`, and what they claim.
struct Names;

#[async_trait]
impl Authenticator for Names {
    async fn authenticate(&self, asked: &Auth, stack: &StackId, request: &Parts) -> Result<Identity, AuthRefusal> {
        assert_eq!(*stack, STACK);
        let name = request.headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let Some(name) = name else {
            return Err(AuthRefusal::Unauthenticated { message: format!("{} needs a token", request.uri.path()) });
        };
        let role = if name == "ann" { "admin" } else { "guest" };
        match asked {
            Auth::Jwt(jwt) if jwt.claims.get("role").is_some_and(|wanted| wanted != role) => {
                Err(AuthRefusal::Denied { message: format!("{name} is no {}", jwt.claims["role"]) })
            }
            _ if name == "nobody" => {
                let message = "the issuer does not answer".to_owned();
                Err(AuthRefusal::Unavailable { message, retry_after: Duration::from_secs(3) })
            }
            _ => {
                let claims = json!({ "role": role, "of": format!("{asked:?}").len() }).as_object().unwrap().clone();
                Ok(Identity { subject: format!("oidc:accounts:{name}"), claims })
            }
        }
    }
}

struct Handlers(Arc<Gate>);

#[async_trait]
impl Engine for Handlers {
    async fn load(&self, _params: LoadParams) -> Result<Arc<dyn Program>, LoadError> {
        Ok(Arc::new(Self(Arc::clone(&self.0))))
    }
}

#[async_trait]
impl Program for Handlers {
    async fn run(&self, call: Call) -> Ran {
        let result = match &*call.handler {
            "echo" => echo(call).await,
            "own_head" => Ok(respond(StatusCode::OK, &[("content-length", "1234")], empty_body())),
            "chatty" => Ok(chatty()),
            "no_content" => Ok(respond(StatusCode::NO_CONTENT, &[], full_body("not to be sent"))),
            "stream" => Ok(respond(StatusCode::OK, &[], streamed(&["one ", "two ", "three"]))),
            "broken_stream" => Ok(respond(StatusCode::OK, &[], broken_stream())),
            "own_cors" => Ok(respond(StatusCode::OK, &OWN_CORS, empty_body())),
            "repeat" => repeat(call).await,
            "gate" => {
                self.0.stop().await;
                Ok(respond(StatusCode::OK, &[], full_body("through the gate")))
            }
            _ => Err(Failure::Fatal("a secret of the function".to_owned())),
        };
        Ran::Ended(Outcome { result, usage: ExecutionUsage { instructions: 10, ..ExecutionUsage::default() } })
    }
}

/// Answers with the request as JSON. Reads its body as the wasm engine does.
async fn echo(call: Call) -> Result<Response, Failure> {
    let request = call.request;
    let body = collect_body(request.body, call.limits.request_bytes).await.map_err(|error| match error {
        BodyError::TooLarge { limit_bytes } => Failure::RequestTooLarge { limit_bytes },
        error => Failure::RequestBroken(error.to_string()),
    })?;
    let headers: Vec<_> =
        request.headers.iter().map(|(k, v)| (k.as_str(), String::from_utf8_lossy(v.as_bytes()))).collect();
    let seen = json!({
        "method": request.method.as_str(),
        "path": request.path,
        "params": request.path_params,
        "query": request.query,
        "headers": headers,
        "body": String::from_utf8_lossy(&body),
    });
    Ok(respond(StatusCode::OK, &[("content-type", "application/json")], full_body(seen.to_string())))
}

/// Says the same as the client of a WebSocket did, or who it is.
async fn repeat(call: Call) -> Result<Response, Failure> {
    let caller = call.request.headers.get("mu-auth-subject").map(|caller| caller.to_str().unwrap().to_owned());
    if let Some(caller) = caller {
        return Ok(Response { status: StatusCode::OK, headers: HeaderMap::new(), body: full_body(caller) });
    }
    let body = collect_body(call.request.body, call.limits.request_bytes).await.unwrap();
    Ok(Response { status: StatusCode::OK, headers: HeaderMap::new(), body: full_body(body) })
}

/// A response with headers that are not the function's business, and one that is repeated.
fn chatty() -> Response {
    let headers = [
        ("connection", "close, x-private"),
        ("content-length", "3"),
        ("keep-alive", "timeout=1"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("transfer-encoding", "gzip, chunked"),
        ("x-private", "1"),
        ("x-request-id", "not mine to say"),
    ];
    respond(StatusCode::IM_A_TEAPOT, &headers, full_body("short and stout"))
}

fn respond(status: StatusCode, lines: &[(&'static str, &'static str)], body: Body) -> Response {
    let mut headers = HeaderMap::new();
    for &(name, value) in lines {
        headers.append(name, HeaderValue::from_static(value));
    }
    Response { status, headers, body }
}

fn streamed(chunks: &'static [&'static str]) -> Body {
    let frames = chunks.iter().map(|text| Ok(Frame::data(Bytes::from_static(text.as_bytes()))));
    StreamBody::new(stream::iter(frames)).boxed_unsync()
}

/// Fails after its first chunk, which is sent before.
fn broken_stream() -> Body {
    let chunks = stream::unfold(0, |step| async move {
        match step {
            0 => Some((Ok(Frame::data(Bytes::from_static(b"one "))), 1)),
            1 => {
                tokio::task::yield_now().await;
                Some((Err(BodyError::Stalled), 2))
            }
            _ => None,
        }
    });
    StreamBody::new(chunks).boxed_unsync()
}
