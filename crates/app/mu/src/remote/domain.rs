//! `mu domain`: hosts that a stack is reached at.

use clap::{Args, Subcommand};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::OnStack;
use crate::client::{Call, Limit, path};
use crate::failure::Failure;
use crate::output::{OutputArgs, or_dash, short_time};
use crate::terminal;

/// Serve a stack at hosts of your own
///
/// A host is claimed, proven to be yours, and then leads to the stack: `mu domain add` shows the proof, which goes to DNS
/// or to the host's present server, and `mu domain verify` has it looked at.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Claim a host, and show how to prove that it is yours
    Add {
        /// The host, like api.example.com
        host: String,
        /// The gateway that it leads to [default: the only one of the stack]
        #[arg(long)]
        gateway: Option<String>,
        #[command(flatten)]
        stack: OnStack,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Have the proof looked at; from then on the host leads to the stack
    Verify {
        host: String,
        #[command(flatten)]
        stack: OnStack,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// List the hosts of a stack
    List {
        #[command(flatten)]
        stack: OnStack,
        #[command(flatten)]
        limit: Limit,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Give a host up
    Remove {
        host: String,
        #[command(flatten)]
        stack: OnStack,
    },
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DomainView {
    host: String,
    gateway: Option<String>,
    state: String,
    since: String,
    challenge: Option<ChallengeView>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ChallengeView {
    http_url: String,
    http_body: String,
    dns_name: String,
    dns_value: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.command {
        Command::Add { host, gateway, stack, output } => {
            let (client, stack) = stack.connect()?;
            let order = match gateway {
                Some(gateway) => json!({"host": host, "gateway": gateway}),
                None => json!({"host": host}),
            };
            let at = path(&["stacks", &stack, "domains"]);
            let domain: Value = client.ask(&Call::order(Method::POST, at, &order))?;
            print(&domain, *output)?;
            if !domain["challenge"].is_null() {
                terminal::say(format!("Once one of the two is there: mu domain verify {host}"));
            }
            Ok(())
        }
        Command::Verify { host, stack, output } => {
            let (client, stack) = stack.connect()?;
            let at = path(&["stacks", &stack, "domains", host, "verify"]);
            print(&client.ask(&Call::order(Method::POST, at, &json!({})))?, *output)
        }
        Command::List { stack, limit, output } => {
            let (client, stack) = stack.connect()?;
            let domains = client.list(&path(&["stacks", &stack, "domains"]), &[], *limit)?;
            output.output.list(&domains, ["HOST", "GATEWAY", "STATE", "SINCE", "PROOF"], |domain: DomainView| {
                let proof = domain.challenge.map(|proof| format!("TXT {} {}", proof.dns_name, proof.dns_value));
                let since = short_time(&domain.since);
                [domain.host, or_dash(domain.gateway), domain.state, since, or_dash(proof)]
            })
        }
        Command::Remove { host, stack } => {
            let (client, stack) = stack.connect()?;
            Ok(client.tell(&Call::delete(path(&["stacks", &stack, "domains", host])))?)
        }
    }
}

fn print(domain: &Value, output: OutputArgs) -> Result<(), Failure> {
    output.output.record(domain, |domain: DomainView| {
        let mut fields = vec![
            ("host", domain.host),
            ("gateway", or_dash(domain.gateway)),
            ("state", domain.state),
            ("since", short_time(&domain.since)),
        ];
        if let Some(proof) = domain.challenge {
            fields.push(("TXT record", proof.dns_name));
            fields.push(("has the value", proof.dns_value));
            fields.push(("or URL", proof.http_url));
            fields.push(("has the body", proof.http_body));
        }
        fields
    })
}
