//! Annotations: what others note about functions and apps.

use std::collections::BTreeMap;

use serde_json::{Number, Value as Json};

use crate::limits::{ANNOTATION_KEY_BYTES_MAX, ANNOTATION_VALUE_BYTES_MAX, ANNOTATIONS_MAX};
use crate::problem::Problems;
use crate::read::{Fields, shown};
use crate::yaml::{Node, Value};

/// Annotations by their keys. Nothing here looks at their values.
pub type Annotations = BTreeMap<String, Json>;

/// Reads `annotations`, within the limits of Project Fn.
pub(super) fn read(fields: &Fields<'_>, problems: &mut Problems) -> Annotations {
    let mut annotations = Annotations::new();
    for entry in fields.map("annotations", problems) {
        let (key, value) = (&entry.key, json(&entry.node));
        if annotations.len() == ANNOTATIONS_MAX {
            problems.add(entry.position, format!("there are more than the most annotations, {ANNOTATIONS_MAX}"));
            break;
        }
        if key.is_empty() || key.len() > ANNOTATION_KEY_BYTES_MAX || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            let rule = format!("has 1 to {ANNOTATION_KEY_BYTES_MAX} printable ASCII characters, and no spaces");
            problems.add(entry.position, format!("the key of an annotation {rule}: `{}`", shown(key)));
        } else if value.is_null() || value == "" {
            problems.add(entry.node.position, format!("the annotation `{}` is empty", shown(key)));
        } else if value.to_string().len() > ANNOTATION_VALUE_BYTES_MAX {
            let rule = format!("has at most {ANNOTATION_VALUE_BYTES_MAX} bytes, written as JSON");
            problems.add(entry.node.position, format!("the annotation `{}` {rule}", shown(key)));
        }
        annotations.insert(key.clone(), value);
    }
    annotations
}

/// A node as JSON. The reader of YAML has bounded how deep it is.
fn json(node: &Node) -> Json {
    match &node.value {
        Value::List(items) => Json::Array(items.iter().map(json).collect()),
        Value::Map(entries) => {
            Json::Object(entries.iter().map(|entry| (entry.key.clone(), json(&entry.node))).collect())
        }
        Value::Scalar { text, .. } => match node.describe() {
            "nothing" => Json::Null,
            "true or false" => Json::Bool(node.boolean().unwrap_or_default()),
            // What JSON has no number for, like infinity, stays text.
            "a number" => number(text).map_or_else(|| Json::String(text.clone()), Json::Number),
            _ => Json::String(text.clone()),
        },
    }
}

fn number(text: &str) -> Option<Number> {
    let whole = text.parse::<i64>().map(Number::from).or_else(|_| text.parse::<u64>().map(Number::from));
    whole.ok().or_else(|| Number::from_f64(text.parse().ok()?))
}
