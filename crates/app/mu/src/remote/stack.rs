//! `mu stack`: stacks on a node, their versions, their routing and their configuration.

mod config;
mod routing;
mod versions;

use clap::{Args, Subcommand};
use http::Method;
use serde::Deserialize;
use serde_json::json;

use self::routing::RouteArguments;
use super::version_number::{VersionNumber, Weight, shares};
use super::{Certainty, OnStack, Remote};
use crate::client::{Call, Limit, path};
use crate::failure::Failure;
use crate::output::{OutputArgs, or_dash, short_time};
use crate::terminal::{self, BOLD};

/// Look at stacks on a node, and change what is served of them
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// List the stacks that you may see
    List {
        /// Only those whose names begin so
        #[arg(long)]
        prefix: Option<String>,
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        limit: Limit,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Show a stack
    Show {
        #[command(flatten)]
        stack: OnStack,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// List the versions of a stack, newest first
    Versions {
        #[command(flatten)]
        stack: OnStack,
        #[command(flatten)]
        limit: Limit,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Show what differs between two versions
    Diff {
        /// The version to compare with
        from: VersionNumber,
        /// The version that is compared
        to: VersionNumber,
        #[command(flatten)]
        stack: OnStack,
        #[command(flatten)]
        output: OutputArgs,
    },
    Route(RouteArguments),
    /// Serve what was served before, or an older version
    Rollback {
        /// Which version [default: the one that was served before]
        #[arg(long, value_name = "VERSION")]
        to: Option<VersionNumber>,
        #[command(flatten)]
        stack: OnStack,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Delete a stack with its tables and boxes
    ///
    /// Asks before it does, unless --yes is given. With --keep-data, the next stack that is made with this name gets the
    /// tables and boxes.
    Delete {
        /// Keep tables and boxes
        #[arg(long)]
        keep_data: bool,
        #[command(flatten)]
        stack: OnStack,
        #[command(flatten)]
        certainty: Certainty,
    },
    Config(config::Arguments),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StackView {
    id: String,
    name: String,
    owner: String,
    created_at: String,
    state: String,
    routing: Vec<Weight>,
}

#[derive(Debug, Deserialize)]
struct StackDetail {
    stack: StackView,
    latest_version: Option<VersionNumber>,
    #[serde(default)]
    gateways: Vec<GatewayView>,
    #[serde(default)]
    functions: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct GatewayView {
    name: String,
    url: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.command {
        Command::List { prefix, remote, limit, output } => list(prefix.as_deref(), remote, *limit, *output),
        Command::Show { stack, output } => show(stack, *output),
        Command::Versions { stack, limit, output } => versions::list(stack, *limit, *output),
        Command::Diff { from, to, stack, output } => versions::diff(stack, *from, *to, *output),
        Command::Route(arguments) => routing::run(arguments),
        Command::Rollback { to, stack, output } => {
            let (client, stack) = stack.connect()?;
            let order = to.map_or_else(|| json!({}), |to| json!({"to": to}));
            let routing = client.ask(&Call::order(Method::POST, path(&["stacks", &stack, "rollback"]), &order))?;
            routing::print(&stack, &routing, *output)
        }
        Command::Delete { keep_data, stack, certainty } => delete(*keep_data, stack, *certainty),
        Command::Config(arguments) => config::run(arguments),
    }
}

fn list(prefix: Option<&str>, remote: &Remote, limit: Limit, output: OutputArgs) -> Result<(), Failure> {
    let stacks = remote.connect()?.list("/v1/stacks", &[("prefix", prefix)], limit)?;
    output.output.list(&stacks, ["NAME", "STATE", "SERVED", "CREATED", "ID"], |stack: StackView| {
        let served = or_dash(Some(shares(&stack.routing)));
        [stack.name, stack.state, served, short_time(&stack.created_at), stack.id]
    })
}

fn show(stack: &OnStack, output: OutputArgs) -> Result<(), Failure> {
    let (client, stack) = stack.connect()?;
    let answer = client.get(path(&["stacks", &stack]))?;
    output.output.record(&answer, |detail: StackDetail| {
        let StackDetail { stack, latest_version, gateways, functions } = detail;
        let gateways: Vec<String> =
            gateways.iter().map(|gateway| format!("{}  {}", gateway.name, gateway.url)).collect();
        vec![
            ("name", stack.name),
            ("id", stack.id),
            ("state", stack.state),
            ("owner", stack.owner),
            ("created", short_time(&stack.created_at)),
            ("served", shares(&stack.routing)),
            ("latest version", or_dash(latest_version.map(|version| version.to_string()))),
            ("functions", functions.join(", ")),
            ("gateways", gateways.join("\n")),
        ]
    })
}

fn delete(keep_data: bool, stack: &OnStack, certainty: Certainty) -> Result<(), Failure> {
    let (client, stack) = stack.connect()?;
    let what = if keep_data { "and keep its tables and boxes" } else { "with its tables and boxes" };
    certainty.confirm(&format!("Delete stack {stack} on {} {what}?", client.address()))?;
    let keep = if keep_data { "true" } else { "false" };
    client.tell(&Call::delete(path(&["stacks", &stack])).query(&[("keep_data", Some(keep))]))?;
    terminal::say(format!("Deleted {BOLD}{stack}{BOLD:#}"));
    Ok(())
}
