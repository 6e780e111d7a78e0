//! From a component's bytes to code that can be instantiated.

use mu_stack::Runtime;
use wasmparser::{Parser, Validator, WasmFeatures};
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};
use wasmtime_wasi_http::{p2, p3};

use super::state::ComponentState;
use super::{blobstore, config, keyvalue, logging};
use crate::LoadError;
use crate::wasm::compile::WASM_PAGE_BYTES;
use crate::wasm::instrument::instrument_component;

/// A compiled component, linked to the host's functions as far as that can be done before a call.
pub(in crate::wasm) struct CompiledComponent {
    pub(super) handler: HandlerPre,
    pub(in crate::wasm) minimum_memory_bytes: u64,
    pub(in crate::wasm) code_bytes: u64,
}

/// What a component exports for requests.
pub(super) enum HandlerPre {
    /// `wasi:http/incoming-handler@0.2`.
    Incoming(p2::bindings::ProxyPre<ComponentState>),
    /// `wasi:http/handler@0.3`.
    Service(p3::bindings::ServicePre<ComponentState>),
}

impl CompiledComponent {
    /// Links a compiled component. What it lacks or wants in excess is an error that names it.
    pub(in crate::wasm) fn link(
        linker: &Linker<ComponentState>,
        component: &Component,
        runtime: Runtime,
    ) -> Result<Self, LoadError> {
        let pre =
            linker.instantiate_pre(component).map_err(|e| LoadError::Imports { runtime, reason: format!("{e:#}") })?;
        let no_handler = |e: wasmtime::Error| LoadError::NoHandler { runtime, reason: format!("{e:#}") };
        let handler = match runtime {
            Runtime::WasiHttp3 => HandlerPre::Service(p3::bindings::ServicePre::new(pre).map_err(no_handler)?),
            _ => HandlerPre::Incoming(p2::bindings::ProxyPre::new(pre).map_err(no_handler)?),
        };
        let minimum_pages =
            component.resources_required().and_then(|needed| needed.max_initial_memory_size).unwrap_or(0);
        let range = component.image_range();
        Ok(Self {
            handler,
            minimum_memory_bytes: minimum_pages.saturating_mul(WASM_PAGE_BYTES),
            code_bytes: (range.end as u64).saturating_sub(range.start as u64),
        })
    }
}

/// Compiles `wasm` to native code.
pub(in crate::wasm) fn compile(engine: &Engine, wasm: &[u8]) -> Result<Vec<u8>, LoadError> {
    let not_wasm = |reason: String| LoadError::NotWasm { reason };
    if !wasm.starts_with(b"\0asm") {
        return Err(not_wasm("the file does not start with the bytes `\\0asm`".to_owned()));
    }
    if !Parser::is_component(wasm) {
        let advice =
            "the file is a core module, not a component: it needs `runtime: wasi1.0`, or a build for wasm32-wasip2";
        return Err(not_wasm(advice.to_owned()));
    }
    // Validation comes before instrumentation, so that messages speak of the component as its author built it. What
    // this engine does not support, its compiler refuses.
    let validated = Validator::new_with_features(WasmFeatures::all()).validate_all(wasm);
    validated.map_err(|e| not_wasm(e.to_string()))?;
    let instrumented = instrument_component(wasm).map_err(|reason| LoadError::Compile { reason })?;
    engine.precompile_component(&instrumented).map_err(|e| LoadError::Compile { reason: format!("{e:#}") })
}

/// A linker with every interface that a component of WASI 0.2 may import.
pub(in crate::wasm) fn linker(engine: &Engine) -> wasmtime::Result<Linker<ComponentState>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    p2::add_only_http_to_linker_async(&mut linker)?;
    keyvalue::add_to(&mut linker)?;
    blobstore::add_to(&mut linker)?;
    config::add_to(&mut linker)?;
    logging::add_to(&mut linker)?;
    Ok(linker)
}

/// The same for WASI 0.3, whose components may import interfaces of 0.2 as well.
pub(in crate::wasm) fn latest_linker(engine: &Engine) -> wasmtime::Result<Linker<ComponentState>> {
    let mut linker = linker(engine)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    p3::add_to_linker(&mut linker)?;
    Ok(linker)
}
