//! A gateway in front of a handler that tells the test what it sees, and does what messages say.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use mu_db::{MemKv, MuDb};
use mu_env::Env;
use mu_gateway::{Gateway, GatewayConfig, GatewayPorts};
use mu_invoke::{Cause, Deployment, InvokeConfig, Invoker, Parts, Ports, Receipt, ReceiptSink};
use mu_runtime::{
    Call, Engine, ExecutionUsage, Failure, LoadError, LoadParams, Outcome, Program, Ran, Response, Services,
    collect_body, full_body,
};
use mu_stack::StackId;
use mu_storage::{Boxes, MemBlobs, RootKey};
use mu_telemetry::{LogRecord, LogSink, Metrics};
use tokio::sync::{Mutex, Semaphore, mpsc};
use tokio::task::JoinHandle;

use crate::world::{STACK, TWIN, deploy, metrics};

pub(crate) const MANIFEST: &str = "
name: shop
version: '1'
services:
  - {type: Function, name: till, module: till.wasm, timeout: 300s}
  - type: Gateway
    name: live
    websocket: {max_message: 64KiB, max_connections: 3, max_rate: 50, idle_timeout: 5m}
    endpoints:
      /room/{room}: {get: till.plain, websocket: till.socket}
      /only: {websocket: till.socket}
      /plain: {get: till.plain}
  - type: Gateway
    name: shared
    cors: {allow_origins: ['https://a.example']}
    endpoints:
      /: {websocket: till.socket}
  - type: Gateway
    name: usual
    endpoints:
      /: {websocket: till.socket}
";

pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) env: Env,
    pub(crate) invoker: Arc<Invoker>,
    pub(crate) deployment: Arc<Deployment>,
    pub(crate) gate: Arc<Semaphore>,
    pub(crate) receipts: Arc<Receipts>,
    pub(crate) metrics: Metrics,
    pub(crate) serving: JoinHandle<()>,
    events: Mutex<mpsc::UnboundedReceiver<Event>>,
}

/// An event as the handler saw it.
#[derive(Debug)]
pub(crate) struct Event {
    /// `open GET /room/1 room=1 q=2`, `message text hi`, `close 1000 bye`.
    pub(crate) line: String,
    pub(crate) connection: String,
    pub(crate) headers: HeaderMap,
}

/// Keeps the causes of invocations, and drops log lines.
#[derive(Default)]
pub(crate) struct Receipts(std::sync::Mutex<Vec<Receipt>>);

impl Receipts {
    /// What the WebSocket invocations were, like `open /room/{room}`, and how they ended.
    pub(crate) fn lines(&self) -> Vec<String> {
        let all = std::mem::take(&mut *self.0.lock().unwrap());
        let lines = all.iter().filter_map(|receipt| match &receipt.cause {
            Cause::WebSocket { gateway, template, event, .. } => {
                Some(format!("{event} {gateway} {template} {:?}", receipt.verdict))
            }
            _ => None,
        });
        lines.collect()
    }
}

impl ReceiptSink for Receipts {
    fn accept(&self, receipt: Receipt) {
        self.0.lock().unwrap().push(receipt);
    }
}

impl LogSink for Receipts {
    fn write(&self, _record: LogRecord) {}
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(GatewayConfig::default(), InvokeConfig::default()).await
    }

    pub(crate) async fn with(config: GatewayConfig, invoke_config: InvokeConfig) -> Self {
        let env = Env::system();
        let (seen, events) = mpsc::unbounded_channel();
        let gate = Arc::new(Semaphore::new(0));
        let receipts = Arc::new(Receipts::default());
        let invoker = Arc::new(Invoker::new(Parts {
            env: env.clone(),
            engine: Arc::new(Handlers { seen, gate: Arc::clone(&gate) }),
            db: Arc::new(MuDb::new(Arc::new(MemKv::default()))),
            boxes: Arc::new(Boxes::open(Arc::new(MemBlobs::new()), RootKey::from_bytes([1; 32]), &env)),
            logs: Arc::clone(&receipts) as Arc<dyn LogSink>,
            receipts: Arc::clone(&receipts) as Arc<dyn ReceiptSink>,
            ports: Ports::default(),
            config: invoke_config,
        }));
        let deployment = deploy(&invoker, STACK, MANIFEST).await;
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let metrics = metrics();
        let ports = GatewayPorts { metrics: Some(metrics.clone()), ..GatewayPorts::default() };
        let gateway = Gateway::bind(anywhere, env.clone(), Arc::clone(&invoker), config).unwrap().with_ports(ports);
        let address = gateway.address();
        let serving = tokio::spawn(gateway.serve(env.tasks().shutdown().clone()));
        let events = Mutex::new(events);
        Self { address, env, invoker, deployment, gate, receipts, metrics, serving, events }
    }

    /// Replaces the stack by another version of it.
    pub(crate) async fn deploy(&self, manifest: &str) {
        deploy(&self.invoker, STACK, manifest).await;
    }

    /// Deploys the same stack once more, under another id.
    pub(crate) async fn deploy_twin(&self) -> StackId {
        deploy(&self.invoker, TWIN, MANIFEST).await.id()
    }

    /// The next event that the handler sees.
    pub(crate) async fn event(&self) -> Event {
        self.events.lock().await.recv().await.unwrap()
    }

    pub(crate) async fn line(&self) -> String {
        self.event().await.line
    }

    /// Whether the handler has seen nothing more.
    pub(crate) async fn has_no_event(&self) -> bool {
        self.events.lock().await.try_recv().is_err()
    }
}

struct Handlers {
    seen: mpsc::UnboundedSender<Event>,
    gate: Arc<Semaphore>,
}

#[async_trait]
impl Engine for Handlers {
    async fn load(&self, _params: LoadParams) -> Result<Arc<dyn Program>, LoadError> {
        Ok(Arc::new(Self { seen: self.seen.clone(), gate: Arc::clone(&self.gate) }))
    }
}

#[async_trait]
impl Program for Handlers {
    async fn run(&self, call: Call) -> Ran {
        let result = match &*call.handler {
            "plain" => {
                let mut names: Vec<_> = call.request.headers.keys().map(ToString::to_string).collect();
                names.sort();
                Ok(respond(StatusCode::OK, HeaderMap::new(), names.join(" ")))
            }
            _ => self.socket(call).await,
        };
        Ran::Ended(Outcome { result, usage: ExecutionUsage::default() })
    }
}

impl Handlers {
    async fn socket(&self, call: Call) -> Result<Response, Failure> {
        let request = call.request;
        let body = collect_body(request.body, call.limits.request_bytes).await.unwrap();
        let text = String::from_utf8_lossy(&body).into_owned();
        let header = |name: &str| request.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        let connection = header("mu-websocket-connection").unwrap();
        let pairs = |pairs: &[(String, String)]| pairs.iter().map(|(k, v)| format!(" {k}={v}")).collect::<String>();
        let shown = if text.len() > 50 { format!("({} bytes)", text.len()) } else { text.clone() };
        let line = match header("mu-websocket-event").as_deref() {
            Some("open") => {
                let (params, query) = (pairs(&request.path_params), pairs(&request.query));
                format!("open {} {}{params}{query}", request.method, request.path)
            }
            Some("message") => {
                let kind = if header("content-type").as_deref() == Some("text/plain; charset=utf-8") {
                    "text"
                } else {
                    "binary"
                };
                format!("message {kind} {shown}")
            }
            Some("close") => format!("close {} {shown}", header("mu-websocket-code").unwrap()),
            other => panic!("no event: {other:?}"),
        };
        let event = Event { line, connection: connection.clone(), headers: request.headers.clone() };
        let _ = self.seen.send(event);
        let query = |key: &str| request.query.iter().find(|(k, _)| k == key).map(|(_, value)| value.clone());
        match header("mu-websocket-event").as_deref() {
            Some("open") => self.opened(&query).await,
            Some("message") => self.said(&*call.services, &connection, &request.headers, body, &text).await,
            _ => Ok(respond(StatusCode::OK, HeaderMap::new(), "nobody hears this")),
        }
    }

    /// Answers a handshake as its query says.
    async fn opened(&self, query: &(dyn Fn(&str) -> Option<String> + Sync)) -> Result<Response, Failure> {
        if query("fatal").is_some() {
            return Err(Failure::Fatal("a secret".to_owned()));
        }
        if query("gate").is_some() {
            self.gate.acquire().await.unwrap().forget();
        }
        let mut headers = HeaderMap::new();
        headers.insert("x-own", HeaderValue::from_static("1"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        if let Some(protocol) = query("protocol") {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_str(&protocol).unwrap());
        }
        let status = query("status").map_or(200, |status| status.parse().unwrap());
        Ok(respond(StatusCode::from_u16(status).unwrap(), headers, query("hello").unwrap_or_default()))
    }

    /// Does what a message says: the others are sent back.
    async fn said(
        &self,
        services: &dyn Services,
        connection: &str,
        headers: &HeaderMap,
        body: Bytes,
        text: &str,
    ) -> Result<Response, Failure> {
        let (command, rest) = text.split_once(' ').unwrap_or((text, ""));
        let mut answer = HeaderMap::new();
        match command {
            "status" => return Ok(respond(StatusCode::from_u16(rest.parse().unwrap()).unwrap(), answer, "because")),
            "fail" => return Err(Failure::Fatal("a secret".to_owned())),
            "nothing" => return Ok(respond(StatusCode::OK, answer, "")),
            "gate" => self.gate.acquire().await.unwrap().forget(),
            "as" => {
                answer.insert(header::CONTENT_TYPE, HeaderValue::from_str(rest).unwrap());
                return Ok(respond(StatusCode::OK, answer, body));
            }
            "empty" => {
                answer.insert(header::CONTENT_TYPE, HeaderValue::from_str(rest).unwrap());
                return Ok(respond(StatusCode::OK, answer, ""));
            }
            "many" => return Ok(respond(StatusCode::OK, answer, vec![b'x'; rest.parse().unwrap()])),
            // `node METHOD /path body`, to which its answer is sent back.
            "node" => {
                let mut parts = rest.splitn(3, ' ');
                let (method, path) = (parts.next().unwrap(), parts.next().unwrap().replace("ME", connection));
                let data = Bytes::from(parts.next().unwrap_or_default().to_owned());
                let asked = http::Request::builder().method(method).uri(path).body(data).unwrap();
                let (head, data) = services.node(asked).await.into_parts();
                let said = format!("{} {}", head.status.as_u16(), String::from_utf8_lossy(&data));
                return Ok(respond(StatusCode::OK, answer, said));
            }
            _ => {}
        }
        if let Some(kind) = headers.get(header::CONTENT_TYPE).filter(|_| command == "same") {
            answer.insert(header::CONTENT_TYPE, kind.clone());
        }
        Ok(respond(StatusCode::OK, answer, body))
    }
}

fn respond(status: StatusCode, headers: HeaderMap, body: impl Into<Bytes>) -> Response {
    Response { status, headers, body: full_body(body) }
}
