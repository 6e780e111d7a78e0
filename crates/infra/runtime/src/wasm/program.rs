//! One call of one module, from the request to the outcome.

use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use mu_abi::{Header, HttpMethod, Incoming};
use mu_stack::Runtime;
use mu_telemetry::Level;
use tokio::time::timeout_at;
use wasmtime::{PoolConcurrencyLimitError, Store, Trap, WasmBacktrace};

use super::Shared;
use super::code::Code;
use super::compile::CompiledModule;
use super::meter::{self, Execution, MemoryMeter};
use super::preview1::Exit;
use super::protocol::{Conversation, Ending, MessageLimits};
use super::slice::{InSlices, SLICE_INSTRUCTIONS, Slice};
use super::state::State;
use crate::lines::to_log;
use crate::message::check_head;
use crate::{
    Artifact, BodyError, Call, ExecutionUsage, Failure, Limits, Outcome, Program, Ran, Request, Response, collect_body,
    full_body,
};

/// A loaded module.
pub(super) struct WasmProgram {
    shared: Arc<Shared>,
    artifact: Artifact,
}

impl WasmProgram {
    pub(super) fn new(shared: Arc<Shared>, artifact: Artifact) -> Self {
        Self { shared, artifact }
    }
}

#[async_trait]
impl Program for WasmProgram {
    async fn run(&self, call: Call) -> Ran {
        let no_usage = |failure| Outcome { result: Err(failure), usage: ExecutionUsage::default() };
        let code = match timeout_at(call.deadline, self.shared.code.obtain(&self.artifact, Runtime::Wasi1)).await {
            Ok(Ok(code)) => code,
            Ok(Err(error)) => return no_usage(error.into()).into(),
            Err(_) => return no_usage(Failure::TimedOut { timeout: call.limits.timeout }).into(),
        };
        let slice = Slice::new();
        let execution = execute(Arc::clone(&self.shared), code, call, slice.clone());
        let outcome = InSlices::start(Arc::clone(&self.shared), slice, execution).await;
        outcome.unwrap_or_else(|| no_usage(Failure::Internal("the engine is shutting down".to_owned()))).into()
    }
}

async fn execute(shared: Arc<Shared>, code: Arc<Code>, call: Call, slice: Slice) -> Outcome {
    let Call { handler, request, env, limits, deadline, services, log } = call;
    let timed_out = || Failure::TimedOut { timeout: limits.timeout };
    let no_usage = |failure| Outcome { result: Err(failure), usage: ExecutionUsage::default() };

    let Some(module) = code.module() else {
        return no_usage(Failure::Internal("the code is of another runtime".to_owned()));
    };
    let input = match timeout_at(deadline, first_message(&handler, request, limits.request_bytes)).await {
        Ok(Ok(input)) => input,
        Ok(Err(failure)) => return no_usage(failure),
        Err(_) => return no_usage(timed_out()),
    };
    let conversation = Conversation::new(input, MessageLimits::new(&limits));
    let meter = MemoryMeter::new(limits.memory_bytes);
    // The engine keeps fuel as a signed number.
    let budget = limits.instructions.min(i64::MAX as u64);
    let state = State::new(Arc::clone(&shared), services, log, env, conversation, meter, budget, slice);

    let mut store = Store::new(module.instance_pre.module().engine(), state);
    if let Err(error) = prepare(&mut store, module) {
        return no_usage(Failure::Internal(format!("{error:#}")));
    }
    store.data().slice.begin();
    let mut execution = Execution::new(store);
    let end = timeout_at(deadline, run_command(execution.store(), module)).await;

    let usage = execution.end();
    let state = execution.store().data_mut();
    state.stderr.flush(&mut to_log(&state.log));
    let ending = state.conversation.finish(&state.log);
    let result = match end {
        Err(_) => Err(timed_out()),
        Ok(end) => conclude(end, ending, state, &limits),
    };
    Outcome { result, usage }
}

fn prepare(store: &mut Store<State>, module: &CompiledModule) -> wasmtime::Result<()> {
    store.data_mut().memory = module.memory;
    meter::install(store)?;
    store.call_hook(meter::hook);
    store.fuel_async_yield_interval(Some(SLICE_INSTRUCTIONS))
}

async fn run_command(store: &mut Store<State>, module: &CompiledModule) -> wasmtime::Result<()> {
    let instance = module.instance_pre.instantiate_async(&mut *store).await?;
    for export in module.initialize.iter().chain([&module.start]) {
        let function = instance.get_module_export(&mut *store, export).and_then(wasmtime::Extern::into_func);
        let function = function.ok_or_else(|| wasmtime::format_err!("an export has disappeared"))?;
        function.typed::<(), ()>(&*store)?.call_async(&mut *store, ()).await?;
    }
    Ok(())
}

// === What goes in ===

async fn first_message(handler: &str, request: Request, limit_bytes: u64) -> Result<Vec<u8>, Failure> {
    let body = collect_body(request.body, limit_bytes).await.map_err(|error| match error {
        BodyError::TooLarge { limit_bytes } => Failure::RequestTooLarge { limit_bytes },
        other => Failure::RequestBroken(other.to_string()),
    })?;
    let method: HttpMethod = request.method.as_str().parse().map_err(|_| {
        Failure::RequestBroken(format!("functions of runtime wasi1.0 cannot receive method {}", request.method))
    })?;
    let message = mu_abi::Request {
        method,
        path_params: request.path_params.into_iter().collect(),
        // The protocol has one value for a key: the last one wins.
        query_params: request.query.into_iter().collect(),
        headers: request.headers.iter().map(|(name, value)| header_text(name, value)).collect(),
        body: body.into(),
    };
    let mut input = Vec::with_capacity(512 + message.body.len());
    Incoming::encode_execute_function(handler, &message, &mut input);
    Ok(input)
}

/// A header as text. Values may be any bytes in HTTP; those that are not UTF-8 are read as Latin-1, as HTTP once was.
pub(crate) fn header_text(name: &HeaderName, value: &HeaderValue) -> Header {
    let bytes = value.as_bytes();
    let value = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    };
    Header { name: name.as_str().to_owned(), value }
}

// === What comes out ===

/// What the end of the instance and the end of the conversation mean together.
fn conclude(
    end: wasmtime::Result<()>,
    ending: Option<Ending>,
    state: &State,
    limits: &Limits,
) -> Result<Response, Failure> {
    let out_of_fuel = |error: &wasmtime::Error| error.downcast_ref::<Trap>() == Some(&Trap::OutOfFuel);
    match (ending, end) {
        (Some(Ending::Violation(failure)), _) => Err(failure),
        (_, Err(error)) if out_of_fuel(&error) => Err(Failure::InstructionsExhausted { limit: limits.instructions }),
        (Some(Ending::Fatal(text)), _) => Err(Failure::Fatal(with_memory_hint(text, state))),
        (Some(Ending::Result(response)), end) => {
            if let Err(error) = end
                && !matches!(error.downcast_ref::<Exit>(), Some(Exit(0)))
            {
                let reason = describe(&error);
                state.log.write_runtime(Level::Warn, format!("after its result, the function failed: {reason}"));
            }
            convert_response(response, limits.response_bytes)
        }
        (None, Ok(())) => Err(Failure::NoResult(with_memory_hint(String::new(), state))),
        (None, Err(error)) => Err(failure_of(&error, state)),
    }
}

fn failure_of(error: &wasmtime::Error, state: &State) -> Failure {
    if let Some(Exit(status)) = error.downcast_ref::<Exit>() {
        return Failure::NoResult(with_memory_hint(format!(": it exited with status {status}"), state));
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return Failure::NoRoom;
    }
    Failure::Trap(with_memory_hint(describe(error), state))
}

fn with_memory_hint(reason: String, state: &State) -> String {
    meter::with_memory_hint(reason, &state.meter)
}

/// Frames of a guest's stack worth showing.
const FRAMES_MAX: usize = 12;

pub(super) fn describe(error: &wasmtime::Error) -> String {
    let mut reason = error.root_cause().to_string();
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return reason };
    for frame in backtrace.frames().iter().take(FRAMES_MAX) {
        let name = frame.func_name().map_or_else(
            || format!("function {}", frame.func_index()),
            |name| format!("{:#}", rustc_demangle::demangle(name)),
        );
        reason.push_str("\n  at ");
        reason.push_str(&name);
    }
    reason
}

fn convert_response(response: mu_abi::Response, limit_bytes: u64) -> Result<Response, Failure> {
    if response.body.len() as u64 > limit_bytes {
        return Err(Failure::OutputTooLarge { what: "response", limit_bytes });
    }
    let code = response.status.code();
    let status = StatusCode::from_u16(code)
        .ok()
        // 1xx are not final responses.
        .filter(|status| (200..1_000).contains(&status.as_u16()))
        .ok_or_else(|| Failure::InvalidResponse(format!("the invalid status {code}")))?;
    let header_bytes = response.headers.iter().map(|header| header.name.len() + header.value.len()).sum();
    check_head(response.headers.len(), header_bytes)?;
    let mut headers = HeaderMap::with_capacity(response.headers.len());
    for Header { name, value } in response.headers {
        let invalid = |what: &str| Failure::InvalidResponse(format!("an invalid {what}: {name:?}: {value:?}"));
        let parsed_name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid("header name"))?;
        let parsed_value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| invalid("header value"))?;
        headers.try_append(parsed_name, parsed_value).map_err(|_| invalid("number of headers"))?;
    }
    Ok(Response { status, headers, body: full_body(response.body) })
}
