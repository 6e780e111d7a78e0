//! Versions that are switched while they are called: no request may fail.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::super::load::{Load, single_request};
use super::super::row::Row;
use super::super::{CONNECTIONS, Options, project};
use super::Node;
use super::api::Client;
use crate::failure::{Doing, Failure, Outcome};

const SWITCHES: usize = 20;
const QUICK_SWITCHES: usize = 3;
const PAUSE: Duration = Duration::from_millis(500);
/// Longer than all switches with their pauses.
const LOAD_DURATION: Duration = Duration::from_secs(13);
/// Requests of one client that stands in for the load.
const QUICK_REQUESTS: u64 = 100;

pub(super) fn rows(root: &Path, binaries: &Path, options: Options) -> Outcome<Vec<Row>> {
    let work = tempfile::tempdir().doing("creating a temporary folder")?;
    let folder = work.path().join("project");
    project::hello(root, &folder)?;
    let node = Node::start(binaries, work.path())?;
    let token = node.become_operator()?;
    node.deploy(&folder)?;
    node.deploy(&folder)?;
    let mut client = node.connect(&token)?;
    let url = node.url(project::HELLO);
    single_request(&url)?;

    let switches = if options.quick { QUICK_SWITCHES } else { SWITCHES };
    let (requests, failed) = std::thread::scope(|scope| {
        let load = scope.spawn(|| if options.quick { few(&url) } else { many(&url) });
        for number in 0..switches {
            std::thread::sleep(PAUSE);
            switch(&mut client, number)?;
        }
        load.join().map_err(|_| Failure::new("the load ended early"))?
    })?;
    node.stop()?;
    eprintln!("{switches} switches of versions during {requests} requests");
    let measure = format!("{switches} switches of versions, {CONNECTIONS} connections: failed requests");
    Ok(vec![Row::new(&measure, "", failed as f64).goal("ours <= 0")])
}

/// To the first version, and back to the second, in turn.
fn switch(client: &mut Client, number: usize) -> Outcome {
    let stack = format!("/v1/stacks/{}", project::NAME);
    let first = json!({ "weights": [{ "version": 1, "weight": 100 }] });
    let routing = if number.is_multiple_of(2) {
        client.order("PUT", &format!("{stack}/routing"), &first)?
    } else {
        client.order("POST", &format!("{stack}/rollback"), &json!({}))?
    };
    let expected = if number.is_multiple_of(2) { 1 } else { 2 };
    let served = &routing["weights"];
    if *served == json!([{ "version": expected, "weight": 100 }]) {
        Ok(())
    } else {
        Err(Failure::new(format!("version {expected} should be served, and it is {served}")))
    }
}

fn many(url: &str) -> Outcome<(u64, u64)> {
    Load::new(CONNECTIONS, LOAD_DURATION)?.count_failed(url)
}

fn few(url: &str) -> Outcome<(u64, u64)> {
    let failed = (0..QUICK_REQUESTS).filter(|_| single_request(url).is_err()).count() as u64;
    Ok((QUICK_REQUESTS, failed))
}
