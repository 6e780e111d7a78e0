//! The JSON Schemas say what the readers accept.

use std::path::Path;

use mu_stack::func::{FuncFile, app_schema, func_schema};
use serde_json::Value;

#[test]
fn the_schemas_of_func_and_app_files() {
    // Sorted, so that the order of keys doesn't depend on features that other crates enable in serde_json.
    insta::with_settings!({sort_maps => true}, {
        insta::assert_json_snapshot!("func_schema", func_schema());
        insta::assert_json_snapshot!("app_schema", app_schema());
    });
}

/// A key that the reader knows and never reads would make this fail: the full file has a value for each.
#[test]
fn the_full_file_has_every_key() {
    let schema = func_schema();
    for properties in schema["$defs"].as_object().unwrap().values().chain([&schema]).filter_map(properties) {
        for key in properties.keys() {
            assert!(super::FULL.contains(&format!("{key}:")), "{key}");
        }
    }
}

#[test]
fn reader_and_schema_know_the_same_keys() {
    let schema = func_schema();
    let report = FuncFile::parse("f", b"schema_version: 20180708\nqqqqqqqq: 1\n").unwrap_err().to_string();
    let (_, keys) = report.split_once("a func file has the keys ").unwrap();
    let mut known: Vec<&str> = keys.split(", ").collect();
    // Those of the old schema are known, to be told apart.
    known.retain(|key| !["path", "format", "cpus", "headers", "tests"].contains(key));
    known.sort_unstable();
    let mut in_the_schema: Vec<&str> = properties(&schema).unwrap().keys().map(String::as_str).collect();
    in_the_schema.sort_unstable();
    assert_eq!(known, in_the_schema);
}

/// The page for people names every key that the schemas know.
#[test]
fn the_reference_knows_every_key() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/reference/func-yaml.md");
    let page = std::fs::read_to_string(page).unwrap();
    for schema in [func_schema(), app_schema()] {
        let definitions = schema["$defs"].as_object().unwrap();
        for properties in definitions.values().chain([&schema]).filter_map(properties) {
            for key in properties.keys() {
                assert!(page.contains(&format!("`{key}`")), "docs/reference/func-yaml.md does not tell about `{key}`");
            }
        }
    }
}

fn properties(schema: &Value) -> Option<&serde_json::Map<String, Value>> {
    schema["properties"].as_object()
}
