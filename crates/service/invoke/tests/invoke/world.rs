//! An invoker on data in memory, whose functions are one closure.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use mu_db::{MemKv, MuDb};
use mu_env::{Env, Timestamp};
use mu_invoke::{
    Cause, DeployError, DeployParams, Deployment, InvokeConfig, InvokeError, Invoker, Parts, Ports, Receipt,
    ReceiptSink, Secrets,
};
use mu_runtime::{
    Artifact, Call, Engine, ExecutionUsage, Failure, Form, LoadError, LoadParams, Outcome, Program, Ran, Request,
    Response, empty_body, full_body,
};
use mu_stack::{Manifest, StackId};
use mu_storage::{Boxes, MemBlobs, RootKey};
use mu_telemetry::{Level, LogRecord, LogSink, LogSource};

type Function = Arc<dyn Fn(Call) -> BoxFuture<'static, Ran> + Send + Sync>;

/// What every program of the fake engine uses.
pub(crate) const USAGE: ExecutionUsage =
    ExecutionUsage { instructions: 1_000, byte_instructions: 65_536_000, memory_bytes_max: 65_536 };

pub(crate) const MANIFEST: &str = "
name: shop
version: '1'
services:
  - {type: Function, name: till, module: till.wasm, timeout: 5s, memory_limit: 1MiB, env: {COLOUR: red}}
  - {type: KeyValueTable, name: items}
  - {type: KeyValueTable, name: users}
  - {type: Storage, name: photos}
  - type: Gateway
    name: api
    endpoints:
      /pay/{amount}: {post: till.pay}
";

pub(crate) struct World {
    pub(crate) invoker: Arc<Invoker>,
    pub(crate) env: Env,
    pub(crate) sink: Arc<Sink>,
}

/// Keeps receipts and log lines.
#[derive(Default)]
pub(crate) struct Sink {
    receipts: Mutex<Vec<Receipt>>,
    lines: Mutex<Vec<LogRecord>>,
}

impl ReceiptSink for Sink {
    fn accept(&self, receipt: Receipt) {
        self.receipts.lock().unwrap().push(receipt);
    }
}

impl LogSink for Sink {
    fn write(&self, record: LogRecord) {
        self.lines.lock().unwrap().push(record);
    }
}

impl Sink {
    /// The receipts since the last time.
    pub(crate) fn receipts(&self) -> Vec<Receipt> {
        std::mem::take(&mut self.receipts.lock().unwrap())
    }

    /// The lines of the runtime since the last time.
    pub(crate) fn runtime_lines(&self) -> Vec<(Level, String)> {
        let lines = std::mem::take(&mut *self.lines.lock().unwrap());
        let runtime = lines.into_iter().filter(|line| line.source == LogSource::Runtime);
        runtime.map(|line| (line.level, line.message)).collect()
    }
}

/// Runs the closure as the code of whatever is loaded, unless the code says that it is broken.
struct ClosureEngine(Function);

struct ClosureProgram(Function);

#[async_trait]
impl Engine for ClosureEngine {
    async fn load(&self, params: LoadParams) -> Result<Arc<dyn Program>, LoadError> {
        if params.artifact.read().map_err(LoadError::Read)? == "broken" {
            return Err(LoadError::NoStart);
        }
        Ok(Arc::new(ClosureProgram(Arc::clone(&self.0))))
    }
}

#[async_trait]
impl Program for ClosureProgram {
    async fn run(&self, call: Call) -> Ran {
        (self.0)(call).await
    }
}

impl World {
    /// The function's handlers answer with their end.
    pub(crate) fn new<F, R>(config: InvokeConfig, function: F) -> Self
    where
        F: Fn(Call) -> R + Send + Sync + 'static,
        R: Future<Output = Outcome> + Send + 'static,
    {
        Self::running(config, move |call| {
            let called = function(call);
            async { Ran::Ended(called.await) }
        })
    }

    /// The function's handlers may go on after their answer.
    pub(crate) fn running<F, R>(config: InvokeConfig, function: F) -> Self
    where
        F: Fn(Call) -> R + Send + Sync + 'static,
        R: Future<Output = Ran> + Send + 'static,
    {
        Self::with_ports(config, Ports::default(), function)
    }

    /// The node has these ports.
    pub(crate) fn with_ports<F, R>(config: InvokeConfig, ports: Ports, function: F) -> Self
    where
        F: Fn(Call) -> R + Send + Sync + 'static,
        R: Future<Output = Ran> + Send + 'static,
    {
        let env = Env::simulated(1, Timestamp::from_micros(1_000_000));
        let sink = Arc::new(Sink::default());
        let invoker = Invoker::new(Parts {
            env: env.clone(),
            engine: Arc::new(ClosureEngine(Arc::new(move |call| Box::pin(function(call))))),
            db: Arc::new(MuDb::new(Arc::new(MemKv::default()))),
            boxes: Arc::new(Boxes::open(Arc::new(MemBlobs::new()), RootKey::from_bytes([1; 32]), &env)),
            logs: Arc::clone(&sink) as Arc<dyn LogSink>,
            receipts: Arc::clone(&sink) as Arc<dyn ReceiptSink>,
            ports,
            config,
        });
        Self { invoker: Arc::new(invoker), env, sink }
    }

    /// Deploys a manifest under the id of 32 times `id`; the code of all of its functions is `code`.
    pub(crate) async fn deploy(
        &self,
        id: u8,
        manifest: &str,
        code: &'static str,
    ) -> Result<Arc<Deployment>, DeployError> {
        self.invoker.deploy(params(id, 1, manifest, code)).await
    }

    pub(crate) async fn shop(&self) -> Arc<Deployment> {
        self.deploy(1, MANIFEST, "code").await.unwrap()
    }

    /// Calls `till.pay` with an empty request.
    pub(crate) async fn pay(&self, deployment: &Arc<Deployment>) -> Result<Response, InvokeError> {
        let target = deployment.target(&"till.pay".parse().unwrap()).unwrap();
        let id = self.env.new_invocation_id();
        self.invoker.invoke(deployment, &target, Cause::CommandLine, id, request()).await
    }
}

/// A version of a stack whose id is 32 times `id`; the code of all of its functions is `code`.
pub(crate) fn params(id: u8, version: u64, manifest: &str, code: &'static str) -> DeployParams {
    let manifest = Manifest::parse("mu.yaml", manifest.as_bytes()).expect("the test's manifest is valid");
    let stack = manifest.deployed_stack();
    let artifacts = stack.functions().map(|function| (function.name.clone(), Artifact::from_bytes(code))).collect();
    DeployParams {
        id: StackId::new([id; 32]),
        version,
        owner: Some("k_owner".into()),
        stack,
        artifacts,
        secrets: Secrets::default(),
        function_id: None,
    }
}

pub(crate) fn request() -> Request {
    Request {
        form: Form::Http,
        begun: None,
        method: http::Method::POST,
        path: "/pay/7".to_owned(),
        path_params: vec![("amount".to_owned(), "7".to_owned())],
        query: Vec::new(),
        raw_query: None,
        headers: http::HeaderMap::new(),
        body: empty_body(),
    }
}

pub(crate) fn answered(body: impl Into<bytes::Bytes>) -> Outcome {
    let (status, headers) = (http::StatusCode::CREATED, http::HeaderMap::new());
    Outcome { result: Ok(Response { status, headers, body: full_body(body) }), usage: USAGE }
}

pub(crate) fn failed(failure: Failure) -> Outcome {
    Outcome { result: Err(failure), usage: USAGE }
}
