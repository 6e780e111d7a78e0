//! Compiled modules: on disk across restarts, and in memory under a budget.
//!
//! Native code is only ever loaded from a file that this node wrote: each file carries a keyed BLAKE3 hash, whose key
//! lies beside the files, readable by the node's user alone. A file that fails the check is compiled again.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mu_env::Env;
use mu_stack::Runtime;
use quick_cache::sync::Cache;
use quick_cache::{OptionsBuilder, Weighter};
use zeroize::Zeroizing;

use super::WasmConfig;
use super::code::{Code, Compiler};
use crate::{Artifact, ContentHash, LoadError};

const KEY_FILE: &str = "cache.key";
const KEY_BYTES: usize = 32;
const TAG_BYTES: usize = 32;

/// What compiled code is found by: the same bytes mean different things under different contracts.
type CodeKey = (ContentHash, Runtime);

/// Compiled code by the hash of its artifact.
///
/// The policy in memory is S3-FIFO's kin (quick_cache): a module that is called again and again outlives a burst of
/// others that are called once. What is evicted stays on disk; calls under way keep what they use.
pub(super) struct CodeCache {
    store: Arc<CompiledStore>,
    memory: Cache<CodeKey, Arc<Code>, CodeBytes>,
}

impl CodeCache {
    pub(super) fn open(compiler: Compiler, env: &Env, config: &WasmConfig) -> io::Result<Self> {
        fs::create_dir_all(&config.cache_dir)?;
        let key = load_or_create_key(&config.cache_dir, env)?;
        let store = CompiledStore { compiler, dir: config.cache_dir.clone(), key };
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

    /// The compiled code of `artifact`: from memory, else from disk, else compiled now. Callers that ask for the same
    /// code at the same time share one compilation.
    pub(super) async fn obtain(&self, artifact: &Artifact, runtime: Runtime) -> Result<Arc<Code>, LoadError> {
        let key = (artifact.hash, runtime);
        if let Some(code) = self.memory.get(&key) {
            return Ok(code);
        }
        let load = async {
            let (store, artifact) = (Arc::clone(&self.store), artifact.clone());
            let loaded = tokio::task::spawn_blocking(move || store.load_or_compile(&artifact, runtime)).await;
            loaded.unwrap_or_else(|error| Err(unfinished(&error))).map(Arc::new)
        };
        self.memory.get_or_insert_async(&key, load).await
    }
}

/// Why compiling has no result. What a client sends must not be able to make the compiler panic; if it can all the same,
/// only the client learns of it.
fn unfinished(error: &tokio::task::JoinError) -> LoadError {
    if error.is_panic() {
        tracing::error!(%error, "the compiler panicked");
        return LoadError::Compile { reason: "the compiler failed; please report it".to_owned() };
    }
    LoadError::Closed
}

#[derive(Clone)]
struct CodeBytes;

impl Weighter<CodeKey, Arc<Code>> for CodeBytes {
    fn weight(&self, _key: &CodeKey, code: &Arc<Code>) -> u64 {
        // A module's own records take memory besides its code.
        code.code_bytes() + (16 << 10)
    }
}

/// The files.
struct CompiledStore {
    compiler: Compiler,
    dir: PathBuf,
    key: Zeroizing<[u8; KEY_BYTES]>,
}

impl CompiledStore {
    fn load_or_compile(&self, artifact: &Artifact, runtime: Runtime) -> Result<Code, LoadError> {
        let path = self.dir.join(format!("{}.{runtime}.cwasm", artifact.hash));
        if let Some(code) = self.load(&path, artifact.hash, runtime) {
            return code;
        }
        let wasm = artifact.read().map_err(LoadError::Read)?;
        let native = self.compiler.compile(&wasm, runtime)?;
        let code = self.trusted(&native, runtime)?;
        // The cache only saves time: a disk that is full must not stop a function that is ready to run.
        if let Err(error) = self.store(&path, artifact.hash, runtime, &native) {
            tracing::warn!(path = %path.display(), %error, "keeping a compiled module on disk failed");
        }
        Ok(code)
    }

    /// The code in the file at `path`, if that file is there, whole, ours, and of this engine's version.
    fn load(&self, path: &Path, hash: ContentHash, runtime: Runtime) -> Option<Result<Code, LoadError>> {
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
        if tag != self.tag(hash, runtime, native) {
            tracing::warn!(path = %path.display(), "a compiled module is damaged or outdated; compiling again");
            return None;
        }
        match self.trusted(native, runtime) {
            Err(LoadError::Compile { reason }) => {
                tracing::warn!(path = %path.display(), reason, "a compiled module cannot be used; compiling again");
                None
            }
            code => Some(code),
        }
    }

    fn store(&self, path: &Path, hash: ContentHash, runtime: Runtime, native: &[u8]) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
        file.write_all(self.tag(hash, runtime, native).as_bytes())?;
        file.write_all(native)?;
        // Not synced: after a crash a torn file fails its check.
        file.persist(path).map_err(|e| e.error).map(drop)
    }

    /// Binds native code to the artifact it came from and to the engine that can run it.
    fn tag(&self, hash: ContentHash, runtime: Runtime, native: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(self.compiler.version(runtime).as_bytes()).update(hash.as_bytes()).update(native);
        hasher.finalize()
    }

    #[expect(unsafe_code, reason = "native code can only be loaded on trust")]
    fn trusted(&self, native: &[u8], runtime: Runtime) -> Result<Code, LoadError> {
        // SAFETY: `native` was made by this engine's compiler in this process, or comes from a file whose keyed hash
        // shows that a process with our key wrote exactly these bytes for exactly this engine version and runtime.
        unsafe { self.compiler.load(native, runtime) }
    }
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
