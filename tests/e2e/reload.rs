//! A running project changes: what is served is always the last version that works.

use crate::support::module::answers;
use crate::support::{Project, Running};

fn project() -> Project {
    let project = Project::of_module(&answers("first"));
    project.replace(
        "mu.yaml",
        "    module: f.wasm\n",
        "    source: source\n    build: sh make.sh\n    module: f.wasm\n",
    );
    project.write("source/code.wasm", answers("first"));
    project.write("source/make.sh", "cp code.wasm ../f.wasm\n");
    project
}

fn reloaded(running: &Running<'_>) {
    running.event("reloaded", |event| event["event"] == "reloaded");
}

#[test]
fn a_changed_source_is_built_and_swapped_in() {
    let project = project();
    let running = Running::start_with(&project, &[]);
    assert_eq!(running.get("/web/f").text(), "first");
    project.write("source/code.wasm", answers("second"));
    reloaded(&running);
    assert_eq!(running.get("/web/f").text(), "second");
}

#[test]
fn a_changed_module_is_swapped_in() {
    let project = Project::of_module(&answers("first"));
    let running = Running::start_with(&project, &[]);
    project.write("f.wasm", answers("second"));
    reloaded(&running);
    assert_eq!(running.get("/web/f").text(), "second");
}

#[test]
fn a_changed_manifest_is_followed() {
    let project = Project::of_module(&answers("first"));
    let running = Running::start_with(&project, &[]);
    assert_eq!(running.get("/web/other").status, 404);
    project.replace("mu.yaml", "    endpoints:\n", "    endpoints:\n      /other: { get: f.f }\n");
    reloaded(&running);
    assert_eq!(running.get("/web/other").text(), "first");
}

#[test]
fn routes_that_change_are_told_again() {
    let project = Project::of_module(&answers("first"));
    let running = Running::start_with(&project, &[]);
    project.write("f.wasm", answers("second"));
    reloaded(&running);
    project.replace("mu.yaml", "    endpoints:\n", "    endpoints:\n      /other: { put: f.f }\n");
    let has_other = |addresses: &serde_json::Value| addresses["routes"].to_string().contains("/test/web/other");
    let told = running.event("ready with the new route", |event| event["event"] == "ready" && has_other(event));
    let line = running.said("/test/web/other");
    assert!(line.contains("curl -X PUT -H 'content-type: application/json' --data '{}' "), "{line}");
    let written: serde_json::Value = serde_json::from_str(&project.read("addresses.json")).unwrap();
    assert_eq!((&written["routes"], &written["gateway"]), (&told["routes"], &told["gateway"]));
    // The first reload changed nothing about them.
    assert_eq!(running.events(|event| event["event"] == "ready").len(), 2);
}

#[test]
fn a_failed_build_keeps_the_old_version_and_shows_why() {
    let project = project();
    let running = Running::start_with(&project, &[]);
    project.write("source/make.sh", "echo 'line 1: expected a semicolon' >&2\nexit 1\n");
    let failed = running.event("failed reload", |event| event["event"] == "reload_failed");
    assert!(failed["error"].as_str().unwrap().contains("building function `f`"), "{failed}");
    running.said("line 1: expected a semicolon");
    assert_eq!(running.get("/web/f").text(), "first");
    project.write("source/code.wasm", answers("second"));
    project.write("source/make.sh", "cp code.wasm ../f.wasm\n");
    reloaded(&running);
    assert_eq!(running.get("/web/f").text(), "second");
}

#[test]
fn a_manifest_with_mistakes_keeps_the_old_version_and_shows_them() {
    let project = Project::of_module(&answers("first"));
    let running = Running::start_with(&project, &[]);
    project.replace("mu.yaml", "memory_limit", "memory");
    running.event("failed reload", |event| event["event"] == "reload_failed");
    running.said("mu.yaml:8:5: error: in function `f`: unknown key `memory`");
    assert_eq!(running.get("/web/f").text(), "first");
}

#[test]
fn a_module_that_cannot_run_keeps_the_old_version() {
    let project = Project::of_module(&answers("first"));
    let running = Running::start_with(&project, &[]);
    project.write("f.wasm", "this is not wasm");
    let failed = running.event("failed reload", |event| event["event"] == "reload_failed");
    assert!(failed["error"].as_str().unwrap().contains("not what the function's runtime runs"), "{failed}");
    assert_eq!(running.get("/web/f").text(), "first");
}
