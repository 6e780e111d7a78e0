//! The environment variables that all functions of a stack get.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::OnStack;
use crate::client::{Call, path};
use crate::failure::Failure;
use crate::output::OutputArgs;

/// Show or change the environment variables that all functions of a stack get
///
/// They count from the next call on, unless a function's own `env` sets them. Secrets do not belong here: `mu secret`.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Show the variables
    Show {
        #[command(flatten)]
        stack: OnStack,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Set variables; others stay
    Set {
        #[arg(required = true, value_name = "NAME=VALUE", value_parser = pair)]
        variables: Vec<(String, String)>,
        #[command(flatten)]
        stack: OnStack,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Remove variables; others stay
    Unset {
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
        #[command(flatten)]
        stack: OnStack,
        #[command(flatten)]
        output: OutputArgs,
    },
}

#[derive(Debug, Deserialize)]
struct ConfigView {
    config: BTreeMap<String, String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.command {
        Command::Show { stack, output } => {
            let (client, stack) = stack.connect()?;
            print(&client.get(path(&["stacks", &stack, "config"]))?, *output)
        }
        Command::Set { variables, stack, output } => {
            let changes = variables.iter().map(|(name, value)| (name.as_str(), Some(value.as_str())));
            change(&changes.collect(), stack, *output)
        }
        Command::Unset { names, stack, output } => {
            change(&names.iter().map(|name| (name.as_str(), None)).collect(), stack, *output)
        }
    }
}

fn change(changes: &BTreeMap<&str, Option<&str>>, stack: &OnStack, output: OutputArgs) -> Result<(), Failure> {
    let (client, stack) = stack.connect()?;
    let order = json!({"config": changes});
    let config = client.ask(&Call::order(Method::PATCH, path(&["stacks", &stack, "config"]), &order))?;
    print(&config, output)
}

fn print(config: &Value, output: OutputArgs) -> Result<(), Failure> {
    let view: ConfigView = crate::output::view(config)?;
    let rows: Vec<Value> = view.config.into_iter().map(|(name, value)| json!([name, value])).collect();
    match output.output {
        crate::output::Output::Json => output.output.text(config, ""),
        table => table.list(&rows, ["NAME", "VALUE"], |(name, value): (String, String)| [name, value]),
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write a name, `=` and a value".to_owned()),
    }
}
