//! Fns that were made through Fn's API: each is a stack of its own to the engine, though it belongs to an app.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mu_control::catalog::StackRecord;
use mu_control::catalog::fns::{FnRecord, ObjectId};
use mu_control::region::RegionError;
use mu_image::ImageError;
use mu_invoke::{DeployError, DeployParams, Deployment, Invoker, Secrets};
use mu_runtime::{Artifact, LoadError};
use mu_stack::{
    Artifact as Code, Auth, BinaryId, ByteSize, ContainerArtifact, ContainerSettings, Env as Variables, Function,
    FunctionLimits, Instances, Runtime, Stack, StackId,
};
use tokio::sync::OnceCell;

use super::region::Loader;

/// Fns that are loaded at the same time. Beyond that, those that were not called for longest are loaded anew.
const LOADED_MAX: usize = 1_000;

/// The fns that were called.
#[derive(Default)]
pub(super) struct MadeFns(Mutex<Called>);

#[derive(Default)]
struct Called {
    fns: HashMap<ObjectId, Made>,
    calls: u64,
}

/// A fn as it was when it was called.
struct Made {
    record: FnRecord,
    config: Variables,
    /// Loaded once, by the first call; the others wait for it.
    deployment: Arc<OnceCell<Arc<Deployment>>>,
    /// Which call was its last.
    last_call: u64,
}

impl MadeFns {
    /// A fn, ready to be called.
    pub(super) async fn deployment(
        &self,
        invoker: &Invoker,
        loader: &Loader,
        app: &StackRecord,
        made: &FnRecord,
    ) -> Result<Arc<Deployment>, RegionError> {
        let cell = self.cell(app, made);
        let loaded = cell.get_or_try_init(|| async {
            let params = params(loader, app, made)?;
            invoker.prepare(params).await.map_err(|error| not_loaded(&error))
        });
        loaded.await.map(Arc::clone)
    }

    /// Forgets the fns of an app, which was deleted.
    pub(super) fn forget(&self, app: &StackId) {
        self.called().fns.retain(|_, made| made.record.stack != *app);
    }

    fn cell(&self, app: &StackRecord, made: &FnRecord) -> Arc<OnceCell<Arc<Deployment>>> {
        let mut called = self.called();
        let Called { fns, calls } = &mut *called;
        *calls += 1;
        if let Some(known) = fns.get_mut(&made.id)
            && known.record == *made
            && known.config == app.config
        {
            known.last_call = *calls;
            return Arc::clone(&known.deployment);
        }
        if fns.len() >= LOADED_MAX
            && let Some(oldest) = fns.iter().min_by_key(|(_, made)| made.last_call).map(|(id, _)| *id)
        {
            fns.remove(&oldest);
        }
        let deployment = Arc::new(OnceCell::new());
        let (record, config) = (made.clone(), app.config.clone());
        fns.insert(made.id, Made { record, config, deployment: Arc::clone(&deployment), last_call: *calls });
        deployment
    }

    fn called(&self) -> MutexGuard<'_, Called> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The stack that a fn is to the engine: its app with this function alone.
fn params(loader: &Loader, app: &StackRecord, made: &FnRecord) -> Result<DeployParams, RegionError> {
    let artifact = Artifact::from_bytes(ContainerArtifact::bytes_of(&made.image));
    let binary: BinaryId = artifact
        .hash
        .to_string()
        .parse()
        .map_err(|error| RegionError::Internal(format!("the hash of a fn's image: {error}")))?;
    let function = Function {
        name: made.name.clone(),
        artifact: Code::Binary(binary),
        runtime: Runtime::Container,
        env: made.config.clone(),
        secrets: Vec::new(),
        auth: Auth::default(),
        limits: FunctionLimits {
            memory: ByteSize::from_bytes(made.memory_mib << 20),
            timeout: Duration::from_secs(made.timeout_s.into()),
            ..FunctionLimits::default()
        },
        instances: Instances::default(),
        container: ContainerSettings {
            idle_timeout: Duration::from_secs(made.idle_timeout_s.into()),
            ..ContainerSettings::default()
        },
    };
    let stack = Stack::of_function(app.name.clone(), function)
        .with_environment(&app.config)
        .map_err(|error| RegionError::NotLoadable(format!("the app's configuration and that of the fn: {error}")))?;
    Ok(DeployParams {
        id: app.id,
        // It belongs to no version.
        version: 0,
        owner: Some(loader.quotas.owners().add(app.id, &app.owner)),
        artifacts: HashMap::from([(made.name.clone(), artifact)]),
        stack,
        secrets: Secrets::default(),
        function_id: Some(made.id.to_string().into()),
    })
}

/// Why a fn is not called, with the status that Fn has for it.
fn not_loaded(error: &DeployError) -> RegionError {
    let DeployError::Load { source, .. } = error else { return RegionError::Internal(error.to_string()) };
    let call = |status: u16, code: &str| RegionError::Call {
        status,
        code: code.to_owned(),
        message: source.to_string(),
        retry_after: None,
    };
    match source {
        LoadError::TooLargeForNode { .. } => call(400, "memory_unavailable"),
        LoadError::Image(image) => match image {
            ImageError::TimedOut { .. } => call(504, "image_timed_out"),
            ImageError::NotFound { .. } => call(404, "image_not_found"),
            ImageError::Denied { status, .. } | ImageError::Refused { status, .. } => call(*status, "image_refused"),
            ImageError::Volumes { .. } => call(400, "image_has_volumes"),
            ImageError::OutOfReach { .. } => call(403, "image_out_of_reach"),
            ImageError::NoRoom { .. } => call(503, "image_without_room"),
            _ => call(502, "image_unusable"),
        },
        LoadError::Container { .. } => call(501, "unsupported"),
        _ => call(502, "not_loadable"),
    }
}
