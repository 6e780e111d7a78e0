//! What the engine runs: artifacts compiled and linked, for each runtime in its way.

use std::sync::OnceLock;

use mu_stack::Runtime;
use wasmtime::{Engine, Linker, Module, component};

use super::compile::{self, CompiledModule};
use super::component::{self as components, CompiledComponent, ComponentState};
use super::settings::{self, COMPILED_FORMAT, GuestTasks};
use super::state::State;
use super::{WasmConfig, preview1};
use crate::{ContentHash, LoadError};

/// How much less than the node's own threads those that compile are favoured by the operating system (0 to 19).
const NICENESS: i32 = 10;

/// Compiled and linked code.
pub(super) enum Code {
    /// Of runtime `wasi1.0`.
    Module(CompiledModule),
    /// Of the others.
    Component(CompiledComponent),
}

impl Code {
    pub(super) fn module(&self) -> Option<&CompiledModule> {
        if let Self::Module(module) = self { Some(module) } else { None }
    }

    pub(super) fn component(&self) -> Option<&CompiledComponent> {
        if let Self::Component(component) = self { Some(component) } else { None }
    }

    pub(super) fn code_bytes(&self) -> u64 {
        match self {
            Self::Module(module) => module.code_bytes,
            Self::Component(component) => component.code_bytes,
        }
    }

    /// # Errors
    /// When the code cannot even start within the limit.
    pub(super) fn check_memory_limit(&self, limit_bytes: u64) -> Result<(), LoadError> {
        let needed_bytes = match self {
            Self::Module(module) => module.minimum_memory_bytes,
            Self::Component(component) => component.minimum_memory_bytes,
        };
        if needed_bytes > limit_bytes {
            return Err(LoadError::MemoryLimitTooLow { needed_bytes, limit_bytes });
        }
        Ok(())
    }
}

/// Compiles and links.
pub(super) struct Compiler {
    config: WasmConfig,
    engine: Engine,
    modules: Linker<State>,
    components: component::Linker<ComponentState>,
    version: ContentHash,
    /// For WASI 0.3, made when the first function needs it: its pool is another reservation of address space.
    latest: OnceLock<Result<Latest, String>>,
    /// Threads of low priority: compiling never takes a core from a function that runs.
    threads: rayon::ThreadPool,
}

/// What runs components of WASI 0.3.
struct Latest {
    engine: Engine,
    components: component::Linker<ComponentState>,
}

impl Compiler {
    pub(super) fn new(config: &WasmConfig) -> wasmtime::Result<Self> {
        let engine = settings::engine(config, GuestTasks::One)?;
        let threads = rayon::ThreadPoolBuilder::new()
            .num_threads(config.compute_threads.max(1))
            .thread_name(|index| format!("mu-compile-{index}"))
            .start_handler(|_| {
                // Lowering one's own priority is always permitted; where it is not supported, it is not needed either.
                let _ = rustix::process::nice(NICENESS);
            })
            .build()
            .map_err(|e| wasmtime::format_err!("starting the threads that compile: {e}"))?;
        Ok(Self {
            config: config.clone(),
            modules: preview1::linker(&engine)?,
            components: components::linker(&engine)?,
            version: compatibility(&engine),
            latest: OnceLock::new(),
            threads,
            engine,
        })
    }

    /// What decides, besides its bytes, what an artifact compiles to.
    pub(super) fn version(&self, runtime: Runtime) -> ContentHash {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.version.as_bytes()).update(runtime.as_str().as_bytes());
        ContentHash::from_bytes(*hasher.finalize().as_bytes())
    }

    /// Native code of `wasm`, in the engine's own format.
    pub(super) fn compile(&self, wasm: &[u8], runtime: Runtime) -> Result<Vec<u8>, LoadError> {
        let engine = self.engine(runtime)?;
        self.threads.install(|| match runtime {
            Runtime::Wasi1 => compile::compile(engine, wasm),
            Runtime::WasiHttp | Runtime::WasiHttp3 => components::compile(engine, wasm),
            Runtime::Container => Err(super::not_wasm()),
        })
    }

    /// Loads and links what [`Self::compile`] made. What it lacks or wants in excess is an error that names it.
    ///
    /// # Safety
    /// `native` must have been made by [`Self::compile`] for the same runtime, with the same [version](Self::version).
    #[expect(unsafe_code, reason = "native code can only be loaded on trust")]
    pub(super) unsafe fn load(&self, native: &[u8], runtime: Runtime) -> Result<Code, LoadError> {
        let unusable = |e: wasmtime::Error| LoadError::Compile { reason: format!("{e:#}") };
        match runtime {
            Runtime::Wasi1 => {
                // SAFETY: the caller vouches for `native`.
                let module = unsafe { Module::deserialize(&self.engine, native) }.map_err(unusable)?;
                Ok(Code::Module(CompiledModule::link(&self.modules, &module)?))
            }
            Runtime::WasiHttp | Runtime::WasiHttp3 => {
                let (engine, linker) = match runtime {
                    Runtime::WasiHttp3 => self.latest().map(|latest| (&latest.engine, &latest.components))?,
                    _ => (&self.engine, &self.components),
                };
                // SAFETY: the caller vouches for `native`.
                let component = unsafe { component::Component::deserialize(engine, native) }.map_err(unusable)?;
                Ok(Code::Component(CompiledComponent::link(linker, &component, runtime)?))
            }
            Runtime::Container => Err(super::not_wasm()),
        }
    }

    fn engine(&self, runtime: Runtime) -> Result<&Engine, LoadError> {
        match runtime {
            Runtime::Wasi1 | Runtime::WasiHttp => Ok(&self.engine),
            Runtime::WasiHttp3 => Ok(&self.latest()?.engine),
            Runtime::Container => Err(super::not_wasm()),
        }
    }

    fn latest(&self) -> Result<&Latest, LoadError> {
        let start = || {
            let engine = settings::engine(&self.config, GuestTasks::Many)?;
            let components = components::latest_linker(&engine)?;
            Ok::<_, wasmtime::Error>(Latest { engine, components })
        };
        let latest = self.latest.get_or_init(|| start().map_err(|e| format!("{e:#}")));
        latest.as_ref().map_err(|reason| LoadError::Compile { reason: format!("starting its engine: {reason}") })
    }
}

/// Everything that decides whether compiled code fits: the engine's version and settings, and our own format.
fn compatibility(engine: &Engine) -> ContentHash {
    struct Hashing(blake3::Hasher);
    impl std::hash::Hasher for Hashing {
        fn finish(&self) -> u64 {
            0
        }
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
    }
    let mut hasher = Hashing(blake3::Hasher::new());
    std::hash::Hash::hash(&engine.precompile_compatibility_hash(), &mut hasher);
    hasher.0.update(COMPILED_FORMAT.as_bytes());
    ContentHash::from_bytes(*hasher.0.finalize().as_bytes())
}
