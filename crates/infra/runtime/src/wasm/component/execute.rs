//! One call of one component, from the request to the end of the handler.

use std::pin::Pin;
use std::sync::Arc;

use mu_telemetry::InvocationLog;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use wasmtime::{PoolConcurrencyLimitError, Store, Trap};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::{WasiBody, WasiHttpView, p2, p3};

use super::answer::{Answer, Cut};
use super::compile::HandlerPre;
use super::pacing;
use super::request::request;
use super::reuse::IdleInstances;
use super::state::ComponentState;
use crate::wasm::Shared;
use crate::wasm::code::Code;
use crate::wasm::meter::{self, Execution};
use crate::wasm::program::describe;
use crate::wasm::slice::{SLICE_INSTRUCTIONS, Slice};
use crate::{ExecutionUsage, Failure, Limits, Request, RestOutcome, Services};

/// Bytes that a guest may pass to the host in one call: above any message, chunk of a body or batch of rows.
const HOST_CALL_BYTES_MAX: usize = 64 << 20;

/// A call, and where its answer goes.
pub(super) struct Job {
    pub(super) handler: Arc<str>,
    pub(super) request: Request,
    pub(super) env: Arc<[(String, String)]>,
    pub(super) limits: Limits,
    pub(super) deadline: Instant,
    pub(super) services: Arc<dyn Services>,
    pub(super) log: Arc<InvocationLog>,
    pub(super) cut: Cut,
    pub(super) reply: oneshot::Sender<Answer>,
}

/// An instance ready for requests.
pub(super) enum Handler {
    Incoming(p2::bindings::Proxy),
    Service(p3::bindings::Service),
}

/// Runs a call to its end. The answer may be there long before.
pub(super) async fn execute(
    shared: Arc<Shared>,
    code: Arc<Code>,
    job: Job,
    slice: Slice,
    idle: Option<Arc<IdleInstances>>,
) -> RestOutcome {
    let Some(component) = code.component() else {
        return (Err(Failure::Internal("the code is of another runtime".to_owned())), ExecutionUsage::default());
    };
    let (store, handler) = match idle.as_ref().and_then(|idle| idle.take()) {
        Some(mut instance) => {
            instance.store.data_mut().begin_next(&job, slice.clone());
            (instance.store, Some(instance.handler))
        }
        None => (Store::new(component.handler.engine(), ComponentState::new(shared, &job, slice.clone())), None),
    };
    let mut execution = Execution::new(store);
    let Job { handler: handler_name, request: asked, limits, deadline, reply, .. } = job;
    let request = match request(&handler_name, asked).and_then(|request| {
        let is_ready = prepare(execution.store());
        is_ready.map(|()| request).map_err(|e| Failure::Internal(format!("{e:#}")))
    }) {
        Ok(request) => request,
        Err(failure) => return (Err(failure), execution.end()),
    };
    slice.begin();
    let end = timeout_at(deadline, async {
        let handler = match handler {
            Some(handler) => handler,
            None => component.handler.instantiate(execution.store()).await?,
        };
        handler.handle(execution.store(), request, reply).await?;
        wasmtime::Result::Ok(handler)
    })
    .await;

    let usage = execution.end();
    let state = execution.store().data();
    state.flush_logs();
    let result = match end {
        Err(_) => Err(Failure::TimedOut { timeout: limits.timeout }),
        Ok(Err(error)) => Err(failure_of(&error, state, &limits)),
        Ok(Ok(handler)) => {
            execution.store().data_mut().mark_ended();
            if let Some(idle) = &idle {
                idle.keep(execution.into_store(), handler);
            }
            Ok(())
        }
    };
    (result, usage)
}

fn prepare(store: &mut Store<ComponentState>) -> wasmtime::Result<()> {
    meter::install(store)?;
    store.call_hook(pacing::hook);
    store.set_hostcall_fuel(HOST_CALL_BYTES_MAX);
    store.fuel_async_yield_interval(Some(SLICE_INSTRUCTIONS))
}

impl HandlerPre {
    fn engine(&self) -> &wasmtime::Engine {
        match self {
            Self::Incoming(pre) => pre.engine(),
            Self::Service(pre) => pre.engine(),
        }
    }

    async fn instantiate(&self, store: &mut Store<ComponentState>) -> wasmtime::Result<Handler> {
        Ok(match self {
            Self::Incoming(pre) => Handler::Incoming(pre.instantiate_async(store).await?),
            Self::Service(pre) => Handler::Service(pre.instantiate_async(store).await?),
        })
    }
}

impl Handler {
    async fn handle(
        &self,
        store: &mut Store<ComponentState>,
        request: http::Request<WasiBody>,
        reply: oneshot::Sender<Answer>,
    ) -> wasmtime::Result<()> {
        match self {
            Self::Incoming(proxy) => {
                let mut http = store.data_mut().http();
                let request = http.new_incoming_request(Scheme::Http, request)?;
                let outparam = http.new_response_outparam_from_callback(move |answer| {
                    // Nobody waits for the answer when the client has gone.
                    let _ = reply.send(answer.map_err(|code| format!("{code:?}")));
                })?;
                proxy.wasi_http_incoming_handler().call_handle(store, request, outparam).await
            }
            Self::Service(service) => handle_concurrently(service, store, request, reply).await,
        }
    }
}

/// Completes when the guest has read its request, or failed to.
type Received = Pin<Box<dyn Future<Output = Result<(), wasmtime_wasi_http::Error>> + Send>>;

/// A call in WASI 0.3: the response is returned, and tasks that the handler started write its body.
async fn handle_concurrently(
    service: &p3::bindings::Service,
    store: &mut Store<ComponentState>,
    request: http::Request<WasiBody>,
    reply: oneshot::Sender<Answer>,
) -> wasmtime::Result<()> {
    store.data_mut().mark_concurrent();
    let called = store.run_concurrent(async |accessor| {
        let (request, received) = accessor.with(|mut access| {
            let http = access.get().http();
            let (request, received) = p3::Request::from_http(http.hooks, request);
            let received: Received = Box::pin(received);
            Ok::<_, wasmtime::Error>((http.table.push(request)?, received))
        })?;
        let answer = match service.wasi_http_handler().call_handle(accessor, request).await? {
            Ok(response) => Ok(accessor.with(|mut access| {
                let response = access.get().table.delete(response)?;
                response.into_http(&mut access, received)
            })?),
            Err(code) => Err(format!("{code:?}")),
        };
        let _ = reply.send(answer);
        std::future::poll_fn(|context| accessor.poll_no_interesting_tasks(context)).await;
        wasmtime::Result::Ok(())
    });
    called.await?
}

fn failure_of(error: &wasmtime::Error, state: &ComponentState, limits: &Limits) -> Failure {
    if error.downcast_ref::<Trap>() == Some(&Trap::OutOfFuel) {
        return Failure::InstructionsExhausted { limit: limits.instructions };
    }
    if let Some(I32Exit(status)) = error.downcast_ref::<I32Exit>() {
        return Failure::NoResult(format!(": it exited with status {status}"));
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return Failure::NoRoom;
    }
    Failure::Trap(meter::with_memory_hint(describe(error), state.memory_meter()))
}
