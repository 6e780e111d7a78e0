//! `mu token`: API tokens, for programs that ask a node.

use std::time::Duration;

use clap::{Args, Subcommand};
use http::Method;
use mu_stack::HumanDuration;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Remote, Role};
use crate::client::{Call, Limit, path};
use crate::failure::Failure;
use crate::output::{Output, OutputArgs, or_dash, short_time, view, written};
use crate::terminal;

/// Manage API tokens, with which programs act for you
///
/// A token never does what you may not, and no more than it was made for.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Make a token, and print it; it is not shown again
    Create(CreateArguments),
    /// List your tokens
    List {
        /// Those of everybody, for operators
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        limit: Limit,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Revoke a token
    Revoke {
        /// Its id, as `mu token list` shows it
        id: String,
        #[command(flatten)]
        remote: Remote,
    },
}

#[derive(Args, Debug)]
struct CreateArguments {
    /// What to call it
    name: String,
    /// The highest role that it acts with on a stack
    #[arg(long, value_enum)]
    role: Role,
    /// A stack that it is good for, by name or id; may be repeated [default: all of yours]
    #[arg(long, short, value_name = "STACK")]
    stack: Vec<String>,
    /// Let it do what you may do on the node itself, such as making stacks
    #[arg(long)]
    node: bool,
    /// For how long it is good, like 12h or 90d
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = lifetime)]
    expires_in: Duration,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TokenView {
    id: String,
    name: String,
    maker: String,
    role: String,
    stacks: Option<Vec<String>>,
    node: bool,
    expires_at: String,
    last_used_at: Option<String>,
}

/// A token that was just made. Never printed but on standard output.
#[derive(Deserialize)]
struct NewTokenView {
    secret: String,
    token: TokenView,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.command {
        Command::Create(arguments) => create(arguments),
        Command::List { all, remote, limit, output } => list(*all, remote, *limit, *output),
        Command::Revoke { id, remote } => {
            remote.connect()?.tell(&Call::delete(path(&["tokens", id])))?;
            terminal::say(format!("Revoked {id}"));
            Ok(())
        }
    }
}

fn create(arguments: &CreateArguments) -> Result<(), Failure> {
    let stacks = Some(&arguments.stack).filter(|stacks| !stacks.is_empty());
    let order = json!({
        "name": arguments.name,
        "role": arguments.role,
        "stacks": stacks,
        "node": arguments.node,
        "expires_in_s": arguments.expires_in.as_secs(),
    });
    // Once, and without a key: the node keeps the answers to orders with one, and this one is a secret.
    let call = Call::order(Method::POST, "/v1/tokens", &order).once();
    let made: Value = arguments.remote.connect()?.ask(&call)?;
    if arguments.output.output == Output::Json {
        return arguments.output.output.text(&made, "");
    }
    let NewTokenView { secret, token } = view(&made)?;
    terminal::say(format!(
        "Made token {} ({}), good until {}; it is not shown again",
        terminal::printable(&token.name),
        terminal::printable(&token.id),
        short_time(&token.expires_at)
    ));
    written(terminal::print(format!("{secret}\n")))
}

fn list(all: bool, remote: &Remote, limit: Limit, output: OutputArgs) -> Result<(), Failure> {
    let tokens = remote.connect()?.list("/v1/tokens", &[("all", all.then_some("true"))], limit)?;
    let heading = ["ID", "NAME", "MAKER", "ROLE", "STACKS", "NODE", "EXPIRES", "LAST USED"];
    output.output.list(&tokens, heading, |token: TokenView| {
        let stacks = token.stacks.map_or_else(|| "all".to_owned(), |stacks| stacks.join(","));
        let node = if token.node { "yes" } else { "no" };
        let last_used = token.last_used_at.map(|time| short_time(&time));
        let expires = short_time(&token.expires_at);
        [token.id, token.name, token.maker, token.role, stacks, node.to_owned(), expires, or_dash(last_used)]
    })
}

/// Reads days (`90d`), or a duration as in mu.yaml.
fn lifetime(text: &str) -> Result<Duration, String> {
    let lifetime = match text.strip_suffix('d') {
        Some(days) => {
            let days = days.parse::<u32>().map_err(|_| "write a number of days, like 90d".to_owned())?;
            Duration::from_secs(u64::from(days) * 86_400)
        }
        None => text.parse::<HumanDuration>().map_err(|e| format!("{e}; or days, like 90d"))?.duration(),
    };
    if lifetime.as_secs() > 0 { Ok(lifetime) } else { Err("it would be over at once".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_days_or_durations() {
        for (text, expected) in [
            ("90d", Some(7_776_000)),
            ("12h", Some(43_200)),
            ("1h30m", Some(5_400)),
            ("0d", None),
            ("d", None),
            ("9", None),
        ] {
            assert_eq!(lifetime(text).ok().map(|lifetime| lifetime.as_secs()), expected, "{text}");
        }
    }
}
