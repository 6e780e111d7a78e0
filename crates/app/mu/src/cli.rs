//! The commands and their arguments; each command's own arguments stand in its module.

use clap::{Parser, Subcommand};

use crate::failure::AFTER_HELP;
use crate::remote::{
    audit_log, deploy, domain, grant, login, logs, member, quota, secret, stack, token, usage, whoami,
};
use crate::{build, bump, completions, config, context, doctor, init, invoke, push, run, schema, serve};

/// A serverless cloud in one binary: run functions, tables, boxes and HTTP routes on your machine.
#[derive(Parser, Debug)]
#[command(name = "mu", version, arg_required_else_help = true, after_help = AFTER_HELP, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    Init(init::Arguments),
    Build(build::Arguments),
    Push(push::Arguments),
    Bump(bump::Arguments),
    Run(run::Arguments),
    Invoke(invoke::Arguments),
    Serve(serve::Arguments),
    Config(config::Arguments),
    Login(login::Arguments),
    Whoami(whoami::Arguments),
    Context(context::commands::Arguments),
    Deploy(deploy::Arguments),
    Stack(stack::Arguments),
    Secret(secret::Arguments),
    Grant(grant::Arguments),
    Domain(domain::Arguments),
    Logs(logs::Arguments),
    Usage(usage::Arguments),
    Quota(quota::Arguments),
    Member(member::Arguments),
    Token(token::Arguments),
    AuditLog(audit_log::Arguments),
    Schema(schema::Arguments),
    Doctor(doctor::Arguments),
    Completions(completions::Arguments),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
