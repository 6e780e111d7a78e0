//! The engine for runtime `wasi1.0`: WASI preview 1 commands that speak Borsh messages over standard input and output.
//!
//! Every call gets a fresh instance from a pool. Guests run as fibers on the threads that call them; one that is still
//! computing after its first time slice moves to a pool of threads of its own, so that it never delays others.

mod cache;
mod compile;
mod compute;
mod instrument;
mod meter;
mod preview1;
mod program;
mod protocol;
mod settings;
mod state;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use mu_env::Env;
use tokio::runtime::Handle;

use crate::wasm::cache::ModuleCache;
use crate::wasm::compute::ComputePool;
use crate::wasm::program::WasmProgram;
pub(crate) use crate::wasm::program::header_text;
pub use crate::wasm::settings::metered_settings;
use crate::{Artifact, Engine, HttpClient, LoadError, Program};

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

/// Runs WASI preview 1 commands.
pub struct WasmEngine {
    shared: Arc<Shared>,
}

/// What every program of the engine needs.
struct Shared {
    env: Env,
    modules: ModuleCache,
    http: HttpClient,
    compute: ComputePool,
    /// The threads that serve requests.
    node: Handle,
}

impl WasmEngine {
    /// Starts the engine. Must be called within a tokio runtime: the one whose threads serve requests.
    ///
    /// # Errors
    /// When the cache directory cannot be used, or the machine refuses the address space of the instance pool.
    pub fn start(env: Env, config: &WasmConfig, http: HttpClient) -> Result<Self, StartError> {
        let engine = settings::engine(config).map_err(|e| StartError::Engine(format!("{e:#}")))?;
        let compute = ComputePool::start(config.compute_threads).map_err(StartError::Thread)?;
        let modules = ModuleCache::open(engine, &env, config)
            .map_err(|source| StartError::CacheDirectory { path: config.cache_dir.clone(), source })?;
        Ok(Self { shared: Arc::new(Shared { env, modules, http, compute, node: Handle::current() }) })
    }
}

#[async_trait]
impl Engine for WasmEngine {
    async fn load(&self, artifact: Artifact, memory_limit_bytes: u64) -> Result<Arc<dyn Program>, LoadError> {
        let module = self.shared.modules.obtain(&artifact).await?;
        module.check_memory_limit(memory_limit_bytes)?;
        Ok(Arc::new(WasmProgram::new(Arc::clone(&self.shared), artifact)))
    }
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
