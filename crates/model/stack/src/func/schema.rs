//! The JSON Schemas of func files and app files, for editors.

use serde_json::{Value, json};

use crate::schema::object;

use super::keys;

/// The JSON Schema (draft 2020-12) of a func file with `schema_version`.
#[must_use]
pub fn func_schema() -> Value {
    let new = keys::FUNC.iter().filter(|key| !keys::ONLY_OLD.contains(&key.name));
    let definitions = json!({
        "expects": object(keys::EXPECTATIONS),
        "expected": object(keys::EXPECTED),
        "trigger": object(keys::TRIGGER),
    });
    titled("func.yaml", "A function of Project Fn.", object(new), definitions)
}

/// The JSON Schema (draft 2020-12) of an app file.
#[must_use]
pub fn app_schema() -> Value {
    titled("app.yaml", "An app of Project Fn: its functions are in the folders below.", object(keys::APP), json!({}))
}

fn titled(title: &str, about: &str, mut top: serde_json::Map<String, Value>, definitions: Value) -> Value {
    top.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    top.insert("title".to_owned(), json!(title));
    top.insert("description".to_owned(), json!(about));
    top.insert("$defs".to_owned(), definitions);
    Value::Object(top)
}
