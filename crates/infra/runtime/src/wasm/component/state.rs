//! What one instance of a component carries with it.

use std::sync::Arc;
use std::time::Duration;

use mu_env::Env;
use mu_telemetry::{InvocationLog, LogSource};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::p2::body::HostOutgoingBody;
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::answer::Cut;
use super::blobstore::HeldValues;
use super::egress::Egress;
use super::execute::Job;
use super::pacing::Pacing;
use super::stdio::LogStream;
use crate::wasm::Shared;
use crate::wasm::meter::{MemoryMeter, Metered};
use crate::wasm::slice::Slice;
use crate::{ExecutionUsage, Services};

/// Handles (streams, headers, pollables, buckets) that a guest may have at once.
const HANDLES_MAX: usize = 10_000;

/// Random bytes that a guest may ask for at once.
const RANDOM_BYTES_MAX: u64 = 1 << 20;

/// The data of an instance's store: everything host functions work on.
pub(in crate::wasm) struct ComponentState {
    meter: MemoryMeter,
    budget: u64,
    slice: Slice,
    pub(super) pacing: Pacing,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    egress: Egress,
    pub(super) table: ResourceTable,
    pub(super) held_values: HeldValues,
    pub(super) log: Arc<InvocationLog>,
    stdout: LogStream,
    stderr: LogStream,
    pub(super) environment: Arc<[(String, String)]>,
    services: Arc<dyn Services>,
    shared: Arc<Shared>,
    calls: u32,
    cut: Cut,
    has_ended: bool,
    /// Whether it is one of WASI 0.3.
    is_concurrent: bool,
}

impl ComponentState {
    pub(super) fn new(shared: Arc<Shared>, job: &Job, slice: Slice) -> Self {
        let stdout = LogStream::new(LogSource::Stdout, Arc::clone(&job.log));
        let stderr = LogStream::new(LogSource::Stderr, Arc::clone(&job.log));
        let clock = NodeClock { started: shared.env.clock().instant(), env: shared.env.clone() };
        let wasi = WasiCtx::builder()
            .envs(&job.env)
            .stdout(stdout.clone())
            .stderr(stderr.clone())
            .allow_tcp(false)
            .allow_udp(false)
            .max_random_size(RANDOM_BYTES_MAX)
            .wall_clock(clock.clone())
            .monotonic_clock(clock)
            .build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES_MAX);
        Self {
            meter: MemoryMeter::new(job.limits.memory_bytes),
            budget: budget(job),
            slice,
            pacing: Pacing::new(),
            wasi,
            http: WasiHttpCtx::new(),
            egress: Egress::new(shared.http.clone(), Arc::clone(&job.services)),
            table,
            held_values: HeldValues::default(),
            log: Arc::clone(&job.log),
            stdout,
            stderr,
            environment: Arc::clone(&job.env),
            services: Arc::clone(&job.services),
            shared,
            calls: 0,
            cut: job.cut.clone(),
            has_ended: false,
            is_concurrent: false,
        }
    }

    /// Makes the state of an instance that has served a call before that of its next one.
    pub(super) fn begin_next(&mut self, job: &Job, slice: Slice) {
        self.meter = self.meter.next(job.limits.memory_bytes);
        self.budget = budget(job);
        self.slice = slice;
        self.pacing = Pacing::new();
        self.log = Arc::clone(&job.log);
        self.stdout.redirect(Arc::clone(&job.log));
        self.stderr.redirect(Arc::clone(&job.log));
        self.services = Arc::clone(&job.services);
        self.egress = Egress::new(self.shared.http.clone(), Arc::clone(&job.services));
        self.cut = job.cut.clone();
        self.has_ended = false;
    }

    /// The handler has come to its end by itself.
    pub(super) fn mark_ended(&mut self) {
        self.has_ended = true;
    }

    /// The instance runs tasks of WASI 0.3.
    pub(super) fn mark_concurrent(&mut self) {
        self.is_concurrent = true;
    }

    /// Counts the calls that the instance has served.
    pub(super) fn count_call(&mut self) -> u32 {
        self.calls += 1;
        self.calls
    }

    /// Logs what has been written of a line.
    pub(super) fn flush_logs(&self) {
        self.stdout.flush_line();
        self.stderr.flush_line();
    }

    pub(super) fn slice(&self) -> &Slice {
        &self.slice
    }

    pub(super) fn memory_meter(&self) -> &MemoryMeter {
        &self.meter
    }

    /// Asks the node something. The answer is worked out by the node's own threads: those that compute do nothing else.
    pub(super) fn ask<T, F, Q>(&self, question: Q) -> impl Future<Output = wasmtime::Result<T>> + Send + use<T, F, Q>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
        Q: FnOnce(Arc<dyn Services>) -> F,
    {
        let work = question(Arc::clone(&self.services));
        let node = self.slice.has_moved().then(|| self.shared.node.clone());
        async move {
            match node {
                None => Ok(work.await),
                // Dropped, when the guest's time is over, it stops the work.
                Some(node) => Ok(AbortOnDropHandle::new(node.spawn(work)).await?),
            }
        }
    }
}

impl Drop for ComponentState {
    fn drop(&mut self) {
        // Before its streams are dropped with it. A body that was finished is no longer in the table of WASI 0.2; of one
        // that tasks of WASI 0.3 write, nothing is known.
        if !self.has_ended && (self.is_concurrent || self.table.iter_mut().any(|entry| entry.is::<HostOutgoingBody>()))
        {
            self.cut.cut();
        }
    }
}

/// The engine keeps fuel as a signed number.
fn budget(job: &Job) -> u64 {
    job.limits.instructions.min(i64::MAX as u64)
}

impl Metered for ComponentState {
    fn meter(&mut self) -> &mut MemoryMeter {
        &mut self.meter
    }

    fn budget(&self) -> u64 {
        self.budget
    }

    fn abandoned(&self, usage: ExecutionUsage) {
        self.services.abandoned(usage);
    }
}

impl WasiView for ComponentState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.pacing.note_function();
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for ComponentState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        self.pacing.note_function();
        WasiHttpCtxView { hooks: &mut self.egress, table: &mut self.table, ctx: &mut self.http }
    }
}

/// The node's time, as a guest asks for it.
#[derive(Clone)]
struct NodeClock {
    env: Env,
    /// Where the monotonic clock begins.
    started: Instant,
}

impl HostWallClock for NodeClock {
    fn resolution(&self) -> Duration {
        Duration::from_micros(1)
    }

    fn now(&self) -> Duration {
        Duration::from_micros(self.env.clock().now().as_micros())
    }
}

impl HostMonotonicClock for NodeClock {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        let since = self.env.clock().instant().saturating_duration_since(self.started);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }
}
