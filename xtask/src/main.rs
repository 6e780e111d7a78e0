//! Tasks of the repository, run as `cargo xtask TASK`: what a contributor and the continuous integration share.
//!
//! Data goes to stdout and talk to stderr. A task that fails says why, with a hint where one is known, and exits with 1.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line program: this is how it speaks")]

mod autobahn;
mod bench;
mod ci;
mod failure;
mod guests;
mod images;
mod languages;
mod outside;
mod process;
mod python;
mod repository;
mod schemathesis;
mod tidy;
mod wasm_toolchain;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::Outcome;
use crate::wasm_toolchain::Force;

/// Tasks of the repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Everything that continuous integration runs.
    Ci,
    /// Check the layering and the house rules.
    Tidy,
    /// Rebuild the modules of guests/ and examples/ from source, over the ones that are checked in.
    Guests {
        /// Run the tests with the rebuilt modules, then bring back the ones that are checked in.
        #[arg(long)]
        check: bool,
    },
    /// Make the images of containers that tests and benchmarks run, and print their folder.
    Images,
    /// Make a project from every template of `mu init`, build it and run its tests.
    InitCheck,
    /// Test the SDKs in JavaScript, Python, Go and C; make a project in each, build it and call it.
    Languages,
    /// Ask a node everything that its OpenAPI document describes, with schemathesis, in ways that are right and wrong.
    Schemathesis,
    /// Run the server cases of the Autobahn test suite for WebSockets against `mu run`, and print the outcomes.
    Autobahn {
        /// Leave out the cases that only measure: a minute instead of several.
        #[arg(long)]
        quick: bool,
    },
    /// Measure, and print one table: ours, the peer's, their ratio and the goal.
    Bench {
        /// Compile and run everything once, without the peer; proves nothing but that it works.
        #[arg(long)]
        quick: bool,
        /// Also time a release build from nothing (minutes).
        #[arg(long)]
        build_time: bool,
        /// Measure one part of the table alone.
        #[arg(long, value_enum)]
        only: Option<bench::Part>,
    },
    /// Make a compiler for wasm32-wasip1 from Debian's packages, where `rustup target add` is not possible.
    WasmToolchain {
        /// Where it goes [default: $MU_WASM_TOOLCHAIN, else wasm-toolchain in the cache folder of mu].
        #[arg(long, value_name = "DIR")]
        prefix: Option<PathBuf>,
        /// Make it again, or although rustup has the target.
        #[arg(long)]
        force: bool,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Ci => ci::run(),
        Task::Guests { check: false } => guests::run(guests::Mode::Install),
        Task::Guests { check: true } => guests::run(guests::Mode::Check),
        Task::Images => images::run(),
        Task::InitCheck => outside::check_new_projects(),
        Task::Languages => languages::run(),
        Task::Schemathesis => schemathesis::run(),
        Task::Autobahn { quick: false } => autobahn::run(autobahn::Extent::All),
        Task::Autobahn { quick: true } => autobahn::run(autobahn::Extent::Quick),
        Task::Bench { quick, build_time, only } => bench::run(bench::Options { quick, build_time, only }),
        Task::Tidy => tidy::run(&repository::root()),
        Task::WasmToolchain { prefix, force } => install_wasm_toolchain(prefix, force),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn install_wasm_toolchain(prefix: Option<PathBuf>, force: bool) -> Outcome {
    let force = if force { Force::Yes } else { Force::No };
    if let Some(prefix) = wasm_toolchain::install(prefix, force)? {
        println!("{}", prefix.display());
    }
    Ok(())
}
