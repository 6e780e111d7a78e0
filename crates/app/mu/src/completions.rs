//! `mu completions`.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::failure::{Cause, Failure};
use crate::terminal;

/// Print a script that completes mu's commands in your shell
///
/// For bash: `mu completions bash > ~/.local/share/bash-completion/completions/mu`.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The shell to complete in
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "mu", &mut script);
    terminal::print(script).map_err(|e| Failure::from_error(Cause::Failed, "writing the script", &e))
}
