//! The engine of container functions, made when the first of them is loaded: most nodes have none, and what runs
//! containers has to prove itself first.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mu_container::Runner;
use mu_env::{Env, Shutdown};
use mu_image::{ImageStore, Registries, StoreParams};
use mu_runtime::{ContainerEngine, ContainerParts, EgressDial, EgressPolicy, Engine, LoadError, LoadParams, Program};
use mu_telemetry::ContainerReadings;
use tokio::sync::OnceCell;

mod runner;

use crate::settings::ContainersSettings;

/// How often images are looked through for those that can go.
const COLLECT_EVERY: Duration = Duration::from_secs(10 * 60);

/// What runs containers on this machine with these settings, found out by running one. What that takes is put into `dir`,
/// which nothing else uses.
///
/// # Errors
/// Why nothing does, and what to do about it.
pub async fn container_runtime(settings: &ContainersSettings, dir: &Path) -> Result<String, String> {
    let (runner, _) = runner::start(settings, dir, &Env::system()).await?;
    Ok(runner.name().to_owned())
}

/// The containers of a node.
pub(crate) struct Containers {
    env: Env,
    settings: ContainersSettings,
    egress: EgressPolicy,
    dial: Arc<EgressDial>,
    /// Whether images are named by others than who runs the node.
    guards_registries: bool,
    data_dir: PathBuf,
    open: OnceCell<Open>,
}

/// What is there once a container was asked for.
struct Open {
    engine: ContainerEngine,
    images: ImageStore,
    runner: Arc<dyn Runner>,
}

impl Containers {
    /// Containers of a node with its data in this folder: nothing else uses what they leave there.
    pub(crate) fn new(env: Env, settings: ContainersSettings, egress: EgressPolicy, data_dir: PathBuf) -> Self {
        let dial = Arc::new(EgressDial::new(egress));
        Self { env, settings, egress, dial, guards_registries: false, data_dir, open: OnceCell::new() }
    }

    /// The same, where images are named by people who must not reach what the node may reach: registries that its
    /// operator does not list are under the rules that functions are under.
    pub(crate) fn with_guarded_registries(mut self) -> Self {
        self.guards_registries = true;
        self
    }

    /// Clears away what containers of a node left that was killed, and collects images until the node stops.
    pub(crate) async fn run(self: Arc<Self>, shutdown: Shutdown) {
        if mu_container::has_leftovers(&self.run_dir())
            && let Err(error) = self.open().await
        {
            tracing::warn!(%error, "containers of an earlier run of this node may still be there");
        }
        loop {
            tokio::select! {
                () = shutdown.requested() => return,
                () = tokio::time::sleep(COLLECT_EVERY) => {}
            }
            if let Some(open) = self.open.get() {
                open.collect().await;
            }
        }
    }

    /// Removes all containers. No calls are under way, and none come.
    pub(crate) async fn close(&self) {
        if let Some(open) = self.open.get() {
            open.engine.close().await;
        }
    }

    /// What there is of them at the moment.
    pub(crate) fn readings(&self) -> ContainerReadings {
        let readings = self.open.get().map(|open| open.engine.readings()).unwrap_or_default();
        ContainerReadings { refused_connections: self.dial.refused(), ..readings }
    }

    async fn open(&self) -> Result<&Open, LoadError> {
        self.open.get_or_try_init(|| self.start()).await
    }

    async fn start(&self) -> Result<Open, LoadError> {
        let failed = |reason: String| LoadError::Container { reason };
        let started = runner::start(&self.settings, &self.run_dir(), &self.env).await;
        let (runner, form) = started.map_err(failed)?;
        let swept = runner.sweep().await.map_err(|error| failed(error.to_string()))?;
        tracing::info!(runner = runner.name(), swept, "containers can be run");
        let store = StoreParams {
            dir: self.data_dir.join("images"),
            form,
            limits: self.settings.images,
            registries: self.registries().await?,
            env: self.env.clone(),
        };
        let opened = tokio::task::spawn_blocking(move || ImageStore::open(store)).await;
        let images = opened.map_err(|error| failed(error.to_string()))??;
        let engine = ContainerEngine::new(ContainerParts {
            env: self.env.clone(),
            config: self.settings.engine,
            images: images.clone(),
            runner: Arc::clone(&runner),
            dial: Arc::clone(&self.dial) as _,
        });
        Ok(Open { engine, images, runner })
    }

    async fn registries(&self) -> Result<Registries, LoadError> {
        let mut registries = Registries::default();
        for path in &self.settings.credentials {
            let failed = |error: &dyn fmt::Display| LoadError::Container {
                reason: format!("reading the credentials of registries, {}: {error}", path.display()),
            };
            let text = tokio::fs::read_to_string(path).await.map_err(|error| failed(&error))?;
            registries = registries.with_docker_config(&text).map_err(|error| failed(&error))?;
        }
        for registry in &self.settings.insecure_registries {
            registries = registries.with_insecure(registry);
        }
        if self.guards_registries {
            let egress = self.egress;
            registries = registries.with_reach(move |address| egress.permits(address));
        }
        Ok(registries)
    }

    fn run_dir(&self) -> PathBuf {
        self.data_dir.join("containers")
    }
}

impl Open {
    /// Removes images that nobody uses.
    async fn collect(&self) {
        match self.images.collect().await {
            Ok(collected) if collected.images > 0 => {
                tracing::info!(images = collected.images, bytes = collected.bytes, "unused images were removed");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "unused images could not be removed"),
        }
        if let Err(error) = self.runner.forget_images(&|image| self.images.has(image)).await {
            tracing::warn!(%error, "what runs containers keeps unused images");
        }
    }
}

#[async_trait]
impl Engine for Containers {
    async fn load(&self, params: LoadParams) -> Result<Arc<dyn Program>, LoadError> {
        self.open().await?.engine.load(params).await
    }
}

impl fmt::Debug for Containers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Containers").field("is_open", &self.open.initialized()).finish_non_exhaustive()
    }
}
