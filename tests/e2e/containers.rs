//! Functions in containers, which really run: images of Debian's packages with the real FDKs of Project Fn, and one whose
//! program misbehaves as it is told to. They are left out where `MU_TEST_IMAGES` names no folder of images.

mod building;
mod hostile_images;
mod hot;
mod killed;
mod limits;
mod misbehaving;
mod network;
mod readme;
mod real_fdks;
mod registries;

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::process::wait_until;
use crate::support::{Answer, Images, Project, Running};

/// Where containers are tested: ends the test elsewhere.
macro_rules! images {
    () => {
        match $crate::support::Images::named() {
            Some(images) => images,
            None => return,
        }
    };
}
pub(crate) use images;

/// Enough for `fn-test`, and little of what the node has to give.
const SMALL: &str = "memory_limit: 32MiB";

/// A project of functions that are `fn-test`: the name, and what else `mu.yaml` says of each.
fn fn_tests(images: &Images, functions: &[(&str, &str)]) -> Project {
    let archive = images.archive("fn-test");
    let all: Vec<_> = functions
        .iter()
        .map(|(name, keys)| (*name, if keys.is_empty() { SMALL.to_owned() } else { format!("{SMALL}, {keys}") }))
        // So that nobody counts what earlier tests that failed have left behind.
        .map(|(name, keys)| (name, keys.replace("env: {", &format!("env: {{TESTED_BY: {}, ", std::process::id()))))
        .collect();
    let all: Vec<_> = all.iter().map(|(name, keys)| (*name, archive.as_path(), keys.as_str())).collect();
    Project::of_containers(&all)
}

/// Calls a function over its route with what it is to do.
fn call(running: &Running<'_>, name: &str, wanted: &Value) -> Answer {
    let headers = [("content-type", "application/json")];
    running.send("POST", &format!("/web/{name}"), &headers, wanted.to_string().as_bytes())
}

/// What `fn-test` tells of a call that went well.
fn told(running: &Running<'_>, name: &str, wanted: &Value) -> Value {
    let answer = call(running, name, wanted);
    assert_eq!(answer.status, 200, "{name}, {wanted}: {}", answer.text());
    answer.json()
}

/// The processes of these tests in whose environment the variable `MARK` has this value: those of a test's containers.
fn processes_of(mark: &str) -> Vec<u32> {
    let wanted = [format!("MARK={mark}"), format!("TESTED_BY={}", std::process::id())];
    let is_marked = |process: u32| {
        let variables = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
        let has = |wanted: &String| variables.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes());
        wanted.iter().all(has)
    };
    let all = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    all.filter(|process| is_marked(*process)).collect()
}

/// Waits until a test has so many containers' processes.
fn wait_for_processes(mark: &str, count: usize) {
    wait_until(&format!("{count} processes of {mark}"), || (processes_of(mark).len() == count).then_some(()));
}

/// What is mounted below a folder.
fn mounts_below(folder: &Path) -> Vec<String> {
    let folder = folder.canonicalize().unwrap();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    mounts.lines().filter(|line| line.contains(folder.to_str().unwrap())).map(str::to_owned).collect()
}
