//! From an artifact's bytes to code that can be instantiated.

use wasmparser::{Parser, Payload, TypeRef};
use wasmtime::{Engine, ExternType, InstancePre, Linker, Module, ModuleExport, UnknownImportError};

use super::instrument::instrument;
use super::state::State;
use crate::LoadError;

/// The unit in which modules declare memory.
pub(super) const WASM_PAGE_BYTES: u64 = 64 << 10;

/// A compiled module, linked to the host's functions as far as that can be done before a call.
pub(super) struct CompiledModule {
    pub(super) instance_pre: InstancePre<State>,
    pub(super) start: ModuleExport,
    pub(super) initialize: Option<ModuleExport>,
    pub(super) memory: Option<ModuleExport>,
    pub(super) minimum_memory_bytes: u64,
    pub(super) code_bytes: u64,
}

impl CompiledModule {
    /// Links a compiled module. What it lacks or wants in excess is an error that names it.
    pub(super) fn link(linker: &Linker<State>, module: &Module) -> Result<Self, LoadError> {
        let instance_pre = linker.instantiate_pre(module).map_err(link_error)?;
        let start = command_export(module, "_start").ok_or(LoadError::NoStart)?;
        let minimum_pages = module.resources_required().max_initial_memory_size.unwrap_or(0);
        let range = module.image_range();
        Ok(Self {
            instance_pre,
            start,
            initialize: command_export(module, "_initialize"),
            memory: module.get_export_index("memory"),
            minimum_memory_bytes: minimum_pages.saturating_mul(WASM_PAGE_BYTES),
            code_bytes: (range.end as u64).saturating_sub(range.start as u64),
        })
    }
}

/// Compiles `wasm` to the bytes of a native module.
pub(super) fn compile(engine: &Engine, wasm: &[u8]) -> Result<Vec<u8>, LoadError> {
    check_is_module(wasm)?;
    // Validation comes before instrumentation, so that messages speak of the module as its author built it.
    Module::validate(engine, wasm).map_err(|e| LoadError::NotWasm { reason: format!("{e:#}") })?;
    let failed = |reason: String| LoadError::Compile { reason };
    let instrumented = instrument(wasm).map_err(failed)?;
    engine.precompile_module(instrumented.as_deref().unwrap_or(wasm)).map_err(|e| failed(format!("{e:#}")))
}

/// Tells a component, or text, from a core module: both are common mistakes with a better message than a parser's.
fn check_is_module(wasm: &[u8]) -> Result<(), LoadError> {
    let not_wasm = |reason: &str| LoadError::NotWasm { reason: reason.to_owned() };
    if !wasm.starts_with(b"\0asm") {
        return Err(not_wasm("the file does not start with the bytes `\\0asm`"));
    }
    if Parser::is_component(wasm) {
        return Err(not_wasm(
            "the file is a component: it needs `runtime: wasi-http`; or build a core module (target wasm32-wasip1)",
        ));
    }
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.map_err(|e| LoadError::NotWasm { reason: e.to_string() })?;
        let Payload::ImportSection(imports) = payload else { continue };
        for import in imports.into_imports() {
            let import = import.map_err(|e| LoadError::NotWasm { reason: e.to_string() })?;
            if !matches!(import.ty, TypeRef::Func(_)) {
                return Err(unknown_import(import.module, import.name));
            }
        }
    }
    Ok(())
}

fn link_error(error: wasmtime::Error) -> LoadError {
    match error.downcast::<UnknownImportError>() {
        Ok(import) => unknown_import(import.module(), import.name()),
        // An import of a known name, with another type.
        Err(error) => LoadError::Compile { reason: format!("{error:#}") },
    }
}

fn unknown_import(module: &str, name: &str) -> LoadError {
    LoadError::UnknownImport { module: module.to_owned(), name: name.to_owned() }
}

/// An exported function without parameters or results.
fn command_export(module: &Module, name: &str) -> Option<ModuleExport> {
    let ExternType::Func(function) = module.get_export(name)? else { return None };
    if function.params().len() != 0 || function.results().len() != 0 {
        return None;
    }
    module.get_export_index(name)
}
