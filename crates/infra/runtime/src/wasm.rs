//! The wasm engine: WASI preview 1 commands that speak Borsh messages over standard input and output (`wasi1.0`), and
//! components that handle HTTP requests (`wasi-http`, `wasi-http-0.3`).
//!
//! Every call gets a fresh instance from a pool, unless a component's stack says that instances are reused. Guests run as fibers on the threads that call them; one that is still
//! computing after its first time slice moves to a pool of threads of its own, so that it never delays others.

mod cache;
mod code;
mod compile;
mod component;
mod compute;
mod instrument;
mod meter;
mod preview1;
mod program;
mod protocol;
mod settings;
mod slice;
mod state;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use mu_env::Env;
use mu_stack::Runtime;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::wasm::cache::CodeCache;
use crate::wasm::code::Compiler;
use crate::wasm::component::ComponentProgram;
use crate::wasm::compute::ComputePool;
use crate::wasm::program::WasmProgram;
pub(crate) use crate::wasm::program::header_text;
pub use crate::wasm::settings::metered_settings;
use crate::{Engine, HttpClient, LoadError, LoadParams, Program};

/// How the engine is set up.
#[derive(Clone, Debug)]
pub struct WasmConfig {
    /// The directory of compiled modules; created when absent. It can be deleted at any time: what is missing is
    /// compiled again.
    pub cache_dir: PathBuf,
    /// The most memory, in bytes, that compiled modules may take before the least used ones are dropped (they stay on
    /// disk). Default 256 MiB.
    pub cache_bytes: u64,
    /// The most instances at once, over all functions. Each reserves 4 GiB of address space, not of memory.
    /// Default 1 000.
    pub instances: u32,
    /// Threads for guests that compute for longer than one time slice. Default: one per core.
    pub compute_threads: usize,
}

impl WasmConfig {
    /// The defaults, with compiled modules in `cache_dir`.
    #[must_use]
    pub fn new(cache_dir: PathBuf) -> Self {
        let compute_threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { cache_dir, cache_bytes: 256 << 20, instances: 1_000, compute_threads }
    }
}

/// Runs modules and components.
pub struct WasmEngine {
    shared: Arc<Shared>,
}

/// What every program of the engine needs.
struct Shared {
    env: Env,
    code: CodeCache,
    http: HttpClient,
    compute: ComputePool,
    /// Places of the pool that instances may keep while they wait for their next call.
    idle_places: Arc<Semaphore>,
    /// The threads that serve requests.
    node: Handle,
}

impl WasmEngine {
    /// Starts the engine. Must be called within a tokio runtime: the one whose threads serve requests.
    ///
    /// # Errors
    /// When the cache directory cannot be used, or the machine refuses the address space of the instance pool.
    pub fn start(env: Env, config: &WasmConfig, http: HttpClient) -> Result<Self, StartError> {
        let compiler = Compiler::new(config).map_err(|e| StartError::Engine(format!("{e:#}")))?;
        let idle_places = Arc::new(Semaphore::new(config.instances as usize / 2));
        let compute = ComputePool::start(config.compute_threads).map_err(StartError::Thread)?;
        let code = CodeCache::open(compiler, &env, config)
            .map_err(|source| StartError::CacheDirectory { path: config.cache_dir.clone(), source })?;
        Ok(Self { shared: Arc::new(Shared { env, code, http, compute, idle_places, node: Handle::current() }) })
    }
}

#[async_trait]
impl Engine for WasmEngine {
    async fn load(&self, params: LoadParams) -> Result<Arc<dyn Program>, LoadError> {
        let LoadParams { artifact, runtime, instances, memory_limit_bytes, .. } = params;
        let code = self.shared.code.obtain(&artifact, runtime).await?;
        code.check_memory_limit(memory_limit_bytes)?;
        let shared = Arc::clone(&self.shared);
        Ok(match runtime {
            Runtime::Wasi1 => Arc::new(WasmProgram::new(shared, artifact)),
            Runtime::WasiHttp | Runtime::WasiHttp3 => {
                Arc::new(ComponentProgram::new(shared, artifact, runtime, instances))
            }
            Runtime::Container => return Err(not_wasm()),
        })
    }
}

/// Containers have an engine of their own, see [`Engines`](crate::Engines).
fn not_wasm() -> LoadError {
    LoadError::NotWasm { reason: "a container".to_owned() }
}

/// Why the engine cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The directory of compiled modules cannot be used.
    #[error("using the module cache {path}: {source}")]
    CacheDirectory {
        /// The directory.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The engine refuses its settings, usually because the machine limits address space.
    #[error("starting the wasm engine: {0} (a limit on address space, `ulimit -v`, must allow 4 GiB per instance)")]
    Engine(String),
    /// A thread could not be started.
    #[error("starting a thread of the wasm engine: {0}")]
    Thread(#[source] std::io::Error),
}
