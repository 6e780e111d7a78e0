//! The stacks of the catalog, run by this node.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use mu_control::catalog::fns::FnRecord;
use mu_control::catalog::{
    ArtifactHash, Artifacts, Catalog, DataFate, Routing, StackRecord, StackRef, StoredVersion, VersionNumber,
};
use mu_control::quota::Quotas;
use mu_control::region::{CallForm, Region, RegionBody, RegionCall, RegionError};
use mu_control::rollout::{Counts, LatencyHistogram};
use mu_control::secrets::{SecretError, SecretName, Secrets};
use mu_db::MuDb;
use mu_gateway::clean_request_headers;
use mu_invoke::{
    Cause, DeployError, DeployParams, Deployment, Invoker, Kind, StatsSnapshot, Wake, WakeError, Weighted,
};
use mu_runtime::{Artifact, ArtifactSource, ContentHash, Form, Request, full_body};
use mu_stack::{FunctionName, StackId};
use mu_storage::Boxes;
use tokio::runtime::Handle;

use super::made::MadeFns;

/// Versions that are loaded and wait to be served. Those that nobody serves go when there are more.
const WAITING_MAX: usize = 64;

/// How long calls of a stack that is deleted may go on: as long as any call may take.
const DRAIN_MAX: Duration = Duration::from_secs(300);

/// Loads versions of stacks: with their code from the artifacts, their environment from the stack's configuration.
#[derive(Clone, Debug)]
pub(super) struct Loader {
    pub(super) catalog: Catalog,
    pub(super) artifacts: Artifacts,
    pub(super) secrets: Arc<Secrets>,
    pub(super) quotas: Arc<Quotas>,
}

/// The [`Region`] of a node that runs its stacks itself.
pub(super) struct NodeRegion {
    pub(super) loader: Loader,
    pub(super) invoker: Arc<Invoker>,
    pub(super) db: Arc<MuDb>,
    pub(super) boxes: Arc<Boxes>,
    waiting: Mutex<HashMap<(StackId, VersionNumber), Arc<Deployment>>>,
    made: MadeFns,
}

/// The code of a function, read from the artifacts whenever it has to be compiled again.
struct StoredArtifact {
    artifacts: Artifacts,
    hash: ArtifactHash,
    handle: Handle,
}

impl ArtifactSource for StoredArtifact {
    fn read(&self) -> std::io::Result<Bytes> {
        // Called on threads that may block.
        let read = self.handle.block_on(self.artifacts.read(&self.hash));
        read.map_err(std::io::Error::other)
    }
}

impl Loader {
    /// A version, loaded and ready to be served.
    async fn load(&self, invoker: &Invoker, version: &StoredVersion) -> Result<Arc<Deployment>, RegionError> {
        let internal = |error: &dyn fmt::Display| RegionError::Internal(error.to_string());
        let stack = self.catalog.stack(&StackRef::Id(version.stack_id)).await.map_err(|e| internal(&e))?;
        let declared = version.stack.clone().with_environment(&stack.config).map_err(|error| {
            RegionError::NotLoadable(format!("the stack's configuration and a function's variables: {error}"))
        })?;
        let artifacts = version.record.artifacts.iter().map(|(function, hash)| (function.clone(), self.artifact(hash)));
        let params = DeployParams {
            id: version.stack_id,
            version: version.record.number.get(),
            owner: Some(self.quotas.owners().add(version.stack_id, &stack.owner)),
            stack: declared,
            artifacts: artifacts.collect::<HashMap<FunctionName, Artifact>>(),
            secrets: self.secrets_of(version).await?,
            function_id: None,
        };
        invoker.prepare(params).await.map_err(|error| match error {
            DeployError::NoArtifact { .. }
            | DeployError::Load { .. }
            | DeployError::NoSecret { .. }
            | DeployError::Secret { .. } => RegionError::NotLoadable(error.to_string()),
            DeployError::Tables { .. } | DeployError::Boxes { .. } => internal(&error),
        })
    }

    /// The values of the secrets that the functions of a version declare.
    async fn secrets_of(&self, version: &StoredVersion) -> Result<mu_invoke::Secrets, RegionError> {
        let declared = version.stack.functions().flat_map(|function| function.secrets.iter());
        let names = declared.map(|name| name.as_str().parse()).collect::<Result<Vec<SecretName>, _>>();
        let names = names.map_err(|error| RegionError::NotLoadable(error.to_string()))?;
        let values = self.secrets.reveal_for(&version.stack_id, &names).await.map_err(|error| match error {
            SecretError::NotFound { .. } => RegionError::NotLoadable(error.to_string()),
            error => RegionError::Internal(error.to_string()),
        })?;
        let values =
            values.iter().filter_map(|(name, value)| Some((name.as_str().parse().ok()?, value.reveal().to_owned())));
        Ok(values.collect())
    }

    fn artifact(&self, hash: &ArtifactHash) -> Artifact {
        let source = StoredArtifact { artifacts: self.artifacts.clone(), hash: *hash, handle: Handle::current() };
        Artifact { hash: ContentHash::from_bytes(*hash.as_bytes()), source: Arc::new(source) }
    }

    /// The versions of a routing, loaded.
    async fn load_all(
        &self,
        invoker: &Invoker,
        stack: &StackId,
        routing: &Routing,
        loaded: impl Fn(VersionNumber) -> Option<Arc<Deployment>>,
    ) -> Result<Vec<Weighted>, RegionError> {
        let mut versions = Vec::new();
        for weight in routing.weights() {
            let deployment = match loaded(weight.version) {
                Some(deployment) => deployment,
                None => {
                    let version = self.catalog.version(stack, weight.version).await;
                    let version = version.map_err(|error| RegionError::Internal(error.to_string()))?;
                    self.load(invoker, &version).await?
                }
            };
            versions.push((deployment, u32::from(weight.percent)));
        }
        Ok(versions)
    }
}

/// Stacks that nobody has asked for since the node started are loaded when somebody does.
#[async_trait]
impl Wake for Loader {
    async fn wake(&self, invoker: &Arc<Invoker>, stack: StackId) -> Result<Vec<Weighted>, WakeError> {
        let routing = self.catalog.routing(&stack).await.map_err(|error| WakeError(error.to_string()))?;
        let routing = routing.ok_or_else(|| WakeError("no version of it is routed".to_owned()))?;
        let loaded = self.load_all(invoker, &stack, &routing.routing, |_| None).await;
        loaded.map_err(|error| WakeError(error.to_string()))
    }
}

impl NodeRegion {
    pub(super) fn new(loader: Loader, invoker: Arc<Invoker>, db: Arc<MuDb>, boxes: Arc<Boxes>) -> Self {
        Self { loader, invoker, db, boxes, waiting: Mutex::default(), made: MadeFns::default() }
    }

    /// A version that is loaded, whether it is served or waits for it.
    fn loaded(&self, stack: &StackId, version: VersionNumber) -> Option<Arc<Deployment>> {
        let waiting = self.waiting().get(&(*stack, version)).cloned();
        waiting.or_else(|| {
            let served = self.invoker.deployments().versions(stack);
            served.into_iter().map(|(served, _)| served).find(|served| served.version() == version.get())
        })
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<(StackId, VersionNumber), Arc<Deployment>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NodeRegion {
    /// Calls a handler of a deployment.
    async fn call(
        &self,
        deployment: &Arc<Deployment>,
        call: RegionCall,
    ) -> Result<http::Response<RegionBody>, RegionError> {
        let RegionCall { id, handler, path_params, form, begun, request } = call;
        let reference = handler.parse().map_err(|e| RegionError::NotFound(format!("`{handler}`: {e}")))?;
        let unknown = || {
            RegionError::NotFound(format!("the stack has no handler `{handler}`: `mu stack show` lists its functions"))
        };
        let target = deployment.target(&reference).ok_or_else(unknown)?;
        let (mut parts, body) = request.into_parts();
        clean_request_headers(&mut parts.headers).map_err(|error| RegionError::Call {
            status: Kind::Invalid.http_status().as_u16(),
            code: Kind::Invalid.as_str().to_owned(),
            message: error.to_string(),
            retry_after: None,
        })?;
        let query = parts.uri.query().map(str::to_owned);
        let asked = Request {
            form: match form {
                CallForm::Http => Form::Http,
                CallForm::Plain => Form::Plain,
            },
            method: parts.method,
            path: parts.uri.path().to_owned(),
            path_params,
            query: url::form_urlencoded::parse(query.as_deref().unwrap_or_default().as_bytes()).into_owned().collect(),
            raw_query: query,
            headers: parts.headers,
            body: full_body(body),
            begun,
        };
        let answer = self.invoker.invoke(deployment, &target, Cause::CommandLine, id, asked).await;
        let answer = answer.map_err(|error| RegionError::Call {
            status: error.kind.http_status().as_u16(),
            code: error.code.to_owned(),
            message: error.message,
            retry_after: error.retry_after,
        })?;
        let body = answer.body.map_err(Into::into).boxed_unsync();
        let mut response = http::Response::new(body);
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        if let Ok(value) = id.to_string().parse() {
            response.headers_mut().insert("x-mu-invocation-id", value);
        }
        Ok(response)
    }
}

#[async_trait]
impl Region for NodeRegion {
    async fn prepare(&self, stack: &StackId, version: &StoredVersion) -> Result<(), RegionError> {
        let number = version.record.number;
        if self.loaded(stack, number).is_some() {
            return Ok(());
        }
        let deployment = self.loader.load(&self.invoker, version).await?;
        let mut waiting = self.waiting();
        if waiting.len() >= WAITING_MAX {
            waiting.clear();
        }
        waiting.insert((*stack, number), deployment);
        Ok(())
    }

    async fn serve(&self, stack: &StackId, routing: &Routing) -> Result<(), RegionError> {
        let versions =
            self.loader.load_all(&self.invoker, stack, routing, |version| self.loaded(stack, version)).await?;
        for version in routing.versions() {
            self.waiting().remove(&(*stack, version));
        }
        let served = self.invoker.serve(*stack, versions).await;
        served.map(drop).map_err(|error| RegionError::Internal(error.to_string()))
    }

    async fn reload(&self, stack: &StackId, routing: &Routing) -> Result<(), RegionError> {
        // Those that wait were loaded with what is no longer true.
        self.waiting().retain(|(of, _), _| of != stack);
        let versions = self.loader.load_all(&self.invoker, stack, routing, |_| None).await?;
        let served = self.invoker.serve(*stack, versions).await;
        served.map(drop).map_err(|error| RegionError::Internal(error.to_string()))
    }

    async fn remove(&self, stack: &StackId, data: DataFate) -> Result<(), RegionError> {
        self.waiting().retain(|(of, _), _| of != stack);
        self.made.forget(stack);
        for deployment in self.invoker.deployments().remove(stack) {
            // What still runs may write for as long as it may run; then its data goes.
            let _ = tokio::time::timeout(DRAIN_MAX, deployment.drained()).await;
        }
        if data == DataFate::Keep {
            return Ok(());
        }
        let internal = |error: &dyn fmt::Display| RegionError::Internal(format!("deleting its data: {error}"));
        let (tables, _) = self.db.table_list(stack.key(), "").await.map_err(|e| internal(&e))?;
        for table in tables {
            self.db.drop_table(stack.key(), &table).await.map_err(|e| internal(&e))?;
        }
        for name in self.boxes.box_list(stack.key()).await.map_err(|e| internal(&e))? {
            self.boxes.remove_box(stack.key(), &name).await.map_err(|e| internal(&e))?;
        }
        Ok(())
    }

    async fn invoke(&self, stack: &StackId, call: RegionCall) -> Result<http::Response<RegionBody>, RegionError> {
        let not_served = || RegionError::NotFound("no version of the stack is served: deploy one".to_owned());
        let awake = self.invoker.awake(stack).await.map_err(|asleep| RegionError::Call {
            status: 503,
            code: asleep.code.to_owned(),
            message: asleep.message,
            retry_after: Some(asleep.retry_after),
        })?;
        self.call(&awake.ok_or_else(not_served)?, call).await
    }

    async fn invoke_made(
        &self,
        app: &StackRecord,
        made: &FnRecord,
        call: RegionCall,
    ) -> Result<http::Response<RegionBody>, RegionError> {
        let deployment = self.made.deployment(&self.invoker, &self.loader, app, made).await?;
        self.call(&deployment, call).await
    }

    fn counts(&self, stack: &StackId) -> BTreeMap<VersionNumber, Counts> {
        let versions = self.invoker.deployments().versions(stack);
        let counts = |deployment: &Arc<Deployment>| {
            let number = VersionNumber::try_from(deployment.version()).ok()?;
            let stats = deployment.stats().snapshot();
            let loaded: Weak<Deployment> = Arc::downgrade(deployment);
            Some((number, Counts { loaded, failures: stats.failures(), latencies: latencies(&stats) }))
        };
        versions.iter().filter_map(|(deployment, _)| counts(deployment)).collect()
    }
}

/// The same counts in the finer buckets of the control plane, each where its longest latency belongs.
fn latencies(stats: &StatsSnapshot) -> LatencyHistogram {
    let mut counts = vec![0; LatencyHistogram::BUCKETS];
    for (end, count) in stats.buckets() {
        counts[LatencyHistogram::bucket(end.saturating_sub(Duration::from_micros(1)))] += count;
    }
    LatencyHistogram::from_counts(counts)
}

impl fmt::Debug for NodeRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeRegion").finish_non_exhaustive()
    }
}
