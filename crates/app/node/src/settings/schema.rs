//! The JSON Schema of `mu-node.yaml`, for editors.

use mu_stack::{ByteSize, HumanDuration, Instructions};
use serde_json::{Map, Value as Json, json};

use super::kind::{Default, Key, Kind, SECRET_BYTES_MIN, TEXT_BYTES_MAX};
use super::table::{SECTIONS, keys};

/// The JSON Schema (draft 2020-12) of `mu-node.yaml`, made from the table of keys. It says less than loading checks: a
/// schema can't compare two keys, or look at files.
#[must_use]
pub fn configuration_schema() -> Json {
    let mut top = section("");
    top.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    top.insert("title".to_owned(), json!(super::CONFIG_FILE));
    top.insert("description".to_owned(), json!("The configuration of `mu serve`."));
    Json::Object(top)
}

/// The keys and sections right below a path, which ends with a dot or is empty.
fn section(path: &str) -> Map<String, Json> {
    let mut properties = Map::new();
    for key in keys() {
        let Some(rest) = key.path.strip_prefix(path) else { continue };
        match rest.split_once('.') {
            None => drop(properties.insert(rest.to_owned(), property(key))),
            Some((name, _)) if properties.contains_key(name) => {}
            Some((name, _)) => {
                let full = format!("{path}{name}");
                let mut below = section(&format!("{full}."));
                below.insert("type".to_owned(), json!(["object", "null"]));
                if let Some(section) = SECTIONS.iter().find(|section| section.path == full) {
                    below.insert("description".to_owned(), json!(section.about));
                }
                properties.insert(name.to_owned(), Json::Object(below));
            }
        }
    }
    object(properties, &[])
}

fn object(properties: Map<String, Json>, required: &[&str]) -> Map<String, Json> {
    let mut object = Map::new();
    object.insert("type".to_owned(), json!("object"));
    object.insert("properties".to_owned(), Json::Object(properties));
    object.insert("additionalProperties".to_owned(), json!(false));
    if !required.is_empty() {
        object.insert("required".to_owned(), json!(required));
    }
    object
}

fn property(key: &Key) -> Json {
    let mut schema = of_kind(&key.kind);
    match &key.default {
        Default::Is(value) => drop(schema.insert("default".to_owned(), value().to_json())),
        Default::Nothing(word) => {
            let nothing = json!([Json::Object(schema), {"enum": [null, word]}]);
            schema = Map::from_iter([("anyOf".to_owned(), nothing)]);
        }
        Default::UserFolder(_) | Default::Required => {}
    }
    schema.insert("description".to_owned(), json!(key.about));
    Json::Object(schema)
}

fn of_kind(kind: &Kind) -> Map<String, Json> {
    let number = json!(["string", "integer"]);
    let schema = match kind {
        Kind::Flag => json!({"type": "boolean"}),
        Kind::Count { min, max } => json!({"type": "integer", "minimum": min, "maximum": max}),
        Kind::Size { .. } => json!({"type": number, "pattern": ByteSize::PATTERN}),
        Kind::Time { .. } => json!({"type": "string", "pattern": HumanDuration::PATTERN}),
        Kind::Instructions { .. } => json!({"type": number, "pattern": Instructions::PATTERN}),
        Kind::Word(words) => json!({"enum": words}),
        Kind::Address => json!({"type": "string", "pattern": "^([0-9.]+|\\[[0-9A-Fa-f:.]+\\]):[0-9]+$"}),
        Kind::Url(_) => json!({"type": "string", "format": "uri"}),
        Kind::OperatorKey => json!({"type": "string", "pattern": "^k_[1-9A-HJ-NP-Za-km-z]{32,44}$"}),
        Kind::Name => json!({"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}),
        Kind::Path | Kind::Filter | Kind::Text => {
            json!({"type": "string", "minLength": 1, "maxLength": TEXT_BYTES_MAX})
        }
        Kind::Secret => json!({"type": "string", "minLength": SECRET_BYTES_MIN, "maxLength": TEXT_BYTES_MAX}),
        Kind::List { item, max } => json!({"type": "array", "maxItems": max, "items": of_kind(item)}),
        Kind::Map(keys) => {
            let properties = keys.iter().map(|key| (key.path.to_owned(), property(key))).collect();
            let is_required = |key: &&Key| matches!(key.default, Default::Required);
            let required: Vec<_> = keys.iter().filter(is_required).map(|key| key.path).collect();
            return object(properties, &required);
        }
    };
    match schema {
        Json::Object(schema) => schema,
        _ => Map::new(),
    }
}
