//! A node as a team uses it, `mu serve`: how long a deploy takes, what many stacks cost, and whether a caller notices that
//! versions are switched.

mod api;
mod catalog;
mod deploying;
mod node;
mod switching;

use std::path::Path;
use std::time::{Duration, Instant};

use super::Options;
use super::row::Row;
use crate::failure::Outcome;
pub(super) use api::read_response;
pub(crate) use node::Node;

pub(super) fn rows(root: &Path, binaries: &Path, options: Options) -> Outcome<Vec<Row>> {
    let mut rows = deploying::rows(root, binaries, options)?;
    rows.extend(catalog::rows(root, binaries, options)?);
    rows.extend(switching::rows(root, binaries, options)?);
    Ok(rows)
}

/// How long `work` takes.
pub(super) fn timed<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<(T, Duration)> {
    let start = Instant::now();
    let done = work()?;
    Ok((done, start.elapsed()))
}

pub(super) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
