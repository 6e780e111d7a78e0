//! `mu grant`: who may do what on a stack.

use clap::{Args, Subcommand};
use http::Method;
use mu_control::access::Principal;
use serde::Deserialize;
use serde_json::json;

use super::{OnStack, Role};
use crate::client::{Call, Limit, path};
use crate::failure::Failure;
use crate::output::{OutputArgs, short_time};
use crate::terminal;

/// Manage who may do what on a stack
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// List who may do what
    List {
        #[command(flatten)]
        stack: OnStack,
        #[command(flatten)]
        limit: Limit,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Give somebody a role, in place of the one they have
    Set {
        /// Who: k_… for a key (`mu whoami` shows one's own), oidc:ISSUER:SUBJECT for a user of an issuer
        principal: Principal,
        role: Role,
        #[command(flatten)]
        stack: OnStack,
    },
    /// Take somebody's role away
    Remove {
        /// Who: k_… for a key, oidc:ISSUER:SUBJECT for a user of an issuer
        principal: Principal,
        #[command(flatten)]
        stack: OnStack,
    },
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct GrantView {
    principal: String,
    role: String,
    since: String,
    by: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.command {
        Command::List { stack, limit, output } => {
            let (client, stack) = stack.connect()?;
            let grants = client.list(&path(&["stacks", &stack, "grants"]), &[], *limit)?;
            output.output.list(&grants, ["PRINCIPAL", "ROLE", "SINCE", "BY"], |grant: GrantView| {
                [grant.principal, grant.role, short_time(&grant.since), grant.by]
            })
        }
        Command::Set { principal, role, stack } => {
            let (client, stack) = stack.connect()?;
            let at = path(&["stacks", &stack, "grants", &principal.to_string()]);
            client.tell(&Call::order(Method::PUT, at, &json!({"role": role})))?;
            terminal::say(format!("{principal} has its role on {stack} now"));
            Ok(())
        }
        Command::Remove { principal, stack } => {
            let (client, stack) = stack.connect()?;
            Ok(client.tell(&Call::delete(path(&["stacks", &stack, "grants", &principal.to_string()])))?)
        }
    }
}
