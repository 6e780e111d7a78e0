//! Benchmarks that need no server of their own: each prints a row of JSON that `cargo xtask bench` puts into its table.
//!
//! Both sides of a ratio are measured in the same run, taking turns, and compared by their medians.

mod database;
mod fuel;
mod idle;
mod instance;
mod row;
mod wasm;

use std::path::Path;
use std::process::ExitCode;

/// Everything once, to see that it runs.
pub(crate) const QUICK: &str = "--quick";

/// How much is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Everything once, to see that it runs.
    Quick,
    /// Enough for a median.
    Full,
}

impl Effort {
    /// `full` repetitions, or a few.
    pub(crate) fn times(self, full: usize) -> usize {
        match self {
            Self::Quick => full.min(3),
            Self::Full => full,
        }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let effort = if arguments.iter().any(|a| a == QUICK) { Effort::Quick } else { Effort::Full };
    rustls::crypto::ring::default_provider().install_default().expect("nobody was first");
    if let [argument, runtime, folder, ..] = arguments.as_slice()
        && argument == idle::ARGUMENT
    {
        idle::measure(runtime, Path::new(folder), effort);
        return ExitCode::SUCCESS;
    }
    instance::run(effort);
    fuel::run(effort);
    database::run(effort);
    idle::run(effort);
    ExitCode::SUCCESS
}
