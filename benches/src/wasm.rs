//! An engine of ours, an engine without anything of ours, and a module for both.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mu_abi::{DbReply, DbRequest, Outgoing, Response, Status, StorageReply, StorageRequest};
use mu_env::Env;
use mu_runtime::{
    Artifact, Call, EgressPolicy, ExecutionUsage, Form, HttpClient, Limits, LoadParams, Owner, Request, Services,
    WasmConfig, WasmEngine, empty_body,
};
use mu_stack::{Instances, Runtime, StackId};
use mu_telemetry::{InvocationLog, LogRecord, LogSink};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// A module of about 1 MiB: functions, of which few are called, and data, of which little is touched, as in real ones.
/// Its `_start` reads the request and writes an answer.
pub(crate) fn large_module() -> Vec<u8> {
    let mut answer = Vec::new();
    Outgoing::FunctionResult(Response { status: Status::OK, headers: Vec::new(), body: b"hello".to_vec() })
        .encode(&mut answer);
    let mut functions = String::new();
    for index in 0..3_000 {
        let mut body = String::new();
        for step in 0..40 {
            let constant = index * 64 + step;
            write!(body, "(local.set $x (i32.xor (i32.mul (local.get $x) (i32.const {constant})) (i32.const 77)))")
                .expect("a String takes it");
        }
        write!(functions, "(func $f{index} (param $x i32) (result i32) {body} (local.get $x))").expect("likewise");
    }
    let data = "mu".repeat(150_000);
    let length = answer.len();
    let answer = escaped(&answer);
    let text = format!(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 17)
            (data (i32.const 1024) "{answer}")
            (data (i32.const 65536) "{data}")
            {functions}
            (func (export "_start")
                (i32.store (i32.const 0) (i32.const 8192))
                (i32.store (i32.const 4) (i32.const 4096))
                (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
                (drop (call $f7 (i32.const 1)))
                (i32.store (i32.const 0) (i32.const 1024))
                (i32.store (i32.const 4) (i32.const {length}))
                (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#
    );
    wat::parse_str(text).expect("the text is a module")
}

/// Bytes as a string of the text format.
pub(crate) fn escaped(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "\\{byte:02x}").expect("a String takes it");
        text
    })
}

/// Our engine, with everything a node has.
pub(crate) fn ours(env: &Env, cache_dir: &Path) -> WasmEngine {
    let http = HttpClient::new(EgressPolicy::PublicOnly);
    WasmEngine::start(env.clone(), &WasmConfig::new(cache_dir.to_owned()), http).expect("the engine starts")
}

/// The bare engine: pooled, copy-on-write, nothing counted and nothing limited.
pub(crate) fn bare() -> Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(1_000).total_memories(1_000).total_tables(1_000);
    let mut config = Config::new();
    config.memory_init_cow(true).allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

pub(crate) fn bare_engine(config: &Config) -> Engine {
    Engine::new(config).expect("the engine starts")
}

/// One call as the invoker would make it.
pub(crate) fn call(env: &Env) -> Call {
    let log: Arc<dyn LogSink> = Arc::new(Discarded);
    Call {
        handler: "hello".into(),
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
        deadline: env.clock().instant() + Duration::from_secs(30),
        limits: Limits {
            memory_bytes: 128 << 20,
            timeout: Duration::from_secs(30),
            instructions: 1 << 40,
            request_bytes: 6 << 20,
            message_bytes: 64 << 20,
            response_bytes: 6 << 20,
        },
        services: Arc::new(Nothing),
        log: InvocationLog::new(
            env.clone(),
            log,
            env.new_invocation_id(),
            [1; 32],
            "bench".into(),
            "f".into(),
            1 << 20,
        ),
    }
}

struct Discarded;

impl LogSink for Discarded {
    fn write(&self, _record: LogRecord) {}
}

struct Nothing;

#[async_trait]
impl Services for Nothing {
    async fn db(&self, _request: DbRequest) -> DbReply {
        DbReply::Error("the benchmark has no database".to_owned())
    }

    async fn storage(&self, _request: StorageRequest) -> StorageReply {
        StorageReply::Error("the benchmark has no storage".to_owned())
    }

    async fn has_box(&self, _name: &str) -> Result<bool, String> {
        Ok(false)
    }

    async fn node(&self, _request: http::Request<bytes::Bytes>) -> http::Response<bytes::Bytes> {
        std::future::pending().await
    }

    fn abandoned(&self, _usage: ExecutionUsage) {}
}

/// How a function of the benchmarks is loaded.
pub(crate) fn params(artifact: Artifact) -> LoadParams {
    let (runtime, instances) = (Runtime::Wasi1, Instances::Fresh);
    let owner = Owner::of(StackId::new([1; 32]), "stack", "function");
    LoadParams { artifact, runtime, instances, memory_limit_bytes: 128 << 20, owner }
}
