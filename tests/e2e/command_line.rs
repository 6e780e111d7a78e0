//! What the command line says, word for word, and that the documentation says the same.

use std::fs;
use std::path::Path;

use crate::support::{Project, mu, output, repository};

/// The reference is a list of commands and their output: it is checked, and rewritten with `TRYCMD=overwrite`.
#[test]
fn the_reference_is_what_the_commands_say() {
    // Whoever runs the tests may have contexts of their own.
    let home = tempfile::tempdir().unwrap();
    trycmd::TestCases::new()
        .register_bin("mu", Path::new(env!("CARGO_BIN_EXE_mu")))
        .env("XDG_CONFIG_HOME", home.path().to_str().unwrap())
        .env("MU_CONTEXT", "")
        .env("MU_TOKEN", "")
        .env("MU_URL", "")
        .env("COLUMNS", "100")
        .case(repository().join("docs/reference/cli.md"))
        .case(repository().join("tests/e2e/commands/*.md"));
}

#[test]
fn the_committed_schema_is_what_mu_prints() {
    let printed = output(Path::new("."), &["schema"]);
    let path = repository().join("docs/reference/mu.schema.json");
    if std::env::var_os("MU_UPDATE_DOCS").is_some() {
        fs::write(&path, &printed.stdout).unwrap();
    }
    let committed = fs::read(&path).unwrap_or_default();
    assert!(
        printed.stdout == committed,
        "run the tests with MU_UPDATE_DOCS=1 to rewrite docs/reference/mu.schema.json"
    );
}

#[test]
fn the_manifest_reference_knows_every_key() {
    let schema: serde_json::Value = serde_json::from_slice(&output(Path::new("."), &["schema"]).stdout).unwrap();
    let text = fs::read_to_string(repository().join("docs/reference/manifest.md")).unwrap();
    let mut keys = Vec::new();
    collect_keys(&schema, &mut keys);
    assert!(keys.len() > 20, "{keys:?}");
    for key in keys {
        assert!(text.contains(&format!("`{key}`")), "docs/reference/manifest.md does not mention `{key}`");
    }
}

/// The names of all `properties` in a JSON Schema.
fn collect_keys(schema: &serde_json::Value, keys: &mut Vec<String>) {
    match schema {
        serde_json::Value::Object(map) => {
            if let Some(serde_json::Value::Object(properties)) = map.get("properties") {
                keys.extend(properties.keys().cloned());
            }
            map.values().for_each(|value| collect_keys(value, keys));
        }
        serde_json::Value::Array(list) => list.iter().for_each(|value| collect_keys(value, keys)),
        _ => {}
    }
}

#[test]
fn completions_are_made_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = output(Path::new("."), &["completions", shell]);
        assert!(script.status.success() && String::from_utf8_lossy(&script.stdout).contains("invoke"), "{shell}");
    }
}

#[test]
fn the_doctor_answers_programs_too() {
    let project = Project::empty();
    let told = output(project.path(), &["doctor", "--output", "json"]);
    let findings: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    let names: Vec<_> = findings.as_array().unwrap().iter().map(|finding| finding["name"].as_str().unwrap()).collect();
    for name in ["cargo", "wasm32-wasip1", "gateway port", "open files", "certificates", "mu.yaml"] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
}

#[test]
fn the_doctor_finds_missing_certificates() {
    let project = Project::empty();
    project.write("none.pem", "");
    let mut command = mu(project.path(), &["doctor"]);
    let told = command.env_remove("SSL_CERT_DIR").env("SSL_CERT_FILE", "none.pem").output().unwrap();
    // Only functions that send requests to https addresses need them.
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(text.lines().any(|line| line.starts_with("optional") && line.contains("certificates")), "{text}");
    assert!(text.contains("SSL_CERT_FILE"), "{text}");
}

#[test]
fn the_doctor_finds_what_the_project_lacks() {
    let project = Project::of_module(b"");
    project.replace("mu.yaml", "memory_limit", "memory");
    let told = output(project.path(), &["doctor"]);
    assert_eq!(told.status.code(), Some(1));
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(text.lines().any(|line| line.starts_with("missing") && line.contains("mu.yaml")), "{text}");
}

#[test]
fn all_problems_of_a_manifest_are_shown_at_once() {
    let project = Project::of_module(b"");
    project.replace("mu.yaml", "memory_limit: 16MiB", "memory_limt: 16MiB");
    project.replace("mu.yaml", "get: f.f", "get: g.f");
    let told = output(project.path(), &["build"]);
    let text = String::from_utf8_lossy(&told.stderr).into_owned();
    assert_eq!(told.status.code(), Some(3), "{text}");
    assert!(text.contains("mu.yaml:8:5: error: in function `f`: unknown key `memory_limt`"), "{text}");
    assert!(text.contains("no function is named `g`"), "{text}");
    assert!(text.contains("error: mu.yaml has 2 problems\nhint: "), "{text}");
}
