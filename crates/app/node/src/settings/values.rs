//! The value of every key while layers are put on top of each other.

use std::path::Path;
use std::time::Duration;

use super::kind::Key;
use super::origin::Origin;
use super::table::keys;
use super::value::Value;

/// One per key, in the order of the table.
#[derive(Clone, Debug)]
pub(super) struct Values(Vec<Entry>);

/// A key's value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: &'static Key,
    pub(super) value: Value,
    pub(super) origin: Origin,
    /// Whether it is what the last layer that has the key says. If not, that layer has a mistake, which is noted.
    is_sound: bool,
}

impl Values {
    pub(super) fn new(default: impl Fn(&'static Key) -> Value) -> Self {
        let entry = |key| Entry { key, value: default(key), origin: Origin::Default, is_sound: true };
        Self(keys().map(entry).collect())
    }

    /// Puts what a layer says about a key on top, or notes that what it says is a mistake.
    pub(super) fn set(&mut self, key: &'static Key, value: Option<Value>, origin: Origin) {
        let entry = self.0.iter_mut().find(|entry| entry.key.path == key.path).expect("there is one per key");
        entry.is_sound = value.is_some();
        entry.origin = origin;
        if let Some(value) = value {
            entry.value = value;
        }
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// Where a key's value comes from.
    pub(super) fn origin(&self, path: &str) -> Origin {
        self.entry(path).origin.clone()
    }

    /// Whether somebody has set a key.
    pub(super) fn is_set(&self, path: &str) -> bool {
        self.entry(path).origin != Origin::Default
    }

    /// Whether a key has a value, wherever it comes from.
    pub(super) fn is_something(&self, path: &str) -> bool {
        *self.value(path) != Value::Unset
    }

    /// Whether all of these keys have the value that was meant, so that what they say together can be judged.
    pub(super) fn are_sound(&self, paths: &[&str]) -> bool {
        paths.iter().all(|path| self.entry(path).is_sound)
    }

    pub(super) fn value(&self, path: &str) -> &Value {
        &self.entry(path).value
    }

    pub(super) fn path(&self, path: &str) -> &Path {
        match self.value(path) {
            Value::Path(path) => path,
            other => mismatch(path, other),
        }
    }

    pub(super) fn count(&self, path: &str) -> u64 {
        self.count_if_set(path).unwrap_or_else(|| mismatch(path, &Value::Unset))
    }

    pub(super) fn count_if_set(&self, path: &str) -> Option<u64> {
        match self.value(path) {
            Value::Unset => None,
            Value::Count(count) => Some(*count),
            Value::Size(size) => Some(size.bytes()),
            Value::Instructions(count) => Some(count.count()),
            other => mismatch(path, other),
        }
    }

    pub(super) fn duration(&self, path: &str) -> Duration {
        match self.value(path) {
            Value::Time(duration) => duration.duration(),
            other => mismatch(path, other),
        }
    }

    pub(super) fn word(&self, path: &str) -> &'static str {
        match self.value(path) {
            Value::Word(word) => word,
            other => mismatch(path, other),
        }
    }

    pub(super) fn flag(&self, path: &str) -> bool {
        match self.value(path) {
            Value::Flag(flag) => *flag,
            other => mismatch(path, other),
        }
    }

    pub(super) fn list(&self, path: &str) -> &[Value] {
        match self.value(path) {
            Value::List(items) => items,
            other => mismatch(path, other),
        }
    }

    fn entry(&self, path: &str) -> &Entry {
        self.0.iter().find(|entry| entry.key.path == path).expect("the code asks for keys of the table alone")
    }
}

/// The code takes a key for another kind than the table does; a test reads every key.
pub(super) fn mismatch(path: &str, value: &Value) -> ! {
    unreachable!("`{path}` is not {value:?} in the table of keys")
}
