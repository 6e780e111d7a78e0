//! `mu member`: who has a role on the node itself.

use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use mu_control::access::Principal;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Remote;
use crate::client::{Call, Limit, path};
use crate::failure::Failure;
use crate::output::{OutputArgs, or_dash, short_time};
use crate::terminal;

/// Manage who may make stacks on a node, and who operates it
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// List members and operators
    List {
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        limit: Limit,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Give somebody a role on the node
    Set {
        /// Who: k_… for a key (`mu whoami` shows one's own), oidc:ISSUER:SUBJECT for a user of an issuer
        principal: Principal,
        role: NodeRole,
        #[command(flatten)]
        remote: Remote,
    },
    /// Take somebody's role on the node away
    Remove {
        /// Who: k_… for a key, oidc:ISSUER:SUBJECT for a user of an issuer
        principal: Principal,
        #[command(flatten)]
        remote: Remote,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
enum NodeRole {
    /// Makes stacks, and is admin of those
    Member,
    /// Does everything
    Operator,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct MemberView {
    principal: String,
    role: String,
    since: Option<String>,
    by: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.command {
        Command::List { remote, limit, output } => {
            let members = remote.connect()?.list("/v1/members", &[], *limit)?;
            output.output.list(&members, ["PRINCIPAL", "ROLE", "SINCE", "BY"], |member: MemberView| {
                // Operators of the node's configuration have neither.
                let since = member.since.map_or_else(|| "configured".to_owned(), |since| short_time(&since));
                [member.principal, member.role, since, or_dash(member.by)]
            })
        }
        Command::Set { principal, role, remote } => {
            let at = path(&["members", &principal.to_string()]);
            remote.connect()?.tell(&Call::order(Method::PUT, at, &json!({"role": role})))?;
            let role = if *role == NodeRole::Member { "a member" } else { "an operator" };
            terminal::say(format!("{principal} is {role} now"));
            Ok(())
        }
        Command::Remove { principal, remote } => {
            Ok(remote.connect()?.tell(&Call::delete(path(&["members", &principal.to_string()])))?)
        }
    }
}
