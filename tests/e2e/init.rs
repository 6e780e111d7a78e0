//! `mu init` makes projects that stand on their own.

use std::process::Stdio;

use crate::support::{Project, mu, output};

#[test]
fn a_new_project_has_everything_it_needs() {
    for template in ["hello", "todo", "chat"] {
        let parent = Project::empty();
        let made = output(parent.path(), &["init", "my-stack", "--template", template]);
        let said = String::from_utf8_lossy(&made.stderr).into_owned();
        assert!(made.status.success(), "{said}");
        assert!(said.contains("cd my-stack") && said.contains("mu run"), "{said}");
        assert!(parent.read("my-stack/mu.yaml").contains("name: my-stack"), "{template}");
        assert!(parent.read("my-stack/.gitignore").contains(".mu/"), "{template}");
        assert!(parent.path().join("my-stack/.mu/sdk/mu-sdk/Cargo.toml").is_file(), "{template}");
        assert!(parent.path().join("my-stack/.git").is_dir(), "{template}");
        assert!(!parent.path().join("my-stack/modules").exists(), "{template}: a module of other sources");
    }
}

#[test]
fn nothing_is_overwritten() {
    let parent = Project::empty();
    parent.write("taken/notes.txt", "mine");
    let refused = output(parent.path(), &["init", "taken"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("taken is not empty"));
    assert_eq!(parent.read("taken/notes.txt"), "mine");
}

#[test]
fn a_name_that_no_stack_can_have_is_refused() {
    let parent = Project::empty();
    let refused = output(parent.path(), &["init", "x", "--name", "not a name"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(!parent.path().join("x").exists());
    let refused = output(parent.path(), &["init", "not a name"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(1) && said.contains("--name"), "{said}");
}

#[test]
fn names_that_yaml_would_read_as_something_else_stay_names() {
    for name in ["123", "true", "null", "1e3", "no"] {
        let parent = Project::empty();
        assert!(output(parent.path(), &["init", "p", "--name", name]).status.success(), "{name}");
        let told = output(&parent.path().join("p"), &["doctor", "--output", "json"]);
        let findings: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
        let manifest = findings.as_array().unwrap().iter().find(|finding| finding["name"] == "mu.yaml").unwrap();
        assert_eq!(manifest["state"], "ok", "{name}: {manifest}");
    }
}

#[test]
fn a_project_inside_a_repository_starts_no_other() {
    let parent = Project::empty();
    assert!(output(parent.path(), &["init", "outer"]).status.success());
    assert!(output(&parent.path().join("outer"), &["init", "inner"]).status.success());
    assert!(!parent.path().join("outer/inner/.git").exists());
    let without = mu(parent.path(), &["init", "bare", "--no-git"]).stderr(Stdio::null()).status().unwrap();
    assert!(without.success() && !parent.path().join("bare/.git").exists());
}
