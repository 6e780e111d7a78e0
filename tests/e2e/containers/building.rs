//! `mu build`, `mu push` and `mu deploy` of functions with a `func.yaml`, with buildah and without a network: what the
//! images are built on comes from archives, and packages lie in them.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::images;
use crate::support::builder::Builder;
use crate::support::node::{Node, said};
use crate::support::registry::Registry;
use crate::support::{Images, Project, mu, output, repository};

/// A builder that has the images which functions are built on.
fn builder(images: &Images, bases: &[&str]) -> Builder {
    let builder = Builder::new();
    for base in bases {
        builder.load(&images.archive(base));
    }
    builder
}

/// A project with a `mu.yaml` of one function in the folder `f`.
fn project(func: &str, files: &[(&str, &str)]) -> Project {
    let project = Project::empty();
    project.write(
        "mu.yaml",
        "name: test\nversion: 1.0.0\nservices:\n  \
         - {type: Function, name: f, runtime: container, source: f, env: {GREETING: salve}}\n  \
         - type: Gateway\n    name: web\n    endpoints:\n      /f: {any: f.handle}\n",
    );
    project.write("f/func.yaml", func);
    for (name, text) in files {
        project.write(&format!("f/{name}"), text);
    }
    project
}

fn source(path: &str) -> String {
    fs::read_to_string(repository().join("guests/containers").join(path)).unwrap()
}

fn python() -> Project {
    project(
        "schema_version: 20180708\nname: f\nversion: 0.0.1\nruntime: python\n\
         build_image: localhost/mu/python:dev\nrun_image: localhost/mu/python:dev\n\
         memory: 256\nconfig:\n  GREETING: ave\n",
        &[("func.py", &source("python-hello/func.py")), ("requirements.txt", "fdk>=0.1.100\n")],
    )
}

fn node() -> Project {
    project(
        "schema_version: 20180708\nname: f\nversion: 0.0.1\nruntime: node\n\
         build_image: localhost/mu/node:dev\nrun_image: localhost/mu/node:dev\n",
        &[
            ("func.js", &source("node-hello/func.js")),
            ("package.json", r#"{"name": "f", "version": "1.0.0", "dependencies": {"@fnproject/fdk": ">=0.0.11"}}"#),
        ],
    )
}

#[test]
fn the_doctor_knows_what_runs_containers() {
    let _images = images!();
    let told = output(python().path(), &["doctor", "--output", "json"]);
    let findings: Vec<Value> = serde_json::from_slice(&told.stdout).unwrap();
    let found = findings.iter().find(|finding| finding["name"] == "containers").unwrap();
    assert_eq!(found["state"], "ok", "{found}");
    let runner = found["found"].as_str().unwrap();
    assert!(["run by crun ", "run by runc "].iter().any(|begin| runner.starts_with(begin)), "{found}");
}

#[test]
fn a_func_yaml_is_built_and_called() {
    let images = images!();
    for (base, language, project) in [("python", "Python", python()), ("node", "JavaScript", node())] {
        let builder = builder(&images, &[base]);
        let mut build = mu(project.path(), &["build"]);
        let built = builder.prepare(&mut build).output().unwrap();
        assert!(built.status.success(), "{}", said(&built));
        assert!(project.path().join("modules/f.tar").is_file());
        // With nothing changed, nothing is built, and no builder is needed.
        let again = output(project.path(), &["build"]);
        assert_eq!(said(&again), "f is up to date\n");
        let called = output(project.path(), &["invoke", "f.handle", "--data", r#"{"name": "Ada"}"#, "-X", "POST"]);
        let out = String::from_utf8_lossy(&called.stdout);
        assert!(out.contains("Hello Ada"), "{language}: {out}{}", said(&called));
    }
}

#[test]
fn a_dockerfile_is_built_as_it_is() {
    let images = images!();
    let project = project(
        "schema_version: 20180708\nname: f\nversion: 0.0.1\nruntime: docker\n",
        &[("Dockerfile", "FROM scratch\nCOPY fn-test /fn-test\nENTRYPOINT [\"/fn-test\"]\n")],
    );
    project.write("f/fn-test", images.program());
    let chmod = Command::new("chmod").arg("755").arg(project.path().join("f/fn-test")).status().unwrap();
    assert!(chmod.success());
    let builder = builder(&images, &[]);
    let built = builder.prepare(&mut mu(project.path(), &["build"])).output().unwrap();
    assert!(built.status.success(), "{}", said(&built));
    let called = output(project.path(), &["invoke", "f.handle"]);
    let told: Value = serde_json::from_slice(&called.stdout).unwrap_or_else(|e| panic!("{e}: {}", said(&called)));
    assert_eq!((&told["call"], &told["arguments"]), (&json!(1), &json!(["/fn-test"])));
    // A new version alone is no other image.
    assert!(output(project.path(), &["bump"]).status.success());
    assert_eq!(said(&output(project.path(), &["build"])), "f is up to date\n");
}

#[test]
fn a_build_that_fails_shows_why() {
    let images = images!();
    let project = python();
    project.write("f/requirements.txt", "there-is-no-such-package\n");
    let builder = builder(&images, &["python"]);
    let built = builder.prepare(&mut mu(project.path(), &["build"])).output().unwrap();
    assert_eq!(built.status.code(), Some(4), "{}", said(&built));
    assert!(said(&built).contains("there-is-no-such-package") && said(&built).contains("error: "), "{}", said(&built));
}

#[test]
fn without_a_builder_the_remedy_is_told() {
    let project = python();
    let empty = tempfile::tempdir().unwrap();
    let built = mu(project.path(), &["build"]).env("PATH", empty.path()).output().unwrap();
    assert!(!built.status.success());
    let said = said(&built);
    assert!(said.contains("hint: ") && said.contains("buildah") && said.contains("docker"), "{said}");
}

#[test]
fn a_deploy_that_cannot_be_built_or_sent_writes_no_version() {
    let (node, project, empty) = (Node::with_operator_and(&[]), python(), tempfile::tempdir().unwrap());
    let before = project.read("f/func.yaml");
    let unbuilt = node.mu(project.path(), &["deploy"]).env("PATH", empty.path()).output().unwrap();
    let unsent = node.mu(project.path(), &["deploy", "--registry", "No Registry"]).output().unwrap();
    for (output, why) in [(unbuilt, "buildah"), (unsent, "No Registry/f:0.0.1")] {
        assert!(!output.status.success() && said(&output).contains(why), "{}", said(&output));
        assert_eq!(project.read("f/func.yaml"), before);
    }
}

#[test]
fn a_deploy_builds_pushes_and_uploads() {
    let images = images!();
    let builder = builder(&images, &["python"]);
    let registry = Registry::start();
    let node = Node::with_operator_and(&[&registry.setting()]);
    let project = python();
    let prefix = format!("{}/me", registry.address());
    for round in 1..=2 {
        let mut deploy = node.mu(project.path(), &["deploy", "--registry", &prefix]);
        let deployed = builder.prepare(&mut deploy).output().unwrap();
        assert!(deployed.status.success(), "{}", said(&deployed));
        let answer = node.get("/test/web/f");
        assert_eq!((answer.status, &answer.json()["greeting"]), (200, &json!("salve")), "{}", answer.text());
        // Every deploy has a version of its own.
        let version = format!("0.0.{}", round + 1);
        assert!(
            project.read("f/func.yaml").contains(&format!("version: {version}")),
            "{}",
            project.read("f/func.yaml")
        );
        let tags = registry.get("/v2/me/f/tags/list").json()["tags"].to_string();
        assert!(tags.contains(&version), "{tags}");
    }
}

#[test]
fn a_deploy_without_a_registry_uploads_the_image() {
    let images = images!();
    let builder = builder(&images, &["python"]);
    let node = Node::with_operator_and(&[]);
    let project = python();
    let mut deploy = node.mu(project.path(), &["deploy", "--local"]);
    let deployed = builder.prepare(&mut deploy).output().unwrap();
    assert!(deployed.status.success(), "{}", said(&deployed));
    let answer = node.get("/test/web/f");
    assert_eq!((answer.status, &answer.json()["greeting"]), (200, &json!("salve")), "{}", answer.text());
}

#[test]
fn a_folder_with_a_func_yaml_alone_is_a_project() {
    let images = images!();
    let builder = builder(&images, &["python"]);
    let project = Project::empty();
    let func = python().read("f/func.yaml");
    project.write("func.yaml", format!("{func}triggers:\n  - {{name: t, type: http, source: /greet}}\n"));
    project.write("func.py", source("python-hello/func.py"));
    project.write("requirements.txt", "fdk\n");
    let built = builder.prepare(&mut mu(project.path(), &["build"])).output().unwrap();
    assert!(built.status.success(), "{}", said(&built));
    let running = crate::support::Running::start(&project);
    let answer = running.send("POST", "/http/greet", &[], br#"{"name": "Ada"}"#);
    assert_eq!((answer.status, &answer.json()["message"]), (200, &json!("Hello Ada")), "{}", answer.text());
}
