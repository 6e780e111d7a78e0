//! An engine to test, and modules to run on it.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use mu_abi::{DbReply, DbRequest, Header, Outgoing, Status, StorageReply, StorageRequest};
use mu_env::Env;
use mu_runtime::{
    Artifact, Call, EgressPolicy, Engine, ExecutionUsage, Form, HttpClient, Limits, LoadError, LoadParams, Outcome,
    Owner, Program, Ran, Request, Services, WasmConfig, WasmEngine, empty_body,
};
use mu_stack::{Instances, Runtime, StackId};
use mu_telemetry::{InvocationLog, LogRecord, LogSink};

/// Limits that no well-behaved module of these tests reaches.
pub(crate) const LIMITS: Limits = Limits {
    memory_bytes: 16 << 20,
    timeout: Duration::from_secs(60),
    instructions: 10_000_000_000,
    request_bytes: 1 << 20,
    message_bytes: 1 << 20,
    response_bytes: 1 << 20,
};

/// An engine with its cache in a directory of its own, and what its functions logged.
pub(crate) struct Bench {
    pub(crate) engine: WasmEngine,
    pub(crate) env: Env,
    pub(crate) logs: Arc<Kept>,
    _dir: Option<tempfile::TempDir>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut bench = Self::in_directory(dir.path());
        bench._dir = Some(dir);
        bench
    }

    pub(crate) fn in_directory(cache_dir: &Path) -> Self {
        // Another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let env = Env::system();
        let mut config = WasmConfig::new(cache_dir.to_owned());
        config.instances = 20;
        let http = HttpClient::new(EgressPolicy::PublicOnly);
        let engine = WasmEngine::start(env.clone(), &config, http).unwrap();
        Self { engine, env, logs: Arc::default(), _dir: None }
    }

    pub(crate) async fn load(&self, text: &str) -> Result<Arc<dyn Program>, LoadError> {
        self.load_bytes(wat::parse_str(text).unwrap()).await
    }

    pub(crate) async fn load_bytes(&self, wasm: impl Into<bytes::Bytes>) -> Result<Arc<dyn Program>, LoadError> {
        self.engine.load(params(wasm, Runtime::Wasi1)).await
    }

    pub(crate) async fn run(&self, text: &str) -> Outcome {
        self.run_limited(text, LIMITS).await
    }

    pub(crate) async fn run_limited(&self, text: &str, limits: Limits) -> Outcome {
        ended(self.load(text).await.unwrap().run(self.call(limits)).await)
    }

    pub(crate) fn call(&self, limits: Limits) -> Call {
        call(&self.env, &self.logs, limits)
    }
}

/// A call without a body, whose lines go to `logs`.
pub(crate) fn call(env: &Env, logs: &Arc<Kept>, limits: Limits) -> Call {
    let sink = Arc::clone(logs) as Arc<dyn LogSink>;
    let id = env.new_invocation_id();
    Call {
        handler: "handle".into(),
        request: Request {
            form: Form::Http,
            begun: None,
            method: http::Method::GET,
            path: "/".to_owned(),
            path_params: Vec::new(),
            query: Vec::new(),
            raw_query: None,
            headers: http::HeaderMap::new(),
            body: empty_body(),
        },
        env: Arc::new([]),
        limits,
        deadline: env.clock().instant() + limits.timeout,
        services: Arc::new(Silent::default()),
        log: InvocationLog::new(env.clone(), sink, id, [1; 32], "stack".into(), "function".into(), 1_000),
    }
}

/// How a function of these tests is loaded.
pub(crate) fn params(wasm: impl Into<bytes::Bytes>, runtime: Runtime) -> LoadParams {
    let artifact = Artifact::from_bytes(wasm);
    let (instances, memory_limit_bytes) = (Instances::Fresh, LIMITS.memory_bytes);
    LoadParams { artifact, runtime, instances, memory_limit_bytes, owner: owner() }
}

/// For whom functions of these tests are loaded.
pub(crate) fn owner() -> Owner {
    Owner::of(StackId::new([1; 32]), "stack", "function")
}

/// The outcome of a run that is over.
pub(crate) fn ended(ran: Ran) -> Outcome {
    ran.ended().expect("the program answers with its end")
}

/// The lines that functions logged, as `source level message`.
#[derive(Default)]
pub(crate) struct Kept(Mutex<Vec<String>>);

impl Kept {
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl LogSink for Kept {
    fn write(&self, record: LogRecord) {
        let line = format!("{} {} {}", record.source.as_str(), record.level, record.message);
        self.0.lock().unwrap().push(line);
    }
}

/// Services that never answer, and remember what abandoned calls used.
#[derive(Clone, Default)]
pub(crate) struct Silent(pub(crate) Arc<Mutex<Vec<ExecutionUsage>>>);

#[async_trait]
impl Services for Silent {
    async fn db(&self, _request: DbRequest) -> DbReply {
        std::future::pending().await
    }

    async fn storage(&self, _request: StorageRequest) -> StorageReply {
        std::future::pending().await
    }

    async fn has_box(&self, _name: &str) -> Result<bool, String> {
        std::future::pending().await
    }

    async fn node(&self, _request: http::Request<bytes::Bytes>) -> http::Response<bytes::Bytes> {
        std::future::pending().await
    }

    fn abandoned(&self, usage: ExecutionUsage) {
        self.0.lock().unwrap().push(usage);
    }
}

/// A module with one page of memory that imports what the tests use and runs `body`.
pub(crate) fn module(body: &str) -> String {
    format!(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
            (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (func $write (param $fd i32) (param $address i32) (param $length i32)
                (loop $rest
                    (i32.store (i32.const 0) (local.get $address))
                    (i32.store (i32.const 4) (local.get $length))
                    (drop (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)))
                    (local.set $address (i32.add (local.get $address) (i32.load (i32.const 8))))
                    (local.set $length (i32.sub (local.get $length) (i32.load (i32.const 8))))
                    (br_if $rest (local.get $length))))
            (func $read
                (i32.store (i32.const 0) (i32.const 32768))
                (i32.store (i32.const 4) (i32.const 32768))
                (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8))))
            {body})"#
    )
}

/// A module that writes `messages` one after the other to standard output, then runs `then`.
pub(crate) fn writes(messages: &[Outgoing], then: &str) -> String {
    let mut bytes = Vec::new();
    for message in messages {
        message.encode(&mut bytes);
    }
    writes_bytes(&bytes, then)
}

/// A module that writes `bytes` to standard output, then runs `then`.
pub(crate) fn writes_bytes(bytes: &[u8], then: &str) -> String {
    let data = bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "\\{byte:02x}").unwrap();
        text
    });
    let length = bytes.len();
    module(&format!(
        r#"(data (i32.const 1024) "{data}")
           (func (export "_start") (call $write (i32.const 1) (i32.const 1024) (i32.const {length})) {then})"#
    ))
}

pub(crate) fn result(status: u16, headers: &[(&str, &str)], body: &str) -> Outgoing {
    Outgoing::FunctionResult(mu_abi::Response {
        status: Status::from(status),
        headers: headers.iter().map(|(name, value)| Header::new(*name, *value)).collect(),
        body: body.as_bytes().to_vec(),
    })
}
