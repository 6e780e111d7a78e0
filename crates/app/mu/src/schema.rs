//! `mu schema`.

use clap::{Args, ValueEnum};
use mu_stack::func;

use crate::failure::{Cause, Failure};
use crate::terminal;

/// Print the JSON Schema of a file that people write
///
/// Editors use it to complete and check the file as you type.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Which file
    #[arg(value_enum, default_value_t = File::Manifest)]
    file: File,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum File {
    /// A stack
    #[value(name = "mu.yaml")]
    Manifest,
    /// A function of Project Fn
    #[value(name = "func.yaml")]
    Func,
    /// An app of Project Fn
    #[value(name = "app.yaml")]
    App,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let schema = match arguments.file {
        File::Manifest => mu_stack::schema(),
        File::Func => func::func_schema(),
        File::App => func::app_schema(),
    };
    terminal::print(format!("{schema:#}\n")).map_err(|e| Failure::from_error(Cause::Failed, "writing the schema", &e))
}
