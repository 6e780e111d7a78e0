//! The JSON Schema says what the reader accepts.

use std::collections::BTreeSet;

use mu_stack::{Manifest, schema};
use serde_json::Value;

#[test]
fn the_schema_of_mu_yaml() {
    // Sorted, so that the order of keys doesn't depend on features that other crates enable in serde_json.
    insta::with_settings!({sort_maps => true}, { insta::assert_json_snapshot!(schema()) });
}

/// The reader, asked with a key nobody has, lists the keys it knows.
#[test]
fn reader_and_schema_know_the_same_keys() {
    let schema = schema();
    let service = |body: &str| format!("name: a\nversion: 1\nservices:\n  - {{{body}}}\n");
    let gateway = |body: &str| service(&format!("type: Gateway, name: g, {body}"));
    for (definition, manifest) in [
        ("", "name: a\nversion: 1\nservices: []\nqqqqqqqq: 1\n".to_owned()),
        ("function", service("type: Function, name: f, qqqqqqqq: 1")),
        ("gateway", gateway("endpoints: {}, qqqqqqqq: 1")),
        ("table", service("type: KeyValueTable, name: t, qqqqqqqq: 1")),
        ("storage", service("type: Storage, name: s, qqqqqqqq: 1")),
        ("endpoint", gateway("endpoints: {/: [{method: get, route_to: f.h, qqqqqqqq: 1}]}")),
        ("authentication", service("type: Function, name: f, lang: c, auth: {qqqqqqqq: 1}")),
        ("jwt", service("type: Function, name: f, lang: c, auth: {jwt: {issuer: i, qqqqqqqq: 1}}")),
        ("websocket", gateway("endpoints: {}, websocket: {qqqqqqqq: 1}")),
        ("cors", gateway("endpoints: {}, cors: {allow_origins: '*', qqqqqqqq: 1}")),
    ] {
        let report = Manifest::parse("mu.yaml", manifest.as_bytes()).unwrap_err();
        let hint = report.problems.iter().filter(|problem| problem.message == "unknown key `qqqqqqqq`");
        let hint = hint.filter_map(|problem| problem.hint.as_deref()).next().unwrap_or_else(|| panic!("{report}"));
        let (_, keys) = hint.split_once(" has the keys ").unwrap();
        let known_to_the_reader: BTreeSet<_> = keys.split(", ").collect();

        let object = if definition.is_empty() { &schema } else { &schema["$defs"][definition] };
        let in_the_schema: BTreeSet<_> = object["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(known_to_the_reader, in_the_schema, "{definition}");
        assert_eq!(object["additionalProperties"], Value::Bool(false), "{definition}");
    }
}

/// A key that the reader knows and never reads would make this fail: the full manifest has a value for each.
#[test]
fn the_full_manifest_has_every_key() {
    let schema = schema();
    let definitions = schema["$defs"].as_object().unwrap().values().chain([&schema]);
    for properties in definitions.filter_map(|definition| definition["properties"].as_object()) {
        for key in properties.keys() {
            let is_there = crate::FULL
                .match_indices(&format!("{key}:"))
                .any(|(at, _)| !crate::FULL[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_'));
            assert!(is_there, "{key}");
        }
    }
}
