//! `mu audit-log`: what was done on a node, and by whom.

use clap::Args;
use serde::Deserialize;

use super::Remote;
use crate::client::{Limit, path};
use crate::failure::Failure;
use crate::output::{OutputArgs, or_dash, short_time};

/// Show what was done on a node, or to a stack, newest first
///
/// What was done on a node is for its operators; with --stack, what was done to a stack is for its viewers.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Only what was done to this stack
    #[arg(long, short)]
    stack: Option<String>,
    /// Only what this principal did
    #[arg(long)]
    principal: Option<String>,
    /// Only from this time on: RFC 3339 in UTC, or how long ago, like 24h
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    limit: Limit,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RecordView {
    time: String,
    principal: String,
    how: String,
    action: String,
    stack: Option<String>,
    target: Option<String>,
    from: Option<String>,
    outcome: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let at = match &arguments.stack {
        Some(stack) => path(&["stacks", stack, "audit"]),
        None => path(&["audit"]),
    };
    let query = [
        ("principal", arguments.principal.as_deref()),
        ("since", arguments.since.as_deref()),
        ("until", arguments.until.as_deref()),
    ];
    let records = arguments.remote.connect()?.list(&at, &query, arguments.limit)?;
    let heading = ["TIME", "ACTION", "TARGET", "OUTCOME", "BY", "HOW", "FROM", "STACK"];
    arguments.output.output.list(&records, heading, |record: RecordView| {
        let RecordView { time, principal, how, action, stack, target, from, outcome } = record;
        [short_time(&time), action, or_dash(target), outcome, principal, how, or_dash(from), or_dash(stack)]
    })
}
