//! The README's chapter on containers, typed as it is written, but for what comes from elsewhere.

use std::path::Path;

use serde_json::json;

use super::images;
use crate::support::builder::Builder;
use crate::support::node::{Node, at_home, said};
use crate::support::registry::Registry;
use crate::support::{Project, Running, mu, readme};

/// Takes the place of Docker Hub's images, which tests do not fetch: Debian's Python, and the packages that it is asked for.
const BASE: &str = "localhost/mu/python:dev";

#[test]
fn the_readmes_chapter_works_as_written() {
    let images = images!();
    let builder = Builder::new();
    builder.load(&images.archive("python"));
    let (registry, place) = (Registry::start(), Project::empty());
    let node = Node::with_operator_and(&[&registry.setting()]);
    let typed = |folder: &Path, commands: &str| {
        let mut shell = at_home(readme::shell(commands), node.home());
        let output = builder.prepare(shell.current_dir(folder)).output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = said(&output);
        assert!(output.status.success(), "{printed}\n{said}");
        (printed, said)
    };
    let commands = readme::commands("Run containers too");
    let [make_and_run, call, deploy @ ..] = &commands[..] else { panic!("{commands:?}") };
    let (make, run) = make_and_run.split_once("mu run --gateway ").expect("it is made, and then run");

    // Where the chapter before has led to.
    place.write("my-stack/mu.yaml", "");
    typed(&place.path().join("my-stack"), make);
    let func = place.read("hello/func.yaml");
    place.write("hello/func.yaml", format!("{func}build_image: {BASE}\nrun_image: {BASE}\n"));
    let hello = place.path().join("hello");

    // `mu run` does it as well; here it is told where the image is that takes the place.
    let built = builder.prepare(&mut mu(&hello, &["build"])).output().unwrap();
    assert!(built.status.success(), "{}", said(&built));
    let running = Running::start_with(&place, &["--no-watch", "hello"]);
    let (called, _) = typed(&hello, &call.replace(run.trim(), &running.gateway().to_string()));
    assert_eq!(called, r#"{"message": "Hello Ada"}"#);
    drop(running);

    let deploy = deploy
        .join("\n")
        .replace("http://127.0.0.1:12000", &node.api_url())
        .replace("127.0.0.1:12080", &node.gateway().to_string())
        .replace("localhost:5000", registry.address());
    let (printed, said) = typed(&hello, &deploy);
    let shown = readme::printed("Run containers too");
    let [_, deployed] = &shown[..] else { panic!("{shown:?}") };
    let (told, answered) = deployed.split_once("…\n").expect("something is left out");
    let mut lines = said.lines();
    for expected in told.lines() {
        assert!(lines.any(|line| line == expected), "`{expected}`, in its place: {said}");
    }
    assert!(printed.contains(answered.trim()), "{printed}");
    assert_eq!(printed.matches(r#"{"message": "Hello Ada"}"#).count(), 4, "{printed}");
    assert!(printed.contains("greeting Ada"), "{printed}");
    let stack = node.json(&hello, &["stack", "show"]);
    assert_eq!(stack["stack"]["routing"], json!([{"version": 2, "weight": 100}]));
    // The first deploy had no registry, and a version of its own nevertheless.
    assert_eq!(registry.get("/v2/me/hello/tags/list").json()["tags"], json!(["0.0.3"]));
}
