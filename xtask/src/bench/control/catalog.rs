//! Ten thousand stacks in the catalog, each with a version that is served: how soon a node with a tenth of them starts, what
//! each holds in memory while nobody calls it, and how long a page of the list takes.

use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::super::row::Row;
use super::super::{Options, median, project};
use super::api::Client;
use super::node::same_again;
use super::{Node, millis, timed};
use crate::failure::{Doing, Failure, Outcome};

/// Stacks of a node whose start is measured, and all.
const COUNTS: [usize; 2] = [1_000, 10_000];
const QUICK_COUNTS: [usize; 2] = [10, 30];
/// Clients that make stacks at the same time. All versions are of one artifact, whose record only one deploy at a time can
/// change: more clients would not be faster.
const CLIENTS: usize = 8;
const STARTS: usize = 5;
const PAGES: usize = 1_000;
const QUICK_PAGES: usize = 3;

/// The memory of a node that has just loaded ten thousand stacks is not that of one that has them. So each figure is of a
/// process that was started with what earlier ones have left.
pub(super) fn rows(root: &Path, binaries: &Path, options: Options) -> Outcome<Vec<Row>> {
    let [some, all] = if options.quick { QUICK_COUNTS } else { COUNTS };
    let work = tempfile::tempdir().doing("creating a temporary folder")?;
    let folder = work.path().join("project");
    project::hello(root, &folder)?;
    let node = Node::start(binaries, work.path())?;
    let token = node.become_operator()?;
    node.stop()?;

    let node = Node::start(binaries, work.path())?;
    let empty = node.settled_bytes()?;
    node.deploy(&folder)?;
    let version = same_again(&mut node.connect(&token)?, project::NAME)?;
    make(node.api(), &token, &version, 1..some)?;
    node.stop()?;

    let mut starts = Vec::new();
    for _ in 0..if options.quick { 1 } else { STARTS } {
        let node = Node::start(binaries, work.path())?;
        starts.push(millis(node.start_time()));
        node.stop()?;
    }

    let node = Node::start(binaries, work.path())?;
    make(node.api(), &token, &version, some..all)?;
    node.stop()?;
    let node = Node::start(binaries, work.path())?;
    let start_all = millis(node.start_time());
    let held = node.settled_bytes()?.saturating_sub(empty);
    let mut pages = pages(&mut node.connect(&token)?, if options.quick { QUICK_PAGES } else { PAGES })?;
    node.stop()?;
    pages.sort_by(f64::total_cmp);
    let slow = pages[pages.len() * 99 / 100];
    let each = held as f64 / all as f64 / 1024.0;
    Ok(vec![
        Row::new(&format!("start with {some} stacks, until ready"), "ms", median(starts)?).goal("ours <= 1000"),
        Row::new(&format!("start with {all} stacks, until ready"), "ms", start_all),
        Row::new(&format!("{all} idle stacks: memory of each"), "KiB", each).goal("ours <= 4"),
        Row::new(&format!("page of a list of {all} stacks, median"), "ms", median(pages)?).goal("ours <= 20"),
        Row::new(&format!("page of a list of {all} stacks, 99 of 100"), "ms", slow).goal("ours <= 20"),
    ])
}

/// Makes stacks over the API, each with a version that is served.
fn make(api: &str, token: &str, version: &Value, numbers: Range<usize>) -> Outcome {
    let next = AtomicUsize::new(numbers.start);
    let work = || {
        let mut client = Client::connect(api, token)?;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= numbers.end {
                return Ok(());
            }
            let name = format!("stack-{number}");
            client.order("POST", "/v1/stacks", &json!({ "name": name }))?;
            client.order("POST", &format!("/v1/stacks/{name}/versions"), version)?;
        }
    };
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(work)).collect();
        clients.into_iter().try_for_each(|client| client.join().map_err(|_| Failure::new("a client ended early"))?)
    })
}

/// What each page takes, in milliseconds, from the first to the last and from the first again.
fn pages(client: &mut Client, count: usize) -> Outcome<Vec<f64>> {
    let mut times = Vec::new();
    let mut cursor = String::new();
    while times.len() < count {
        let (page, time) = timed(|| client.get(&format!("/v1/stacks?limit=50{cursor}")))?;
        times.push(millis(time));
        cursor = page["next_cursor"].as_str().map_or_else(String::new, |next| format!("&cursor={next}"));
    }
    Ok(times)
}
