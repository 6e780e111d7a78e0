//! The engine of container functions.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use mu_container::{ContainerLimits, ContainerSpec, Dial, Network, Runner};
use mu_env::{Env, Tasks};
use mu_image::{Image, ImageArchive, ImageStore};
use mu_stack::{ByteSize, ContainerArtifact, TmpLimits};
use mu_telemetry::ContainerReadings;

use super::machine::Machine;
use super::pool::{Pool, PoolParams};
use super::program::ContainerProgram;
use super::reserve::{Reserve, Room};
use crate::{Artifact, Engine, LoadError, LoadParams, Program};

/// What an operator can set about containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContainerConfig {
    /// Memory that containers may use together, in bytes. Each has its function's limit reserved, used or not.
    pub memory_bytes: u64,
    /// Processor time that containers may have reserved together, in thousandths of a processor.
    pub milli_cpus: u64,
    /// What a container reserves of it.
    pub milli_cpus_reserved: u64,
    /// How long a container is idle before it is stopped where it is; `None` for never.
    pub freeze_after: Option<Duration>,
    /// How long a function may take until it listens.
    pub start_timeout: Duration,
    /// Processes and threads of a container.
    pub pids: u64,
    /// Open files of a process in a container.
    pub open_files: u64,
}

/// What the engine is made of.
pub struct ContainerParts {
    /// Time and tasks.
    pub env: Env,
    /// Limits.
    pub config: ContainerConfig,
    /// Where images are.
    pub images: ImageStore,
    /// What starts containers.
    pub runner: Arc<dyn Runner>,
    /// Connects containers that have a network.
    pub dial: Arc<dyn Dial>,
}

/// Runs functions that are images of containers.
pub struct ContainerEngine {
    env: Env,
    shared: Arc<Shared>,
    images: ImageStore,
    runner: Arc<dyn Runner>,
    dial: Arc<dyn Dial>,
}

/// What all functions share.
pub(super) struct Shared {
    /// Everything that goes on in the background: starts, removals, and who looks after idle containers.
    tasks: Tasks,
    config: ContainerConfig,
    machine: Machine,
    reserve: Arc<Reserve>,
    pools: Mutex<Vec<Weak<Pool>>>,
    counts: Counts,
}

/// What has happened since the start.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) started: AtomicU64,
    pub(super) failed_starts: AtomicU64,
    pub(super) evicted: AtomicU64,
    /// Containers that are being removed because others need their room.
    leaving: AtomicU64,
}

/// The removal of an idle container because others need its room, until it is gone.
#[derive(Debug)]
pub(super) struct Eviction(Arc<Shared>);

impl Default for ContainerConfig {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
        Self {
            memory_bytes: super::machine::memory_for_containers(),
            milli_cpus: processors * 1_000,
            milli_cpus_reserved: 50,
            freeze_after: Some(Duration::from_millis(50)),
            start_timeout: Duration::from_secs(5),
            pids: 50,
            open_files: 350,
        }
    }
}

impl ContainerEngine {
    /// An engine without functions.
    #[must_use]
    pub fn new(parts: ContainerParts) -> Self {
        let ContainerParts { env, config, images, runner, dial } = parts;
        let all = Room { memory_bytes: config.memory_bytes, milli_cpus: config.milli_cpus };
        let shared = Shared {
            tasks: Tasks::new(),
            config,
            machine: Machine::new(),
            reserve: Arc::new(Reserve::new(all)),
            pools: Mutex::default(),
            counts: Counts::default(),
        };
        Self { env, shared: Arc::new(shared), images, runner, dial }
    }

    /// How many containers there are, and what they do.
    #[must_use]
    pub fn readings(&self) -> ContainerReadings {
        let (shared, counts) = (&self.shared, &self.shared.counts);
        let mut readings = ContainerReadings {
            started: counts.started.load(Ordering::Relaxed),
            failed_starts: counts.failed_starts.load(Ordering::Relaxed),
            evicted: counts.evicted.load(Ordering::Relaxed),
            reserved_bytes: shared.reserve.taken().memory_bytes,
            reservable_bytes: shared.reserve.all().memory_bytes,
            ..ContainerReadings::default()
        };
        for pool in shared.pools().iter().filter_map(Weak::upgrade) {
            pool.add_to(&mut readings);
        }
        readings
    }

    /// Removes all containers, and returns when they are gone. Calls under way fail; there are none to come.
    pub async fn close(&self) {
        for pool in self.shared.pools().iter().filter_map(Weak::upgrade) {
            pool.close();
        }
        self.shared.tasks.stop().await;
    }

    async fn image(&self, artifact: &Artifact) -> Result<Image, LoadError> {
        let reader = artifact.clone();
        let bytes = tokio::task::spawn_blocking(move || reader.read()).await;
        let bytes = bytes.map_err(std::io::Error::other).and_then(|read| read).map_err(LoadError::Read)?;
        let kind =
            ContainerArtifact::of(&bytes).map_err(|error| LoadError::NotAnImage { reason: error.to_string() })?;
        let image = match kind {
            ContainerArtifact::Image(name) => self.images.pull(&name.as_str().parse()?).await,
            ContainerArtifact::Archive => self.images.load_archive(ImageArchive::Bytes(bytes)).await,
        };
        let image = image?;
        image.command()?;
        image.check_volumes()?;
        Ok(image)
    }

    fn spec(&self, image: Image, params: &LoadParams) -> ContainerSpec {
        let memory = ByteSize::from_bytes(params.memory_limit_bytes);
        let (tmp, config) = (TmpLimits::of_memory(memory), self.shared.config());
        let limits = ContainerLimits {
            memory_bytes: params.memory_limit_bytes,
            tmp_bytes: tmp.size.bytes(),
            tmp_files: tmp.inodes,
            pids: config.pids,
            open_files: config.open_files,
            milli_cpus: None,
        };
        let network = match params.owner.container.network {
            mu_stack::Network::None => Network::None,
            mu_stack::Network::Egress => Network::Egress(Arc::clone(&self.dial)),
        };
        let label = format!("{}/{}", params.owner.stack, params.owner.function);
        ContainerSpec { image, env: environment(params, tmp), limits, network, label }
    }
}

#[async_trait]
impl Engine for ContainerEngine {
    async fn load(&self, params: LoadParams) -> Result<Arc<dyn Program>, LoadError> {
        let config = self.shared.config();
        let needed = Room { memory_bytes: params.memory_limit_bytes, milli_cpus: config.milli_cpus_reserved };
        if !self.shared.reserve.could_hold(needed) {
            return Err(LoadError::TooLargeForNode {
                needed_bytes: params.memory_limit_bytes,
                available_bytes: self.shared.reserve.all().memory_bytes,
            });
        }
        let spec = self.spec(self.image(&params.artifact).await?, &params);
        let prepared = self.runner.prepare(&spec.image, &spec.network).await;
        prepared.map_err(|error| LoadError::Container { reason: error.to_string() })?;
        let pool = Pool::open(PoolParams {
            shared: Arc::clone(&self.shared),
            runner: Arc::clone(&self.runner),
            spec,
            idle_timeout: params.owner.container.idle_timeout,
            ready_min: params.owner.container.min_instances as usize,
        });
        Ok(Arc::new(ContainerProgram::new(self.env.clone(), pool, params.memory_limit_bytes)))
    }
}

/// The function's variables, and over them what Fn's contract sets.
fn environment(params: &LoadParams, tmp: TmpLimits) -> Vec<(String, String)> {
    const MIB: u64 = 1 << 20;
    let set = [
        ("FN_LISTENER", format!("unix:{}/lsnr.sock", mu_container::SOCKET_DIR)),
        ("FN_FORMAT", "http-stream".to_owned()),
        ("FN_TYPE", "sync".to_owned()),
        ("FN_MEMORY", (params.memory_limit_bytes / MIB).to_string()),
        ("FN_TMPSIZE", (tmp.size.bytes() / MIB).to_string()),
        ("FN_APP_ID", params.owner.stack_id.to_string()),
        ("FN_APP_NAME", params.owner.stack.to_string()),
        ("FN_FN_ID", params.owner.function_id.to_string()),
        ("FN_NAME", params.owner.function.to_string()),
    ];
    let is_free = |name: &str| !set.iter().any(|(taken, _)| *taken == name);
    let own = params.owner.env.iter().filter(|(name, _)| is_free(name)).cloned();
    own.chain(set.iter().map(|(name, value)| ((*name).to_owned(), value.clone()))).collect()
}

impl Shared {
    pub(super) fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    pub(super) fn config(&self) -> &ContainerConfig {
        &self.config
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    pub(super) fn machine(&self) -> &Machine {
        &self.machine
    }

    pub(super) fn reserve(&self) -> &Arc<Reserve> {
        &self.reserve
    }

    pub(super) fn add(&self, pool: &Arc<Pool>) {
        let mut pools = self.pools();
        pools.retain(|pool| pool.strong_count() > 0);
        pools.push(Arc::downgrade(pool));
    }

    /// Removes the container that has been idle for longest, of whichever function, because another one needs its room.
    /// One after the other: whoever needs more asks again when it is gone.
    pub(super) fn make_room(&self) {
        if self.counts.leaving.load(Ordering::Relaxed) > 0 {
            return;
        }
        let pools: Vec<Arc<Pool>> = self.pools().iter().filter_map(Weak::upgrade).collect();
        let oldest = pools.iter().filter_map(|pool| Some((pool.idle_since()?, pool))).min_by_key(|(since, _)| *since);
        if let Some((_, pool)) = oldest {
            pool.evict();
        }
    }

    fn pools(&self) -> MutexGuard<'_, Vec<Weak<Pool>>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Eviction {
    pub(super) fn begin(shared: &Arc<Shared>) -> Self {
        shared.counts.evicted.fetch_add(1, Ordering::Relaxed);
        shared.counts.leaving.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(shared))
    }
}

impl Drop for Eviction {
    fn drop(&mut self) {
        self.0.counts.leaving.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("reserve", &self.reserve).finish_non_exhaustive()
    }
}

impl fmt::Debug for ContainerEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContainerEngine").field("runner", &self.runner).finish_non_exhaustive()
    }
}
