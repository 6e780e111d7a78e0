//! `mu deploy`: builds a project, uploads what the node lacks, makes a version and serves it.

mod routes;
mod upload;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::Args;
use http::Method;
use mu_control::catalog::ArtifactHash;
use mu_stack::func::Part;
use mu_stack::{Build, ContainerArtifact, Manifest};
use serde::Deserialize;
use serde_json::{Value, json};

use self::routes::{RouteUrl, route_urls};
use super::Remote;
use super::rollout::RolloutArgs;
use super::version_number::{VersionNumber, Weight, Weights, shares};
use crate::build::{self, BuilderArgs, Options, Tell};
use crate::bump::bump;
use crate::client::{Call, CallError, Client, path};
use crate::failure::{Cause, Failure};
use crate::output::{OutputArgs, view};
use crate::project::{LimitArgs, Project};
use crate::push::{Images, RegistryArgs};
use crate::terminal::{self, BOLD, Progress, printable};

/// A node compiles what it has not seen before; a large component takes it minutes.
const COMPILING: Duration = Duration::from_secs(10 * 60);

/// Build a project, and serve it on a node
///
/// Functions are built as `mu build` does, and only those that the node lacks are uploaded; a deploy that was
/// interrupted goes on where it was. Containers get the next version first, and their images go to a registry if one is
/// named, else to the node itself. The stack is made when there is none of its name. The new version gets all
/// requests as soon as it is compiled; those under way end on the old one. `env_dev` of the manifest does not count.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The project: a directory with mu.yaml, app.yaml or func.yaml, or one below it
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Which stack: its name or id [default: the name in mu.yaml]
    #[arg(long, short)]
    stack: Option<String>,
    #[command(flatten)]
    remote: Remote,
    /// What to say about the version
    #[arg(long, short, value_name = "TEXT")]
    message: Option<String>,
    /// Make the version, and leave the requests where they are
    #[arg(long, conflicts_with = "auto")]
    no_activate: bool,
    /// Give the version its requests in steps, and take them back if it does worse than the one before
    #[arg(long)]
    auto: bool,
    /// Leave the versions of functions as they are in their func files
    #[arg(long)]
    no_bump: bool,
    #[command(flatten)]
    registry: RegistryArgs,
    /// Send images to the node itself, and to no registry
    #[arg(long, conflicts_with = "registry")]
    local: bool,
    #[command(flatten)]
    builder: BuilderArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    rollout: RolloutArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// A function's code.
struct Module {
    function: String,
    hash: ArtifactHash,
    bytes: Vec<u8>,
}

/// The state of a stack of which only tables and boxes are left.
const KEPT: &str = "kept";

/// A stack, as far as a deploy looks at it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StackView {
    name: String,
    state: String,
    routing: Vec<Weight>,
}

#[derive(Debug, Deserialize)]
struct StackDetail {
    stack: StackView,
    #[serde(default)]
    gateways: Vec<GatewayView>,
}

#[derive(Debug, Deserialize)]
struct GatewayView {
    name: String,
    url: String,
}

#[derive(Debug, Deserialize)]
struct VersionView {
    number: VersionNumber,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let project = Project::find(&arguments.dir)?.limited(arguments.limits)?;
    let mut manifest = project.load()?;
    project.tell_notes()?;
    // Before the build, which may take long: a context that is missing is found at once.
    let client = arguments.remote.connect()?;
    check(&project, &manifest, arguments)?;
    if !arguments.no_bump && bump(&project, &manifest, project.root(), Part::default())? > 0 {
        manifest = project.load()?;
    }
    build::build(&project, &manifest, manifest.functions(), Options::of(Tell::Built).with(arguments.builder))?;
    let modules = read_modules(&project, &manifest, arguments)?;
    let text = fs::read_to_string(project.manifest_path())
        .map_err(|e| Failure::from_error(Cause::Manifest, project.manifest_path().display(), &e))?;
    let deploy = Deploy { client: &client, manifest: &manifest, text: &text, modules: &modules };
    let stack = arguments.stack.clone().unwrap_or_else(|| manifest.name().to_string());
    let deployed = deploy.run(&stack, arguments)?;
    deployed.print(arguments)
}

/// What can be known before a version is written: that images can be built, and where they go.
fn check(project: &Project, manifest: &Manifest, arguments: &Arguments) -> Result<(), Failure> {
    let images = Images::new(project, manifest, &arguments.registry);
    let built = manifest.functions().filter(|function| *function.build() == Build::Container && !arguments.local);
    built.map(|function| images.target(function)).collect::<Result<Vec<_>, _>>()?;
    build::check(project, manifest, arguments.builder)
}

/// The modules of a project's functions, as they were built; images that are in a registry by their names there.
fn read_modules(project: &Project, manifest: &Manifest, arguments: &Arguments) -> Result<Vec<Module>, Failure> {
    let images = Images::new(project, manifest, &arguments.registry);
    let read = |function: &mu_stack::FunctionManifest| {
        let image = match function.build() {
            Build::Image(image) => Some(images.resolve(image)?),
            Build::Container if !arguments.local => {
                images.target(function)?.map(|target| images.push(function, &target)).transpose()?
            }
            _ => None,
        };
        let bytes = match image {
            Some(image) => ContainerArtifact::bytes_of(&image),
            None => fs::read(build::module_path(project.root(), function)).map_err(|e| {
                let reading = format!("function `{}`: reading {}", function.name(), function.module());
                Failure::from_error(Cause::Build, reading, &e)
            })?,
        };
        Ok(Module { function: function.name().to_string(), hash: ArtifactHash::of(&bytes), bytes })
    };
    manifest.functions().map(read).collect()
}

/// One deploy.
struct Deploy<'a> {
    client: &'a Client,
    manifest: &'a Manifest,
    /// The manifest, as its author wrote it.
    text: &'a str,
    modules: &'a [Module],
}

/// What came of it.
struct Deployed {
    stack: String,
    version: Value,
    number: VersionNumber,
    routing: Vec<Weight>,
    routes: Vec<RouteUrl>,
}

impl Deploy<'_> {
    fn run(&self, stack: &str, arguments: &Arguments) -> Result<Deployed, Failure> {
        let before = self.find_or_make(stack)?;
        let missing = self.missing(stack)?;
        for module in &missing {
            upload::upload(self.client, stack, module)?;
        }
        // A rollout needs a version to compare with.
        let by_steps = arguments.auto && !before.routing.is_empty();
        let activate = !arguments.no_activate && !by_steps;
        let version = self.make_version(stack, arguments.message.as_deref(), activate)?;
        let number = view::<VersionView>(&version)?.number;
        if by_steps {
            let order = json!({"weights": Weights::all_to(number).0, "auto": arguments.rollout.order()});
            let routing = Call::order(Method::PUT, path(&["stacks", stack, "routing"]), &order);
            self.client.tell(&routing).map_err(|error| {
                let made = format!("version {number} is made, and is not served");
                Failure::from(error).detail(made)
            })?;
        }
        let after: StackDetail = view(&self.client.get(path(&["stacks", stack]))?)?;
        let gateways: BTreeMap<_, _> = after.gateways.into_iter().map(|gateway| (gateway.name, gateway.url)).collect();
        let routes = if arguments.no_activate { Vec::new() } else { route_urls(self.manifest.gateways(), &gateways) };
        Ok(Deployed { stack: stack.to_owned(), version, number, routing: after.stack.routing, routes })
    }

    /// The stack, which is made when there is none, or no more than what it has stored.
    fn find_or_make(&self, stack: &str) -> Result<StackView, Failure> {
        let name = match self.client.get(path(&["stacks", stack])) {
            Ok(found) => match view::<StackDetail>(&found)?.stack {
                kept if kept.state == KEPT => kept.name,
                found => return Ok(found),
            },
            Err(error) if error.is_not_found() && !stack.starts_with("s_") => stack.to_owned(),
            Err(error) => return Err(error.into()),
        };
        self.client.tell(&Call::order(Method::POST, "/v1/stacks", &json!({"name": name})))?;
        terminal::say(format!("Made stack {BOLD}{name}{BOLD:#}"));
        Ok(StackView::default())
    }

    /// The modules that the node lacks, each once.
    fn missing(&self, stack: &str) -> Result<Vec<&Module>, CallError> {
        let by_hash: BTreeMap<String, &Module> =
            self.modules.iter().map(|module| (module.hash.to_string(), module)).collect();
        if by_hash.is_empty() {
            return Ok(Vec::new());
        }
        #[derive(Deserialize)]
        struct Missing {
            missing: Vec<String>,
        }
        let hashes: Vec<&String> = by_hash.keys().collect();
        let call =
            Call::order(Method::POST, path(&["stacks", stack, "artifacts", "missing"]), &json!({"hashes": hashes}));
        let Missing { missing } = self.client.ask(&call)?;
        Ok(missing.iter().filter_map(|hash| by_hash.get(hash).copied()).collect())
    }

    fn make_version(&self, stack: &str, message: Option<&str>, activate: bool) -> Result<Value, Failure> {
        let hashes: BTreeMap<&str, ArtifactHash> =
            self.modules.iter().map(|module| (module.function.as_str(), module.hash)).collect();
        let deployed =
            self.manifest.deployed_stack().with_binaries(|function| hashes[function.name.as_str()].binary_id());
        let proto = deployed
            .to_proto_bytes()
            .map_err(|e| Failure::from_error(Cause::Failed, "writing the stack for the node", &e))?;
        let artifacts: BTreeMap<&str, String> = hashes.iter().map(|(name, hash)| (*name, hash.to_string())).collect();
        let order = json!({
            "stack": BASE64_STANDARD.encode(proto),
            "artifacts": artifacts,
            "manifest": self.text,
            "message": message,
            "activate": activate,
        });
        let call = Call::order(Method::POST, path(&["stacks", stack, "versions"]), &order).patience(COMPILING);
        let progress = Progress::where_watched(format!("Compiling {} on the node", self.manifest.name()));
        let made = self.client.ask(&call);
        drop(progress);
        made.map_err(|error| match error.refusal() {
            Some(refusal) if refusal.code == "not_loadable" => Failure::new(Cause::Build, refusal.message.clone())
                .hint("what was served before is served on; `mu stack versions` keeps the reason"),
            _ => error.into(),
        })
    }
}

impl Deployed {
    fn print(&self, arguments: &Arguments) -> Result<(), Failure> {
        let Self { stack, number, .. } = self;
        terminal::say(match (arguments.no_activate, self.routing.is_empty()) {
            (true, true) => format!("Made {BOLD}{stack} {number}{BOLD:#}, which is not served yet"),
            (true, false) => format!("Made {BOLD}{stack} {number}{BOLD:#}; served is {}", shares(&self.routing)),
            (false, _) => format!("Serving {BOLD}{stack}{BOLD:#}: {}", shares(&self.routing)),
        });
        if arguments.no_activate {
            terminal::say(format!("`mu stack route --stack {stack} --to {number}` serves it"));
        }
        let all = json!({
            "stack": stack,
            "version": self.version,
            "routing": self.routing,
            "routes": self.routes.iter().map(RouteUrl::to_json).collect::<Vec<_>>(),
        });
        let lines: String = self.routes.iter().map(|route| format!("{}\n", printable(&route.line()))).collect();
        arguments.output.output.text(&all, &lines)
    }
}

#[cfg(test)]
mod tests;
