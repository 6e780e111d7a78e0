//! Walks the YAML tree of a manifest and notes every mistake on the way.

pub(crate) mod auth;
pub(crate) mod container;
pub(crate) mod cross_origin;
pub(crate) mod function;
pub(crate) mod routes;
pub(crate) mod services;
pub(crate) mod websocket;

use std::fmt;
use std::str::FromStr;

use crate::keys::Key;
use crate::limits::VERSION_BYTES_MAX;
use crate::problem::{Position, Problems};
use crate::suggest::closest;
use crate::yaml::{Entry, Node, Value};

/// A map whose keys are known, with typed ways to read them. A way that gives `None` or a default for what is there but
/// wrong has noted why.
pub(crate) struct Fields<'n> {
    entries: &'n [Entry],
    keys: &'static [Key],
    position: Position,
}

impl<'n> Fields<'n> {
    /// The map that a node should be; notes unknown and missing keys.
    pub(crate) fn of(node: &'n Node, keys: &'static [Key], what: &str, problems: &mut Problems) -> Option<Self> {
        let Value::Map(entries) = &node.value else {
            problems.add(node.position, format!("{what} is a map of keys, but this is {}", node.describe()));
            return None;
        };
        let mut misspelt = Vec::new();
        for entry in entries.iter().filter(|entry| !keys.iter().any(|key| key.name == entry.key)) {
            misspelt.extend(unknown_key(entry, keys, what, problems));
        }
        for key in keys.iter().filter(|key| key.required) {
            if !misspelt.contains(&key.name) && !entries.iter().any(|entry| entry.key == key.name) {
                let hint = format!("add `{}`. {}", key.name, key.about);
                problems.hint(node.position, format!("{what} has no `{}`", key.name), hint);
            }
        }
        Some(Self { entries, keys, position: node.position })
    }

    /// Where the map starts.
    pub(crate) fn position(&self) -> Position {
        self.position
    }

    /// The entry of a key, which must be in the list.
    pub(crate) fn entry(&self, name: &str) -> Option<&'n Entry> {
        debug_assert!(self.keys.iter().any(|key| key.name == name), "{name} is not in the list of keys");
        self.entries.iter().find(|entry| entry.key == name)
    }

    /// The entries of those of the keys that are there.
    pub(crate) fn written(&self, names: &[&str]) -> impl Iterator<Item = &'n Entry> {
        self.entries.iter().filter(|entry| names.contains(&entry.key.as_str()))
    }

    /// Text, and nothing that YAML takes for something else.
    pub(crate) fn text(&self, name: &str, problems: &mut Problems) -> Option<(&'n str, Position)> {
        let entry = self.entry(name)?;
        let text = text(&entry.node, &format!("`{name}`"), problems)?;
        Some((text, entry.node.position))
    }

    /// Text of a form of its own, which may look like a number.
    pub(crate) fn parsed<T>(&self, name: &str, problems: &mut Problems) -> Option<(T, Position)>
    where
        T: FromStr<Err: fmt::Display>,
    {
        let entry = self.entry(name)?;
        let value = parsed(&entry.node, &format!("`{name}`"), problems)?;
        Some((value, entry.node.position))
    }

    /// Text of a form of its own that a YAML number can't be: a name.
    pub(crate) fn parsed_text<T>(&self, name: &str, problems: &mut Problems) -> Option<(T, Position)>
    where
        T: FromStr<Err: fmt::Display>,
    {
        let (text, position) = self.text(name, problems)?;
        match text.parse() {
            Ok(value) => Some((value, position)),
            Err(error) => {
                problems.add(position, error.to_string());
                None
            }
        }
    }

    /// One of a few words; `advice` is for those who wrote another.
    pub(crate) fn word(
        &self,
        name: &str,
        words: &[&'static str],
        advice: &str,
        problems: &mut Problems,
    ) -> Option<&'static str> {
        let entry = self.entry(name)?;
        let Some(text) = entry.node.scalar() else {
            let found = entry.node.describe();
            problems.add(entry.node.position, format!("`{name}` is one of {}, but this is {found}", words.join(", ")));
            return None;
        };
        let known = words.iter().find(|word| **word == text).copied();
        if known.is_none() {
            let hint = match closest(text, words.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => advice.to_owned(),
            };
            problems.hint(entry.node.position, format!("unknown `{name}`: `{}`", shown(text)), hint);
        }
        known
    }

    /// `true` or `false`; `false` when it isn't there.
    pub(crate) fn flag(&self, name: &str, problems: &mut Problems) -> bool {
        let Some(entry) = self.entry(name) else { return false };
        entry.node.boolean().unwrap_or_else(|| {
            let found = entry.node.describe();
            let message = format!("`{name}` is true or false, but this is {found}");
            problems.hint(entry.node.position, message, "write true or false, without quotes".to_owned());
            false
        })
    }

    /// The items of a list; nothing is an empty one.
    pub(crate) fn list(&self, name: &str, problems: &mut Problems) -> &'n [Node] {
        let Some(entry) = self.entry(name) else { return &[] };
        match &entry.node.value {
            Value::List(items) => items,
            _ if entry.node.is_null() => &[],
            _ => {
                let found = entry.node.describe();
                problems.add(entry.node.position, format!("`{name}` is a list, but this is {found}"));
                &[]
            }
        }
    }

    /// The entries of a map with free keys; nothing is an empty one.
    pub(crate) fn map(&self, name: &str, problems: &mut Problems) -> &'n [Entry] {
        let Some(entry) = self.entry(name) else { return &[] };
        match &entry.node.value {
            Value::Map(entries) => entries,
            _ if entry.node.is_null() => &[],
            _ => {
                let found = entry.node.describe();
                problems.add(entry.node.position, format!("`{name}` is a map, but this is {found}"));
                &[]
            }
        }
    }

    /// The version of a stack: any text, also one that looks like a number.
    pub(crate) fn version(&self, problems: &mut Problems) -> Option<String> {
        let node = &self.entry("version")?.node;
        let Some(version) = node.scalar() else {
            problems.add(node.position, format!("`version` is text, but this is {}", node.describe()));
            return None;
        };
        if let Some(message) = version_problem(version) {
            problems.add(node.position, message);
        }
        Some(version.to_owned())
    }
}

/// What is wrong with the version of a stack.
pub(crate) fn version_problem(version: &str) -> Option<String> {
    if version.is_empty() || version.len() > VERSION_BYTES_MAX {
        Some(format!("a version has 1 to {VERSION_BYTES_MAX} bytes, this one has {}", version.len()))
    } else if version.contains(char::is_control) {
        Some("a version can't contain control characters".to_owned())
    } else {
        None
    }
}

/// Text proper, or a note that it isn't.
pub(crate) fn text<'n>(node: &'n Node, what: &str, problems: &mut Problems) -> Option<&'n str> {
    let text = node.text();
    if text.is_none() {
        let hint = node.scalar().map(|written| format!("quote it: \"{}\"", shown(written)));
        problems.hint(node.position, format!("{what} is text, but this is {}", node.describe()), hint);
    }
    text
}

/// A scalar of a form of its own, or a note that it isn't.
pub(crate) fn parsed<T>(node: &Node, what: &str, problems: &mut Problems) -> Option<T>
where
    T: FromStr<Err: fmt::Display>,
{
    let Some(text) = node.scalar() else {
        problems.add(node.position, format!("{what} is one value, but this is {}", node.describe()));
        return None;
    };
    match text.parse() {
        Ok(value) => Some(value),
        Err(error) => {
            problems.add(node.position, format!("{what}: {error}"));
            None
        }
    }
}

/// A count, as people write one.
pub(crate) struct WholeNumber(pub(crate) u32);

impl FromStr for WholeNumber {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // More digits than fit are over every limit.
        if is_number { Ok(Self(text.parse().unwrap_or(u32::MAX))) } else { Err("not a whole number") }
    }
}

/// The start of a text, for messages.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(64).collect()
}

/// Notes a key that isn't in the list, and gives the one that was meant.
fn unknown_key(entry: &Entry, keys: &[Key], what: &str, problems: &mut Problems) -> Option<&'static str> {
    let names = || keys.iter().map(|key| key.name);
    let meant = if problems.is_full() { None } else { closest(&entry.key, names()) };
    let hint = match meant {
        _ if entry.key == "<<" => "merge keys are not supported; use an alias for a whole value".to_owned(),
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("{what} has the keys {}", names().collect::<Vec<_>>().join(", ")),
    };
    problems.hint(entry.position, format!("unknown key `{}`", shown(&entry.key)), hint);
    meant
}
