//! A node on the developer's machine, with this command's sinks and hints.

use std::env;
use std::path::Path;
use std::sync::Arc;

use mu_invoke::{DeployError, FailureDetail};
use mu_node::settings::ContainersSettings;
use mu_node::{Node, NodeConfig, Sinks, StartError};
use mu_runtime::{EgressPolicy, LoadError};
use tokio::runtime::Runtime;

use crate::failure::{Cause, Failure};
use crate::project::{MANIFEST_FILE, Project};
use crate::registries::credential_files;
use crate::report::Tap;
use crate::run::Version;
use crate::serve::mistaken;
use crate::terminal::Progress;

/// Where functions may send HTTP requests, as `--allow-private-network` says.
pub(crate) const fn egress(allow_private_network: bool) -> EgressPolicy {
    if allow_private_network { EgressPolicy::Anywhere } else { EgressPolicy::PublicOnly }
}

/// The runtime that a node runs on.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|e| Failure::from_error(Cause::Failed, "starting the asynchronous runtime", &e))
}

/// Starts a node on the project's data; everything it reports goes to `tap`.
pub(crate) fn start(project: &Project, data_dir: &Path, egress: EgressPolicy, tap: &Arc<Tap>) -> Result<Node, Failure> {
    let mut config = NodeConfig::new(data_dir.to_owned(), project.cache_dir());
    config.egress = egress;
    config.containers = containers()?;
    // On the author's own machine, whoever calls may know why a function failed.
    config.invoke.failure_detail = FailureDetail::Shown;
    let sinks = Sinks { logs: Arc::clone(tap) as _, receipts: Arc::clone(tap) as _ };
    Node::start(config, sinks).map_err(|e| start_failure(&e))
}

/// What is set about containers: by the variables that `mu serve` reads as well. To registries a local node is whoever
/// starts it.
pub(crate) fn containers() -> Result<ContainersSettings, Failure> {
    let mut settings = ContainersSettings::of_variables(env::vars_os()).map_err(|mistakes| mistaken(&mistakes))?;
    settings.credentials.splice(0..0, credential_files());
    Ok(settings)
}

/// Puts a version into service.
pub(crate) async fn deploy(node: &Node, version: Version) -> Result<(), Failure> {
    // The first time, this compiles the modules to machine code; later ones find that in the cache.
    let progress = Progress::where_watched("Compiling modules".to_owned());
    let positions = version.positions().clone();
    let deployed = node.deploy(version.into_params()).await;
    drop(progress);
    deployed.map(drop).map_err(|error| match &error {
        DeployError::Load { function, source } => {
            let place = positions.get(function).map(|at| format!("{MANIFEST_FILE}:{}:{}: ", at.line, at.column));
            let what = format!("{}function `{function}` cannot run", place.unwrap_or_default());
            Failure::from_error(Cause::Build, what, source).hint(load_hint(source))
        }
        other => Failure::from_error(Cause::Failed, "deploying", other),
    })
}

/// What to do about code that cannot run.
fn load_hint(error: &LoadError) -> &'static str {
    match error {
        LoadError::Imports { .. } | LoadError::NoHandler { .. } => {
            "what components may import, and must export: docs/reference/wasi-http.md"
        }
        LoadError::MemoryLimitTooLow { .. } => "raise the function's `memory_limit`",
        LoadError::Container { .. } => "what runs containers needs: docs/guide/operate.md#containers",
        LoadError::NotAnImage { .. } | LoadError::Image(_) | LoadError::TooLargeForNode { .. } => {
            "images of functions, and where they come from: docs/guide/containers.md"
        }
        LoadError::NotWasm { .. } => "`runtime` says what a function is: docs/reference/manifest.md",
        _ => "runtime wasi1.0 runs WASI preview 1 commands: docs/reference/wasi1.0.md",
    }
}

/// What to do when a node does not start.
pub(crate) fn start_failure(error: &StartError) -> Failure {
    let failure = Failure::from_error(Cause::Start, "starting the node", error);
    match error {
        StartError::Gateway(_) => failure.hint("`--gateway 127.0.0.1:0` takes any free port"),
        StartError::Directory { .. } => failure.hint("`--data-dir` keeps the data elsewhere"),
        StartError::Tables(_) | StartError::Boxes(_) | StartError::Key(_) => {
            failure.hint("the data was left as it is; `--data-dir` keeps other data elsewhere")
        }
        StartError::Engine(_) => failure.hint("`mu doctor` looks at what the engine needs"),
        StartError::Api { .. } => failure.hint("`--api 127.0.0.1:0` takes any free port"),
        StartError::Operations(_) => failure.hint("`--metrics 127.0.0.1:0` takes any free port"),
        StartError::Anonymous(_) | StartError::Issuer(_) | StartError::Certificate(_) => {
            failure.hint("`mu config show` prints what is configured, and where it comes from")
        }
        StartError::Bootstrap { .. }
        | StartError::Logs(_)
        | StartError::Journal(_)
        | StartError::Usage(_)
        | StartError::Quotas(_)
        | StartError::Catalog(_)
        | StartError::Domains(_)
        | StartError::Control(_) => failure.hint("the data was left as it is; the message says what is wrong with it"),
    }
}
