//! Benchmarks that need one process: each prints a row of JSON that `cargo xtask bench` puts into its table.
//!
//! Both sides of a ratio are measured in the same run, taking turns, and compared by their medians.

mod database;
mod fuel;
mod instance;
mod row;
mod wasm;

use std::process::ExitCode;

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
    let effort = if arguments.iter().any(|a| a == "--quick") { Effort::Quick } else { Effort::Full };
    rustls::crypto::ring::default_provider().install_default().expect("nobody was first");
    instance::run(effort);
    fuel::run(effort);
    database::run(effort);
    ExitCode::SUCCESS
}
