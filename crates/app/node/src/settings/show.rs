//! `mu config show`: every key, its value and where that comes from.

use std::fmt::Write as _;

use serde_json::{Map, json};

use super::value::Value;
use super::values::{Entry, Values};

/// A table with aligned columns, one line per key.
pub(super) fn table(values: &Values) -> String {
    let lines: Vec<[String; 3]> = values
        .entries()
        .iter()
        .map(|entry| [entry.key.path.to_owned(), shown(entry), entry.origin.to_string()])
        .collect();
    let width = |column: usize, title: &str| {
        lines.iter().map(|line| line[column].chars().count()).chain([title.len()]).max().unwrap_or_default()
    };
    let (keys, texts) = (width(0, "KEY"), width(1, "VALUE"));
    let mut table = String::new();
    let _ = writeln!(table, "{:keys$}  {:texts$}  FROM", "KEY", "VALUE");
    for [key, text, from] in &lines {
        let _ = writeln!(table, "{key:keys$}  {text:texts$}  {from}");
    }
    table
}

/// An object with the keys' paths; what is not set is `null`, and a secret is the text `(set)`.
pub(super) fn json(values: &Values) -> serde_json::Value {
    let entry = |entry: &Entry| {
        let shown = json!({"value": entry.value.to_json(), "from": entry.origin.to_string()});
        (entry.key.path.to_owned(), shown)
    };
    serde_json::Value::Object(values.entries().iter().map(entry).collect::<Map<_, _>>())
}

/// Nothing is called as the table of keys calls it: `unlimited`.
fn shown(entry: &Entry) -> String {
    match (&entry.value, entry.key.nothing()) {
        (Value::Unset, Some(word)) => word.to_owned(),
        (value, _) => value.to_string(),
    }
}
