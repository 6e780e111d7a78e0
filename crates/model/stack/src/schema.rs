//! The JSON Schema of `mu.yaml`, for editors.

use serde_json::{Map, Value, json};

use crate::keys::{self, Key};
use crate::stack::Runtime;

/// The JSON Schema (draft 2020-12) of `mu.yaml`.
///
/// It is made from the list of keys that the reader checks against, so that neither knows a key the other doesn't. It
/// says less than [`Manifest::parse`](crate::Manifest::parse) checks: a schema can't follow a route to its function.
#[must_use]
pub fn schema() -> Value {
    let mut top = object(keys::MANIFEST);
    let definitions = json!({
        "service": {"oneOf": [
            {"$ref": "#/$defs/function"},
            {"$ref": "#/$defs/gateway"},
            {"$ref": "#/$defs/table"},
            {"$ref": "#/$defs/storage"},
        ]},
        "function": function(),
        "gateway": service("Gateway", keys::GATEWAY),
        "table": service("KeyValueTable", keys::TABLE),
        "storage": service("Storage", keys::STORAGE),
        "endpoint": object(keys::ENDPOINT),
        "auth": {"oneOf": [{"enum": keys::AUTH_WORDS}, {"$ref": "#/$defs/authentication"}]},
        "authentication": object(keys::AUTHENTICATION),
        "jwt": object(keys::JWT),
        "cors": object(keys::CROSS_ORIGIN),
        "websocket": object(keys::WEBSOCKETS),
        "method": {"enum": keys::verbs()},
        "handler": {
            "description": "A handler of a function of this stack: `function.handler`.",
            "type": "string",
            "pattern": "^[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+$",
        },
    });
    top.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    top.insert("title".to_owned(), json!("mu.yaml"));
    top.insert("description".to_owned(), json!("A stack: functions, gateways, tables and boxes."));
    top.insert("$defs".to_owned(), definitions);
    Value::Object(top)
}

fn function() -> Value {
    let mut function = service("Function", keys::FUNCTION);
    if let Some(function) = function.as_object_mut() {
        let container =
            json!({"required": ["runtime"], "properties": {"runtime": {"const": Runtime::Container.as_str()}}});
        let ways = json!([
            {"required": ["lang"], "not": {"anyOf": [{"required": ["build"]}, container]}},
            {"required": ["module"], "not": {"anyOf": [{"required": ["lang"]}, container]}},
            {"allOf": [container], "not": {"required": ["lang"]}},
        ]);
        function.insert("oneOf".to_owned(), ways);
    }
    function
}

/// A map with these keys whose `type` is this one.
fn service(kind: &str, keys: &[Key]) -> Value {
    let mut service = object(keys);
    if let Some(Value::Object(properties)) = service.get_mut("properties") {
        properties.insert("type".to_owned(), json!({"const": kind}));
    }
    Value::Object(service)
}

/// A map with these keys and no others.
pub(crate) fn object<'k>(keys: impl IntoIterator<Item = &'k Key> + Clone) -> Map<String, Value> {
    let all = keys.clone().into_iter();
    let properties: Map<String, Value> = all.map(|key| (key.name.to_owned(), property(key))).collect();
    let required: Vec<&str> = keys.into_iter().filter(|key| key.required).map(|key| key.name).collect();
    [
        ("type".to_owned(), json!("object")),
        ("properties".to_owned(), Value::Object(properties)),
        ("required".to_owned(), json!(required)),
        ("additionalProperties".to_owned(), json!(false)),
    ]
    .into_iter()
    .collect()
}

/// The schema of a key's value, its description led by what the key is about.
fn property(key: &Key) -> Value {
    let mut schema = (key.schema)();
    if let Some(schema) = schema.as_object_mut() {
        let about = match schema.get("description").and_then(Value::as_str) {
            Some(limits) => format!("{} {limits}", key.about),
            None => key.about.to_owned(),
        };
        schema.insert("description".to_owned(), json!(about));
    }
    schema
}
