//! What continuous integration runs, in one command that a contributor can run as well.
//!
//! The order is by price: what fails fastest comes first. Steps share what they compile, so that the engine is compiled
//! once to be checked and once to be run. That holds as long as they see the same features of it: all members, and with
//! the dependencies of tests, which is what `--all-targets`, `--examples` and `--tests` are for where no test is run.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::bench;
use crate::failure::{Failure, Outcome};
use crate::guests;
use crate::images;
use crate::languages;
use crate::outside;
use crate::schemathesis;
use crate::wasm_toolchain::{self, Force};
use crate::{process, repository, tidy};

type Step = (&'static str, fn() -> Outcome);

const STEPS: [Step; 15] = [
    ("format", || cargo(&["fmt", "--all", "--check"])),
    ("tidy", || tidy::run(&repository::root())),
    ("clippy", || cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])),
    ("documentation", documentation),
    ("images of containers", make_images),
    // The command of the README.
    ("test", || cargo(&["test"])),
    ("test of xtask", || cargo(&["test", "--package", "xtask"])),
    ("test of the examples' functions", outside::test_examples),
    ("check of the fuzz targets", outside::check_fuzz_targets),
    ("wasm toolchain", || wasm_toolchain::install(None, Force::No).map(drop)),
    ("test with rebuilt guests", || guests::run(guests::Mode::Check)),
    ("new projects", outside::check_new_projects),
    ("other languages", languages::run),
    ("schemathesis", schemathesis::run),
    ("smoke of the benches", || bench::run(bench::Options { quick: true, build_time: false, only: None })),
];

/// Runs every step, stops at the first that fails, and says what each took.
pub(crate) fn run() -> Outcome {
    let mut times = Vec::new();
    for (name, step) in STEPS {
        eprintln!("\n=== {name} ===");
        let start = Instant::now();
        let outcome = step();
        times.push((name, start.elapsed()));
        if let Err(failure) = outcome {
            report(&times);
            eprintln!("{failure}");
            return Err(Failure::new(format!("step `{name}` failed"))
                .hint("each step is a command of its own, listed in CONTRIBUTING.md"));
        }
    }
    report(&times);
    Ok(())
}

fn report(times: &[(&str, Duration)]) {
    eprintln!();
    for (name, time) in times {
        eprintln!("{:>8.1} s  {name}", time.as_secs_f64());
    }
    let total: Duration = times.iter().map(|(_, time)| *time).sum();
    eprintln!("{:>8.1} s  in all", total.as_secs_f64());
}

fn documentation() -> Outcome {
    let mut command = command(&["doc", "--workspace", "--no-deps", "--lib", "--bins", "--examples"]);
    process::run(command.env("RUSTDOCFLAGS", "-D warnings"))
}

/// Tests run containers only where they are told of images.
fn make_images() -> Outcome {
    match images::obstacle() {
        Some(obstacle) => {
            eprintln!("containers are not tested: {obstacle}");
            Ok(())
        }
        None => images::make().map(drop),
    }
}

fn cargo(arguments: &[&str]) -> Outcome {
    let mut command = command(arguments);
    if images::obstacle().is_none() {
        command.env(images::FOLDER_VARIABLE, images::folder());
    }
    process::run(&mut command)
}

fn command(arguments: &[&str]) -> Command {
    let mut command = process::cargo();
    command.args(arguments).current_dir(repository::root());
    command
}
