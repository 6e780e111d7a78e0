//! Functions in containers: the hello of Project Fn's Python FDK, beside the same program without a container.
//!
//! Project Fn's own server is the peer that one would want, and it is in no package registry: it comes as an image of a
//! container registry. So ours is measured against what no server can do without, the language's own start and the
//! program's own answer.

mod alone;
mod client;
mod pauses;

use std::path::Path;
use std::time::Duration;

use super::control::{millis, timed};
use super::load::Load;
use super::row::Row;
use super::server::Server;
use super::{Options, RUNS, median, start};
use crate::failure::{Doing, Outcome};
use crate::images;
use alone::Alone;
use client::Client;

/// Functions that are called once each, when none of their containers is there.
const COLD_STARTS: usize = 15;
/// Warm calls of one connection, of which each side makes this many in turn.
const WARM_CALLS: usize = 400;
const FEW: u32 = 4;
const MANY: u32 = 32;
const RUN_DURATION: Duration = Duration::from_secs(4);

const FUNCTION: &str = "runtime: container, module: python-hello.tar, memory_limit: 64MiB, timeout: 30s";

pub(super) fn rows(binaries: &Path, options: Options) -> Outcome<Vec<Row>> {
    if let Some(obstacle) = images::obstacle() {
        eprintln!("there are no figures of containers: {obstacle}");
        return Ok(Vec::new());
    }
    let archive = images::make()?.join("python-hello.tar");
    let work = tempfile::tempdir().doing("creating a temporary folder")?;
    let cold_starts = if options.quick { 1 } else { COLD_STARTS };
    let project = work.path().join("project");
    write_project(&project, &archive, cold_starts)?;
    let alone = Alone::unpack(work.path())?;
    let ours = start::ours_on_all_cores(&project, binaries, work.path())?;

    let mut rows = cold(&ours, &alone, cold_starts)?;
    rows.push(warm(&ours, &alone, if options.quick { 3 } else { WARM_CALLS })?);
    if !options.quick {
        rows.push(crowded(&ours)?);
    }
    rows.push(pauses::row(&ours, options)?);
    ours.stop()?;
    Ok(rows)
}

/// Functions `cold-N`, `warm`, and `brief`, whose containers soon end; each is served at its name.
fn write_project(folder: &Path, archive: &Path, cold_starts: usize) -> Outcome {
    let mut names: Vec<_> = (0..=cold_starts).map(|number| (format!("cold-{number}"), ", idle_timeout: 2s")).collect();
    names.extend([("warm".to_owned(), ""), ("brief".to_owned(), ", idle_timeout: 1s")]);
    let functions =
        names.iter().map(|(name, more)| format!("  - {{type: Function, name: {name}, {FUNCTION}{more}}}\n"));
    let routes = names.iter().map(|(name, _)| format!("      /{name}: {{any: {name}.handle}}\n"));
    let manifest = format!(
        "name: bench\nversion: 1.0.0\nservices:\n{}  - type: Gateway\n    name: api\n    endpoints:\n{}",
        functions.collect::<String>(),
        routes.collect::<String>(),
    );
    std::fs::create_dir_all(folder).doing(format_args!("creating {}", folder.display()))?;
    std::fs::write(folder.join("mu.yaml"), manifest).doing("writing the manifest of a project")?;
    std::fs::copy(archive, folder.join("python-hello.tar")).map(drop).doing("copying an image")
}

/// Where a function of the project is served, as a host and a path.
fn place<'s>(server: &'s Server, name: &str) -> Outcome<(&'s str, String)> {
    let (host, _) = super::load::parts(server.url())?;
    Ok((host, format!("/bench/api/{name}")))
}

/// From the request to the first byte of its answer with no container there, and from the start of the same program to the
/// first byte of its answer on its socket. The sides take turns.
fn cold(ours: &Server, alone: &Alone, count: usize) -> Outcome<Vec<Row>> {
    let first = |number: usize| {
        let (host, path) = place(ours, &format!("cold-{number}"))?;
        Ok(millis(timed(|| Client::over_tcp(host, &path)?.first_byte())?.1))
    };
    // Unpacks the image and reads it from the disk.
    first(0)?;
    drop(alone.start()?);
    let (mut ours_ms, mut alone_ms) = (Vec::new(), Vec::new());
    for number in 1..=count {
        ours_ms.push(first(number)?);
        let (program, time) = timed(|| {
            let program = alone.start()?;
            program.connect()?.first_byte()?;
            Ok(program)
        })?;
        drop(program);
        alone_ms.push(millis(time));
        eprintln!("cold start {number}/{count}: {:.1} ms, alone {:.1} ms", ours_ms[number - 1], alone_ms[number - 1]);
    }
    let (ours_ms, alone_ms) = (median(ours_ms)?, median(alone_ms)?);
    let what = "hello of Fn's Python FDK in a container";
    Ok(vec![
        Row::new(&format!("{what}: first byte of a cold start, beside `python3 func.py`"), "ms", ours_ms)
            .peer(alone_ms),
        Row::new(&format!("{what}: cold start over Python's own"), "ms", ours_ms - alone_ms).goal("ours <= 60"),
    ])
}

/// What a call through the gateway takes beyond one on the program's socket.
fn warm(ours: &Server, alone: &Alone, calls: usize) -> Outcome<Row> {
    let (host, path) = place(ours, "warm")?;
    let program = alone.start()?;
    let (mut ours, mut direct) = (Client::over_tcp(host, &path)?, program.connect()?);
    let measure = |client: &mut Client| {
        let times: Outcome<Vec<_>> = (0..calls).map(|_| Ok(millis(timed(|| client.call())?.1))).collect();
        median(times?)
    };
    // The first one starts a container.
    measure(&mut ours)?;
    measure(&mut direct)?;
    let (mut ours_ms, mut direct_ms) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        ours_ms.push(measure(&mut ours)?);
        direct_ms.push(measure(&mut direct)?);
    }
    let (ours_ms, direct_ms) = (median(ours_ms)?, median(direct_ms)?);
    eprintln!("warm call: {ours_ms:.3} ms, on the socket {direct_ms:.3} ms");
    let added = ours_ms - direct_ms;
    Ok(Row::new("warm call of a container: over one on its socket", "ms", added).goal("ours <= 0.5"))
}

/// That many connections get no less done than a few.
fn crowded(ours: &Server) -> Outcome<Row> {
    let (host, path) = place(ours, "warm")?;
    let url = format!("http://{host}{path}");
    let (few, many) = (Load::new(FEW, RUN_DURATION)?, Load::new(MANY, RUN_DURATION)?);
    let (mut few_rates, mut many_rates) = (Vec::new(), Vec::new());
    // Starts the containers that there will be.
    many.requests_per_second(&url)?;
    for run in 1..=RUNS {
        few_rates.push(few.requests_per_second(&url)?);
        many_rates.push(many.requests_per_second(&url)?);
        eprintln!(
            "containers {run}/{RUNS}: {:.0} requests/s of {FEW}, {:.0} of {MANY}",
            few_rates[run - 1],
            many_rates[run - 1]
        );
    }
    let measure = format!("calls of containers: {MANY} connections beside {FEW}");
    Ok(Row::new(&measure, "/s", median(many_rates)?).peer(median(few_rates)?).goal("ratio >= 1"))
}
