//! `mu run`: a project, built, served and watched on this machine.

mod announce;
mod callers;
mod door;
mod follow;
mod overrides;
mod secrets;
mod version;
mod watch;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use mu_gateway::GatewayPorts;

use crate::build::{BuilderArgs, Options, Tell};
use crate::failure::{Cause, Failure};
use crate::local_node;
use crate::project::{LimitArgs, Project};
use crate::report::{Event, Output, Reporter, Tap};
use crate::run::announce::Announcer;
pub(crate) use crate::run::announce::{curl, example_path};
use crate::run::callers::EveryoneIsLocal;
use crate::run::door::Door;
use crate::run::follow::Session;
pub(crate) use crate::run::overrides::{PREFIX as OVERRIDE_PREFIX, overrides};
pub(crate) use crate::run::version::Version;
use crate::signals::Signals;
use crate::terminal;

/// Where `mu run` listens unless told otherwise.
pub(crate) const GATEWAY_PORT: u16 = 12_080;

/// The exit code of a process that was interrupted before it was done: 128 and the number of SIGINT.
const INTERRUPTED: i32 = 130;

/// Build and serve a project, and again after every change
///
/// Prints one line per call, with the function's own log beneath. Ctrl-C finishes the requests under way, then ends; a
/// second one ends at once. `env_dev` of the manifest and variables MU_FN_NAME of the shell, which set the variable
/// NAME of every function, count here and nowhere else. Secrets come from mu.secrets beside mu.yaml, and from
/// MU_SECRET_NAME. Routes with `auth` let every caller in, as `local`.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The project: a directory with mu.yaml, app.yaml or func.yaml, or one below it
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Where to listen; port 0 takes any free port
    #[arg(long, value_name = "ADDR", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, GATEWAY_PORT)))]
    gateway: SocketAddr,
    /// Where tables and boxes are kept [default: .mu/data in the project]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Write the addresses to this file as JSON once requests are served, and again when they change
    #[arg(long, value_name = "FILE")]
    addresses: Option<PathBuf>,
    /// Serve what is there now, whatever changes
    #[arg(long)]
    no_watch: bool,
    /// Let functions send HTTP requests to this machine and to private networks
    #[arg(long)]
    allow_private_network: bool,
    #[command(flatten)]
    builder: BuilderArgs,
    #[command(flatten)]
    limits: LimitArgs,
    /// How to print calls and logs on standard output
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let project = Project::find(&arguments.dir)?.limited(arguments.limits)?;
    project.tell_notes()?;
    let options = Options::of(Tell::Built).with(arguments.builder);
    let version = Version::build(&project, &project.load()?, options)?;
    let runtime = local_node::runtime()?;
    let result = runtime.block_on(serve(arguments, project, options, version));
    // A build may still be running on one of its threads; nobody waits for that any more.
    runtime.shutdown_background();
    result
}

async fn serve(arguments: &Arguments, project: Project, options: Options, version: Version) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let reporter = Reporter::start(arguments.output)
        .map_err(|e| Failure::from_error(Cause::Failed, "starting a thread for the output", &e))?;
    let (reporter, data_dir) = (Arc::new(reporter), project.data_dir(arguments.data_dir.as_deref()));
    let tap = Arc::new(Tap::new(Some(Arc::clone(&reporter))));
    let egress = local_node::egress(arguments.allow_private_network);
    let node = Arc::new(local_node::start(&project, &data_dir, egress, &tap)?);
    let ports = GatewayPorts { authenticator: Arc::new(EveryoneIsLocal::new()), ..GatewayPorts::default() };
    let gateway = node.listen(arguments.gateway, ports).map_err(|e| local_node::start_failure(&e))?;
    let mut session = Session::start(project, Arc::clone(&node), options, version).await?;
    let door = Door::open(&data_dir, Arc::clone(&node), tap)?;
    let mut announcer = Announcer::new(gateway.address(), arguments.addresses.as_deref(), &reporter);
    node.serve(gateway);
    announcer.announce(session.stack_id(), session.stack())?;
    tokio::select! {
        () = session.follow(&mut announcer, &reporter), if !arguments.no_watch => {}
        () = signals.received() => {}
    }
    terminal::say("Finishing the requests under way; Ctrl-C again ends at once");
    reporter.event(Event::Draining);
    tokio::select! {
        ((), ()) = async { tokio::join!(door.close(), node.stop()) } => {}
        () = signals.received() => {
            reporter.finish();
            std::process::exit(INTERRUPTED);
        }
    }
    announce::totals(&node.totals(&session.stack_id()), &reporter);
    reporter.finish();
    Ok(())
}
