//! One and the same component, through our gateway and under `wasmtime serve`; for information beside it, a hello under
//! servers for JavaScript.

use std::path::Path;
use std::time::Duration;

use super::load::{Load, Sample, single_request};
use super::row::Row;
use super::server::Server;
use super::{Options, median, peers, project, start};
use crate::failure::{Doing, Outcome};

/// How often each server is measured; medians are compared.
const ROUNDS: usize = 5;
const CONNECTIONS: u32 = 32;
const BUSY: Duration = Duration::from_secs(5);
const ALONE: Duration = Duration::from_secs(3);

/// What is measured of one server, a sample per round.
struct Side {
    name: &'static str,
    server: Server,
    busy: Vec<Sample>,
    alone: Vec<Sample>,
}

/// Metering and logging are on, as they always are.
pub(super) fn rows(root: &Path, binaries: &Path, options: Options) -> Outcome<Vec<Row>> {
    let work = tempfile::tempdir().doing("creating a temporary folder")?;
    let folder = work.path().join("project");
    project::hello_and_echo(root, &folder)?;
    let ours = start::ours(&folder, binaries, work.path())?;
    if options.quick {
        single_request(ours.url())?;
        ours.stop()?;
        return Ok(Vec::new());
    }
    let wasmtime = start::wasmtime(&root.join(project::MINIMAL), &peers::wasmtime()?, work.path(), "hello")?;
    let mut sides = vec![Side::new("mu", ours), Side::new("wasmtime serve", wasmtime)];
    if let Some(javascript) = peers::javascript()? {
        sides.push(Side::new("workerd", start::workerd(root, &javascript, work.path())?));
        sides.push(Side::new("deno", start::deno(root, &javascript, work.path())?));
    }
    measure(&mut sides)?;
    let mut rows = Vec::new();
    if let [ours, peers @ ..] = sides.as_slice() {
        for peer in peers {
            rows.extend(compare(ours, peer)?);
        }
    }
    sides.into_iter().try_for_each(|side| side.server.stop())?;
    Ok(rows)
}

impl Side {
    fn new(name: &'static str, server: Server) -> Self {
        Self { name, server, busy: Vec::new(), alone: Vec::new() }
    }
}

/// The sides take turns, so that a slow minute hits all.
fn measure(sides: &mut [Side]) -> Outcome {
    let (busy, alone) = (Load::new(CONNECTIONS, BUSY)?, Load::new(1, ALONE)?);
    // Warm all: the first run pays for compiling, for filling pools and for growing tables.
    for side in &*sides {
        busy.run(&side.server)?;
    }
    for round in 1..=ROUNDS {
        for side in &mut *sides {
            let (many, one) = (busy.run(&side.server)?, alone.run(&side.server)?);
            eprintln!(
                "hello component {round}/{ROUNDS}, {}: {:.1} us of CPU, {:.0} requests/s, {:.1} us alone",
                side.name, many.cpu_us_per_request, many.requests_per_second, one.median_latency_us
            );
            side.busy.push(many);
            side.alone.push(one);
        }
    }
    Ok(())
}

/// Ours beside one peer. Goals are set for the peer that runs the same component.
fn compare(ours: &Side, peer: &Side) -> Outcome<[Row; 3]> {
    let row = |what: &str, unit: &str, goal: &str, value: &dyn Fn(&Side) -> Vec<f64>| -> Outcome<Row> {
        let measure = format!("hello component beside {}: {what}", peer.name);
        let row = Row::new(&measure, unit, median(value(ours))?).peer(median(value(peer))?);
        Ok(if peer.name == "wasmtime serve" { row.goal(goal) } else { row })
    };
    let of = |samples: &[Sample], number: fn(&Sample) -> f64| samples.iter().map(number).collect();
    Ok([
        row("server CPU per request", "us", "ratio <= 0.8", &|side| {
            of(&side.busy, |sample| sample.cpu_us_per_request)
        })?,
        row("median latency, 1 connection", "us", "ratio <= 1", &|side| {
            of(&side.alone, |sample| sample.median_latency_us)
        })?,
        row("requests, 32 connections", "/s", "ratio >= 1.2", &|side| {
            of(&side.busy, |sample| sample.requests_per_second)
        })?,
    ])
}
