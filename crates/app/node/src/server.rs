//! `mu serve`: a node with everything that a team needs of one, put together from its settings.

mod api;
mod authenticator;
mod domains;
mod gate;
mod housekeeping;
mod jwks;
mod made;
mod prover;
mod readings;
mod receipts;
mod region;
mod rollouts;
mod tls;
mod warm;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use mu_control::access::oidc::Issuer;
use mu_control::access::signature::Authorities;
use mu_control::access::{
    Access, AccessError, AccessSettings, AnonymousAccess, BootstrapFile, ClientKey, IssuerName, Principal,
};
use mu_control::api::{self as control_api, Control};
use mu_control::audit::Audit;
use mu_control::catalog::{Artifacts, Catalog, EntryState, Idempotency, StackListParams};
use mu_control::logs::{LogOptions, LogStore};
use mu_control::quota::{Owners, QuotaParts, Quotas};
use mu_control::secrets::Secrets;
use mu_control::usage::UsageLedger;
use mu_db::{FileJournal, JournalOptions, Kv, MuDb, RedbKv, RedbOptions};
use mu_env::{Env, Tasks};
use mu_gateway::{Gateway, GatewayPorts, HostTable};
use mu_invoke::{Dormant, Invoker, Parts, Ports};
use mu_runtime::{Engines, HttpClient, WasmEngine};
use mu_storage::{Boxes, FsBlobs, FsUploads, RootKey};
use mu_telemetry::{Metrics, MetricsParams};

use self::api::ApiListener;
use self::authenticator::AccessAuthenticator;
use self::gate::{DataSize, QuotaGate};
use self::jwks::FetchedKeys;
use self::readings::Gauges;
use self::receipts::Receipts;
use self::region::{Loader, NodeRegion};
use crate::containers::Containers;
use crate::error::StartError;
use crate::node::create_private_dir;
use crate::operations::{Operations, OperationsParts, Probe};
use crate::settings::{self, Settings};

/// Where the token lies that makes the first operator.
pub const BOOTSTRAP_FILE: &str = "bootstrap.token";

/// Stacks of one page, when they are read at the start.
const STACKS_PAGE: usize = 500;
/// How long a probe of readiness may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// A node that serves, is managed and watched. Stop it with [`Server::stop`].
pub struct Server {
    env: Env,
    /// What tells of the node until it has drained.
    operations: Tasks,
    kv: Arc<RedbKv>,
    logs_kv: Arc<RedbKv>,
    invoker: Arc<Invoker>,
    containers: Arc<Containers>,
    drain_timeout: Duration,
    addresses: Addresses,
    api_url: String,
    bootstrap: Option<PathBuf>,
}

/// Where a server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The gateway.
    pub gateway: SocketAddr,
    /// Its listener for TLS, if it has one.
    pub gateway_tls: Option<SocketAddr>,
    /// The management API.
    pub api: SocketAddr,
    /// Metrics and health.
    pub metrics: SocketAddr,
}

impl Server {
    /// Opens the data, makes known what is deployed, and listens. Stacks are loaded when the first request for them
    /// comes. Must be called within a tokio runtime; blocks it while files are opened and, after a crash, checked.
    ///
    /// # Errors
    /// When a directory or an address cannot be used, another process uses the data, or the machine cannot run the
    /// engine.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let env = Env::system();
        for folder in [&settings.data_dir, &settings.cache_dir] {
            create_private_dir(folder)?;
        }
        let data = |name: &str| settings.data_dir.join(name);
        let kv = Arc::new(RedbKv::open(&data("db.redb"), &RedbOptions::default())?);
        let logs_kv = Arc::new(RedbKv::open(&data("logs.redb"), &RedbOptions::default())?);
        let key = RootKey::load_or_create(&data("root.key"), env.random())?;
        // The one TLS implementation of the process; an earlier node of the same process has installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let shared: Arc<dyn Kv> = Arc::clone(&kv) as _;

        let metrics = Metrics::new(MetricsParams {
            version: env!("CARGO_PKG_VERSION"),
            functions_max: settings.metrics.functions_max,
        });
        let options = LogOptions {
            age_max: settings.logs.retention,
            stack_bytes_max: settings.logs.bytes_per_stack,
            metrics: Some(metrics.clone()),
            ..LogOptions::default()
        };
        let (logs, log_writer) = LogStore::open(Arc::clone(&logs_kv) as _, env.clone(), options).await?;
        let journal = FileJournal::open(&data("usage"), &JournalOptions::default(), env.random())?;
        let (usage, folder) = UsageLedger::open(Arc::new(journal), Arc::clone(&shared), env.clone()).await?;

        let catalog = Catalog::new(Arc::clone(&shared), env.clone());
        let artifacts = Artifacts::new(
            Arc::clone(&shared),
            Arc::new(FsBlobs::open(&data("artifacts"))?),
            Arc::new(FsUploads::open(&data("uploads"))?),
            env.clone(),
        )
        .with_bytes_max(settings.api.upload_bytes_max);
        let secrets = Arc::new(Secrets::new(Arc::clone(&shared), &key, env.clone()));
        let db = Arc::new(MuDb::new(Arc::clone(&shared)));
        let boxes = Arc::new(Boxes::open(Arc::new(FsBlobs::open(&data("boxes"))?), key, &env));
        let quotas = Quotas::open(QuotaParts {
            env: env.clone(),
            kv: Arc::clone(&shared),
            defaults: gate::defaults(&settings),
            owners: Owners::load(&catalog).await?,
            usage: Arc::clone(&usage),
            measure: Arc::new(DataSize { db: Arc::clone(&db), boxes: Arc::clone(&boxes) }),
            metrics: metrics.clone(),
        });
        let quotas = Arc::new(quotas.await?);
        let loader = Loader {
            catalog: catalog.clone(),
            artifacts: artifacts.clone(),
            secrets: Arc::clone(&secrets),
            quotas: Arc::clone(&quotas),
        };
        let http = HttpClient::new(settings.egress);
        let wasm = WasmEngine::start(env.clone(), &settings.wasm, http.clone())?;
        let containers =
            Containers::new(env.clone(), settings.containers.clone(), settings.egress, settings.data_dir.clone());
        let containers = Arc::new(containers.with_guarded_registries());
        let receipts = Arc::new(Receipts::new(Arc::clone(&usage), metrics.clone()));
        let invoker = Arc::new(Invoker::new(Parts {
            env: env.clone(),
            engine: Arc::new(Engines { wasm: Arc::new(wasm), containers: Arc::clone(&containers) as _ }),
            db: Arc::clone(&db),
            boxes: Arc::clone(&boxes),
            logs: Arc::clone(&logs) as _,
            receipts: Arc::clone(&receipts) as _,
            ports: Ports { wake: Arc::new(loader.clone()), gatekeeper: Arc::new(QuotaGate(Arc::clone(&quotas))) },
            config: settings.functions,
        }));
        register_stacks(&catalog, &invoker).await?;

        let hosts = Arc::new(HostTable::default());
        let domains = domains::domains(&shared, &env, http.clone(), &settings, Arc::clone(&hosts));
        domains.publish().await?;
        let gateway =
            Gateway::bind(settings.gateway.address, env.clone(), Arc::clone(&invoker), settings.gateway.limits)?;
        let gateway = tls::of_gateway(gateway, &settings.gateway)?;
        let listener = ApiListener::bind(&settings, env.clone())?;
        let addresses = (gateway.address(), gateway.tls_address(), listener.address());
        let gauges = Gauges {
            invoker: Arc::clone(&invoker),
            receipts,
            logs: Arc::clone(&logs),
            usage: Arc::clone(&usage),
            containers: Arc::clone(&containers),
        };
        let probe_kv = Arc::clone(&kv);
        let operations = Operations::bind(
            settings.metrics.address,
            OperationsParts {
                metrics: metrics.clone(),
                readings: Arc::new(move || gauges.read()),
                probes: vec![Probe::new("database", PROBE_TIMEOUT, move || {
                    let kv = Arc::clone(&probe_kv);
                    async move { kv.get(b"\0").await.map(drop).map_err(|error| error.to_string()) }
                })],
                token: settings.metrics.token.clone(),
                shutdown: env.tasks().shutdown().clone(),
            },
        )?;
        let addresses = Addresses {
            gateway: addresses.0,
            gateway_tls: addresses.1,
            api: addresses.2,
            metrics: operations.address(),
        };
        let api_url = api::url(&settings.api, addresses.api);

        let access = access(&settings, &shared, &env, http, addresses.api)?;
        let authenticator = Arc::new(AccessAuthenticator(access.clone()));
        let counted = Some(metrics.clone());
        let gateway = gateway.with_ports(GatewayPorts { hosts, authenticator, metrics: counted });
        let bootstrap = write_bootstrap(&access, &data(BOOTSTRAP_FILE)).await?;
        let region = NodeRegion::new(loader, Arc::clone(&invoker), db, boxes);
        let control = Arc::new(Control {
            audit: Audit::new(Arc::clone(&shared), env.clone()),
            idempotency: Idempotency::new(Arc::clone(&shared), env.clone()),
            env: env.clone(),
            access,
            catalog,
            artifacts,
            domains,
            secrets,
            logs: Arc::clone(&logs),
            usage,
            quotas: Arc::clone(&quotas),
            region: Arc::new(region),
            turns: control_api::Turns::default(),
            metrics,
            rollouts: control_api::Rollouts::default(),
            settings: control_api::ApiSettings {
                gateway_url: match &settings.gateway.public_url {
                    Some(url) => url.to_string(),
                    None => format!("http://{}", addresses.gateway),
                },
                request_bytes_max: usize::try_from(settings.api.request_bytes_max).unwrap_or(usize::MAX),
                call_bytes_max: usize::try_from(settings.functions.request_bytes_max).unwrap_or(usize::MAX),
                detached_drain: settings.drain_timeout,
            },
        });

        control.find_rollouts().await?;
        let (tasks, shutdown) = (env.tasks(), env.tasks().shutdown());
        tasks.spawn(Arc::clone(&containers).run(shutdown.clone()));
        tasks.spawn(warm::run(control.catalog.clone(), Arc::clone(&invoker), shutdown.clone()));
        tasks.spawn(log_writer.run(shutdown.clone()));
        tasks.spawn(folder.run(shutdown.clone()));
        tasks.spawn(Arc::clone(quotas.book()).run(shutdown.clone()));
        tasks.spawn(housekeeping::run(Arc::clone(&control), shutdown.clone()));
        tasks.spawn(rollouts::run(Arc::clone(&control), shutdown.clone()));
        tasks.spawn(gateway.serve(shutdown.clone()));
        tasks.spawn(listener.serve(Arc::clone(&control).router(), shutdown.clone()));
        let telling = Tasks::new();
        let drained = telling.shutdown().clone();
        telling.spawn(operations.serve(async move { drained.requested().await }));
        let drain_timeout = settings.drain_timeout;
        Ok(Self {
            env,
            operations: telling,
            kv,
            logs_kv,
            invoker,
            containers,
            drain_timeout,
            addresses,
            api_url,
            bootstrap,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Under which URL clients reach the management API.
    #[must_use]
    pub fn api_url(&self) -> &str {
        &self.api_url
    }

    /// The file with the token that makes the first operator, when there is none yet.
    #[must_use]
    pub fn bootstrap_file(&self) -> Option<&Path> {
        self.bootstrap.as_deref()
    }

    /// Accepts nothing new, waits for what is under way for as long as the settings allow, and closes the data. Until
    /// then metrics and health are answered, and that the node is not ready.
    pub async fn stop(&self) {
        let mut tasks = pin!(self.env.tasks().stop());
        if tokio::time::timeout(self.drain_timeout, &mut tasks).await.is_err() {
            self.invoker.stop();
            tasks.await;
        }
        let drained = async {
            for deployment in self.invoker.deployments().all() {
                deployment.drained().await;
            }
        };
        if tokio::time::timeout(self.drain_timeout, drained).await.is_err() {
            tracing::warn!("calls are still under way; closing the data all the same");
        }
        self.invoker.stop();
        self.containers.close().await;
        self.operations.stop().await;
        self.logs_kv.close().await;
        self.kv.close().await;
    }
}

/// Makes all stacks known that have something to serve. None of them is loaded.
async fn register_stacks(catalog: &Catalog, invoker: &Invoker) -> Result<(), StartError> {
    let mut after: Option<String> = None;
    loop {
        let params = StackListParams { prefix: "", after: after.as_deref(), limit: STACKS_PAGE };
        let page = catalog.list(params, |entry| entry.state == EntryState::Active).await?;
        let dormant = page.stacks.iter().map(|entry| Dormant { id: entry.id, name: entry.name.as_str().into() });
        invoker.deployments().register(dormant);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}

/// Who may do what, by the settings and the database.
fn access(
    settings: &Settings,
    kv: &Arc<dyn Kv>,
    env: &Env,
    http: HttpClient,
    address: SocketAddr,
) -> Result<Access, StartError> {
    let operators: BTreeSet<Principal> = settings
        .access
        .operators
        .iter()
        .filter_map(|key| key.to_string().parse::<ClientKey>().ok())
        .map(Principal::Key)
        .collect();
    let anonymous = match settings.access.anonymous {
        settings::AnonymousAccess::None => AnonymousAccess::None,
        settings::AnonymousAccess::Viewer => AnonymousAccess::Viewer,
        settings::AnonymousAccess::Operator => AnonymousAccess::Operator,
    };
    anonymous.check(address.ip())?;
    let issuers = settings.access.oidc.iter().map(issuer).collect::<Result<Vec<_>, _>>()?;
    let mut names: Vec<String> = vec![address.to_string()];
    if address.ip().is_loopback() || address.ip().is_unspecified() {
        names.extend(["localhost", "127.0.0.1", "[::1]"].map(|host| format!("{host}:{}", address.port())));
    }
    if let Some(url) = &settings.api.public_url {
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        names.push(format!("{}{port}", url.host_str().unwrap_or_default()));
    }
    let settings = AccessSettings { anonymous, operators, issuers, authorities: Authorities::only(names) };
    Ok(Access::new(kv, env, settings, Arc::new(FetchedKeys(http))))
}

fn issuer(settings: &settings::OidcSettings) -> Result<Issuer, StartError> {
    use mu_control::access::oidc::SigningAlgorithm;
    let name: IssuerName =
        settings.name.parse().map_err(|e| StartError::Issuer(format!("`{}`: {e}", settings.name)))?;
    let algorithms = settings.algorithms.iter().map(|algorithm| match algorithm {
        settings::OidcAlgorithm::Rs256 => SigningAlgorithm::Rs256,
        settings::OidcAlgorithm::Es256 => SigningAlgorithm::Es256,
        settings::OidcAlgorithm::EdDsa => SigningAlgorithm::EdDsa,
    });
    Ok(Issuer {
        name,
        url: settings.issuer.clone(),
        audience: settings.audience.clone(),
        algorithms: algorithms.collect(),
        jwks_url: None,
    })
}

/// Sees to it that the file with the bootstrap token is there as long as there is no operator, and no longer.
async fn write_bootstrap(access: &Access, path: &Path) -> Result<Option<PathBuf>, StartError> {
    let io = |source| StartError::Bootstrap { path: path.to_owned(), source };
    let existing = match fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(io(error)),
    };
    match access.bootstrap().prepare(existing.as_deref().map(str::trim)).await? {
        BootstrapFile::Keep => Ok(Some(path.to_owned())),
        BootstrapFile::Write(text) => {
            write_private(path, text.reveal()).map_err(io)?;
            Ok(Some(path.to_owned()))
        }
        BootstrapFile::Remove => match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io(error)),
            _ => Ok(None),
        },
    }
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    writeln!(file, "{text}")
}

impl From<AccessError> for StartError {
    fn from(error: AccessError) -> Self {
        Self::Control(error.to_string())
    }
}

#[cfg(test)]
mod tests;
