//! Compiled modules: on disk across restarts, and in memory under a budget.
//!
//! Native code is only ever loaded from a file that this node wrote: each file carries a keyed BLAKE3 hash, whose key
//! lies beside the files, readable by the node's user alone. A file that fails the check is compiled again.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mu_env::Env;
use quick_cache::sync::Cache;
use quick_cache::{OptionsBuilder, Weighter};
use wasmtime::{Engine, Linker, Module};
use zeroize::Zeroizing;

use super::compile::{CompiledModule, compile};
use super::settings::COMPILED_FORMAT;
use super::state::State;
use super::{WasmConfig, preview1};
use crate::{Artifact, ContentHash, LoadError};

const KEY_FILE: &str = "cache.key";
const KEY_BYTES: usize = 32;
const TAG_BYTES: usize = 32;

/// Compiled modules by the hash of their artifact.
///
/// The policy in memory is S3-FIFO's kin (quick_cache): a module that is called again and again outlives a burst of
/// others that are called once. What is evicted stays on disk; calls under way keep what they use.
pub(super) struct ModuleCache {
    store: Arc<CompiledStore>,
    memory: Cache<ContentHash, Arc<CompiledModule>, CodeBytes>,
}

impl ModuleCache {
    pub(super) fn open(engine: Engine, env: &Env, config: &WasmConfig) -> io::Result<Self> {
        fs::create_dir_all(&config.cache_dir)?;
        let key = load_or_create_key(&config.cache_dir, env)?;
        let linker = preview1::linker(&engine).map_err(io::Error::other)?;
        let version = compatibility(&engine);
        let store = CompiledStore { engine, linker, dir: config.cache_dir.clone(), key, version };
        // One shard: a module must fit into a shard, and lookups are far apart compared to what they take.
        let options = OptionsBuilder::new()
            .shards(1)
            .estimated_items_capacity(1_024)
            .weight_capacity(config.cache_bytes)
            .build()
            .map_err(io::Error::other)?;
        let memory = Cache::with_options(options, CodeBytes, Default::default(), Default::default());
        Ok(Self { store: Arc::new(store), memory })
    }

    /// The compiled module of `artifact`: from memory, else from disk, else compiled now. Callers that ask for the
    /// same module at the same time share one compilation.
    pub(super) async fn obtain(&self, artifact: &Artifact) -> Result<Arc<CompiledModule>, LoadError> {
        if let Some(module) = self.memory.get(&artifact.hash) {
            return Ok(module);
        }
        let load = async {
            let (store, artifact) = (Arc::clone(&self.store), artifact.clone());
            let loaded = tokio::task::spawn_blocking(move || store.load_or_compile(&artifact)).await;
            loaded.unwrap_or(Err(LoadError::Closed)).map(Arc::new)
        };
        self.memory.get_or_insert_async(&artifact.hash, load).await
    }
}

#[derive(Clone)]
struct CodeBytes;

impl Weighter<ContentHash, Arc<CompiledModule>> for CodeBytes {
    fn weight(&self, _hash: &ContentHash, module: &Arc<CompiledModule>) -> u64 {
        // A module's own records take memory besides its code.
        module.code_bytes + (16 << 10)
    }
}

/// The files.
struct CompiledStore {
    engine: Engine,
    linker: Linker<State>,
    dir: PathBuf,
    key: Zeroizing<[u8; KEY_BYTES]>,
    version: ContentHash,
}

impl CompiledStore {
    fn load_or_compile(&self, artifact: &Artifact) -> Result<CompiledModule, LoadError> {
        let path = self.dir.join(format!("{}.cwasm", artifact.hash));
        if let Some(module) = self.load(&path, artifact.hash) {
            return CompiledModule::link(&self.linker, &module);
        }
        let wasm = artifact.read().map_err(LoadError::Read)?;
        let native = compile(&self.engine, &wasm)?;
        let module = self.trusted(&native).map_err(|e| LoadError::Compile { reason: format!("{e:#}") })?;
        let linked = CompiledModule::link(&self.linker, &module)?;
        // The cache only saves time: a disk that is full must not stop a function that is ready to run.
        if let Err(error) = self.store(&path, artifact.hash, &native) {
            tracing::warn!(path = %path.display(), %error, "keeping a compiled module on disk failed");
        }
        Ok(linked)
    }

    /// The module in the file at `path`, if that file is there, whole, ours, and of this engine's version.
    fn load(&self, path: &Path, hash: ContentHash) -> Option<Module> {
        let file = match fs::read(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "reading a compiled module failed; compiling again");
                return None;
            }
        };
        let (tag, native) = file.split_at_checked(TAG_BYTES)?;
        let tag = blake3::Hash::from_bytes(tag.try_into().ok()?);
        // The comparison takes the same time wherever the two differ.
        if tag != self.tag(hash, native) {
            tracing::warn!(path = %path.display(), "a compiled module is damaged or outdated; compiling again");
            return None;
        }
        match self.trusted(native) {
            Ok(module) => Some(module),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a compiled module cannot be used; compiling again");
                None
            }
        }
    }

    fn store(&self, path: &Path, hash: ContentHash, native: &[u8]) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
        file.write_all(self.tag(hash, native).as_bytes())?;
        file.write_all(native)?;
        // Not synced: after a crash a torn file fails its check.
        file.persist(path).map_err(|e| e.error).map(drop)
    }

    /// Binds native code to the artifact it came from and to the engine that can run it.
    fn tag(&self, hash: ContentHash, native: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(self.version.as_bytes()).update(hash.as_bytes()).update(native);
        hasher.finalize()
    }

    #[expect(unsafe_code, reason = "native code can only be loaded on trust")]
    fn trusted(&self, native: &[u8]) -> wasmtime::Result<Module> {
        // SAFETY: `native` was made by this engine's compiler in this process, or comes from a file whose keyed hash
        // shows that a process with our key wrote exactly these bytes for exactly this engine version.
        unsafe { Module::deserialize(&self.engine, native) }
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

fn load_or_create_key(dir: &Path, env: &Env) -> io::Result<Zeroizing<[u8; KEY_BYTES]>> {
    let path = dir.join(KEY_FILE);
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    // A key of the wrong size is a torn write; a new one only costs compiling again.
    if let Ok(kept) = fs::read(&path)
        && kept.len() == KEY_BYTES
    {
        key.copy_from_slice(&kept);
        return Ok(key);
    }
    env.random().fill_secret(&mut *key);
    // Temporary files are readable by their owner only, and keep that when they are renamed.
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(&*key)?;
    file.persist(&path).map_err(|e| e.error)?;
    Ok(key)
}
