//! `mu serve`: a node for a team, managed over its API.

use std::path::PathBuf;

use clap::Args;
use mu_node::server::Server;
use mu_node::settings::{Configuration, Mistakes, Override, Sources};
use serde_json::json;

use crate::failure::{Cause, Failure};
use crate::signals::Signals;
use crate::terminal::{self, BOLD, DIM};
use crate::{file, local_node};

/// The exit code of a process that was interrupted before it was done: 128 and the number of SIGINT.
const INTERRUPTED: i32 = 130;

/// Serve the stacks that are deployed to this machine
///
/// Functions are served by the gateway; stacks are deployed to it with `mu deploy`, over the management API. What is
/// configured, and from where, is shown by `mu config show`.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) layers: Layers,
    /// Read the configuration, tell what is wrong with it, and serve nothing
    #[arg(long)]
    check: bool,
    /// Write the addresses to this file as JSON once requests are served
    #[arg(long, value_name = "FILE")]
    addresses: Option<PathBuf>,
}

/// Where a node's configuration comes from. Later ones win: defaults, the file, variables `MU_SECTION__KEY`, these flags.
#[derive(Args, Debug)]
pub(crate) struct Layers {
    /// The configuration [default: mu-node.yaml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where everything is kept
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Where functions are served
    #[arg(long, value_name = "ADDR")]
    gateway: Option<String>,
    /// Where the management API is served
    #[arg(long, value_name = "ADDR")]
    api: Option<String>,
    /// Where metrics and health are served
    #[arg(long, value_name = "ADDR")]
    metrics: Option<String>,
    /// Set any key of the configuration; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl Layers {
    /// All layers, read.
    pub(crate) fn load(&self) -> Result<Configuration, Failure> {
        let named = [
            ("data_dir", &self.data_dir, "--data-dir"),
            ("gateway.address", &self.gateway, "--gateway"),
            ("api.address", &self.api, "--api"),
            ("metrics.address", &self.metrics, "--metrics"),
        ];
        let named = named.into_iter().filter_map(|(key, text, flag)| Some(Override::new(key, text.as_deref()?, flag)));
        let flags = named.chain(self.set.iter().map(|pair| Override::set(pair))).collect();
        let sources = Sources::of_process(self.config.as_deref(), flags).map_err(|mistakes| mistaken(&mistakes))?;
        Configuration::load(&sources).map_err(|mistakes| mistaken(&mistakes))
    }
}

/// A configuration with mistakes, all of which are told.
pub(crate) fn mistaken(mistakes: &Mistakes) -> Failure {
    Failure::new(Cause::Start, "the configuration has mistakes").detail(mistakes.to_string())
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let configuration = arguments.layers.load()?;
    if arguments.check {
        terminal::say("The configuration is fine");
        return Ok(());
    }
    configuration.settings().log.init();
    let runtime = local_node::runtime()?;
    let result = runtime.block_on(serve(configuration, arguments));
    runtime.shutdown_background();
    result
}

async fn serve(configuration: Configuration, arguments: &Arguments) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let server = Server::start(configuration.into_settings()).await.map_err(|e| local_node::start_failure(&e))?;
    let addresses = server.addresses();
    terminal::say(format!("Functions      {BOLD}http://{}{BOLD:#}", addresses.gateway));
    if let Some(address) = addresses.gateway_tls {
        terminal::say(format!("               {BOLD}https://{address}{BOLD:#}"));
    }
    terminal::say(format!("Management     {BOLD}{}{BOLD:#}", server.api_url()));
    terminal::say(format!("Metrics        http://{}/metrics", addresses.metrics));
    if let Some(path) = server.bootstrap_file() {
        let (api, path) = (server.api_url(), path.display());
        terminal::say("This node has no operator yet. To become it:");
        terminal::say(format!("  mu login {api} --bootstrap-token-file {path}"));
    }
    terminal::say(format!("{DIM}Ctrl-C ends it{DIM:#}"));
    if let Some(path) = &arguments.addresses {
        let text = json!({
            "gateway": addresses.gateway.to_string(),
            "gateway_tls": addresses.gateway_tls.map(|address| address.to_string()),
            "api": addresses.api.to_string(),
            "metrics": addresses.metrics.to_string(),
        });
        let written =
            file::create_parent(path).and_then(|()| file::write_atomically(path, format!("{text:#}\n").as_bytes()));
        written.map_err(|e| Failure::from_error(Cause::Failed, format!("writing {}", path.display()), &e))?;
    }
    signals.received().await;
    terminal::say("Finishing the requests under way; Ctrl-C again ends at once");
    tokio::select! {
        () = server.stop() => Ok(()),
        () = signals.received() => std::process::exit(INTERRUPTED),
    }
}
