//! Measurements against a peer, in one run and in one table.
//!
//! What runs inside one process is measured by the package `mu-bench`, which prints [rows](row). What needs whole
//! processes is measured here: the server's CPU time per request, latency and throughput beside `wasmtime serve`, memory
//! at rest, with a body passing through and with idle connections, a node that many stacks are deployed to, functions in
//! containers, the size of the binary and the time to build it. Figures of a busy machine say little; ratios taken in one
//! run say more.

mod component;
mod containers;
pub(crate) mod control;
mod load;
mod peers;
mod project;
mod row;
mod server;
mod start;
mod streaming;
mod usage;
mod websockets;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::failure::{Doing, Failure, Outcome};
use crate::{process, repository};
use clap::ValueEnum as _;
use load::Load;
use row::Row;
use server::Server;

#[derive(Clone, Copy)]
pub(crate) struct Options {
    /// Compile and run everything once, on the development build and without the peer: a smoke, not a measurement.
    pub(crate) quick: bool,
    /// Also time a release build from nothing.
    pub(crate) build_time: bool,
    /// Measure this part alone.
    pub(crate) only: Option<Part>,
}

/// A part of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// What runs inside one process: instances, metering, tables, idle functions.
    Process,
    /// A hello in a module, and the binary.
    Hello,
    /// A hello in a component, beside others that run components.
    Components,
    /// Bodies that pass through.
    Streaming,
    /// Idle connections.
    Websockets,
    /// A node that stacks are deployed to.
    Control,
    /// Functions in containers.
    Containers,
}

/// How often each side of a comparison is measured; medians are compared.
const RUNS: usize = 7;
const CONNECTIONS: u32 = 32;
const RUN_DURATION: Duration = Duration::from_secs(5);
const MEBIBYTE: f64 = 1_048_576.0;

/// Measures and prints the table.
pub(crate) fn run(options: Options) -> Outcome {
    let root = repository::root();
    let mut rows = Vec::new();
    if options.build_time {
        rows.push(build_time(&root)?);
    }
    let binaries = build(&root, options)?;
    let is_wanted = |part: &&Part| options.only.is_none_or(|only| only == **part);
    for part in Part::value_variants().iter().filter(is_wanted) {
        rows.extend(match part {
            Part::Process => inside_one_process(&root, &binaries, options)?,
            Part::Hello => {
                let mut rows = Vec::new();
                if !options.quick {
                    rows.push(binary_size(&binaries)?);
                }
                rows.extend(hello(&root, &binaries, options)?);
                rows
            }
            Part::Components => component::rows(&root, &binaries, options)?,
            Part::Streaming => streaming::rows(&root, &binaries, options)?,
            Part::Websockets => websockets::rows(&root, &binaries, options)?,
            Part::Control => control::rows(&root, &binaries, options)?,
            Part::Containers => containers::rows(&binaries, options)?,
        });
    }
    print!("{}", row::table(&rows));
    Ok(())
}

/// Builds `mu` and `mu-bench`, and returns the folder they are in.
fn build(root: &Path, options: Options) -> Outcome<PathBuf> {
    if options.quick {
        return process::development_build();
    }
    // All members, so that what `cargo build --release` has compiled is used again.
    process::run_as_talk(process::cargo().args(["build", "--workspace", "--release"]).current_dir(root))?;
    Ok(repository::target_folder().join("release"))
}

fn build_time(root: &Path) -> Outcome<Row> {
    let target = tempfile::tempdir().doing("creating a temporary folder")?;
    let mut command = process::cargo();
    command.args(["build", "--release"]).current_dir(root).env("CARGO_TARGET_DIR", target.path());
    let start = Instant::now();
    process::run_as_talk(&mut command)?;
    let minutes = start.elapsed().as_secs_f64() / 60.0;
    Ok(Row::new("release build from nothing", "min", minutes).goal("ours <= 12"))
}

/// Runs `mu-bench`; each line of JSON it prints is a row, anything else is talk.
fn inside_one_process(root: &Path, binaries: &Path, options: Options) -> Outcome<Vec<Row>> {
    let mut command = std::process::Command::new(binaries.join("mu-bench"));
    if options.quick {
        command.arg("--quick");
    }
    let said = process::capture(command.current_dir(root))?;
    let mut rows = Vec::new();
    for line in said.lines() {
        if line.starts_with('{') {
            rows.push(Row::parse(line)?);
        } else {
            eprintln!("{line}");
        }
    }
    Ok(rows)
}

fn binary_size(binaries: &Path) -> Outcome<Row> {
    let bytes = std::fs::metadata(binaries.join("mu")).doing("looking at the binary")?.len();
    Ok(Row::new("stripped binary", "MB", bytes as f64 / 1e6).goal("ours <= 60"))
}

/// The hello function through the whole gateway, beside its equivalent under `wasmtime serve`.
fn hello(root: &Path, binaries: &Path, options: Options) -> Outcome<Vec<Row>> {
    let work = tempfile::tempdir().doing("creating a temporary folder")?;
    let ours = start::ours(&root.join("examples/hello"), binaries, work.path())?;
    let memory = Row::new("memory at rest", "MiB", ours.resident_bytes()? as f64 / MEBIBYTE);
    if options.quick {
        load::single_request(ours.url())?;
        ours.stop()?;
        return Ok(vec![memory]);
    }
    let load = Load::new(CONNECTIONS, RUN_DURATION)?;
    // The greeting's name stands last in the path on both sides.
    let name = ours.url().rsplit('/').next().unwrap_or_default();
    let component = root.join("benches/peer-hello/hello.wasm");
    let peer = start::wasmtime(&component, &peers::wasmtime()?, work.path(), name)?;
    let (ours_us, peer_us) = alternate(&load, &ours, &peer)?;
    ours.stop()?;
    peer.stop()?;
    let hello = Row::new("hello, 32 connections: server CPU per request", "us", ours_us);
    Ok(vec![memory.goal("ours <= 60"), hello.peer(peer_us).goal("ratio <= 0.65")])
}

/// Medians of CPU microseconds per request; the two sides take turns, so that a slow minute hits both.
fn alternate(load: &Load, ours: &Server, peer: &Server) -> Outcome<(f64, f64)> {
    let measure = |server: &Server| load.run(server).map(|sample| sample.cpu_us_per_request);
    // Warm both: the first run pays for compiling, for filling pools and for growing tables.
    measure(ours)?;
    measure(peer)?;
    let (mut ours_us, mut peer_us) = (Vec::new(), Vec::new());
    for run in 1..=RUNS {
        ours_us.push(measure(ours)?);
        peer_us.push(measure(peer)?);
        eprintln!("hello {run}/{RUNS}: ours {:.1} us, peer {:.1} us", ours_us[run - 1], peer_us[run - 1]);
    }
    Ok((median(ours_us)?, median(peer_us)?))
}

fn median(mut values: Vec<f64>) -> Outcome<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().ok_or_else(|| Failure::new("nothing was measured"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Ok(2.0));
        assert!(median(vec![]).is_err());
    }
}
