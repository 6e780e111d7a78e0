//! `mu config`: what a node is configured with.

use clap::{Args, Subcommand};

use crate::failure::{Cause, Failure};
use crate::serve::Layers;
use crate::terminal;

/// Look at the configuration of a node
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Show(Show),
}

/// Print every value, and where it comes from
///
/// Takes the flags of `mu serve`, and shows what that would see. Secrets are not printed.
#[derive(Args, Debug)]
struct Show {
    #[command(flatten)]
    layers: Layers,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Form::Table)]
    output: Form,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Form {
    Table,
    Json,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Command::Show(show) = &arguments.command;
    let configuration = show.layers.load()?;
    let text = match show.output {
        Form::Table => configuration.to_table(),
        Form::Json => format!("{:#}\n", configuration.to_json()),
    };
    terminal::print(text).map_err(|e| Failure::from_error(Cause::Failed, "printing the configuration", &e))
}
