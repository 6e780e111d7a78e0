//! Walks the tree of `mu-node.yaml`, and notes what does not belong there.

use std::path::Path;
use std::sync::Arc;

use mu_stack::yaml::{self, Entry, Node, Value as Yaml};
use mu_stack::{Position, closest};

use super::kind::Key;
use super::mistakes::Collected;
use super::origin::Origin;
use super::read::{Reader, shown};
use super::sources::ConfigFile;
use super::table::keys;
use super::values::Values;

/// Puts what the file says on top of the values.
pub(super) fn read(file: &ConfigFile, values: &mut Values, mistakes: &mut Collected) {
    let name: Arc<str> = file.name.as_str().into();
    let (document, problems) = yaml::document(&file.bytes);
    for problem in problems {
        let origin = Origin::File { name: Arc::clone(&name), position: problem.position };
        mistakes.add(origin, problem.message, problem.hint);
    }
    if let Some(document) = document {
        Walk { name, folder: &file.folder, values, mistakes }.section("", &document);
    }
}

struct Walk<'a> {
    name: Arc<str>,
    folder: &'a Path,
    values: &'a mut Values,
    mistakes: &'a mut Collected,
}

impl Walk<'_> {
    /// A map of keys and sections; `path` is what their paths begin with, dot included.
    fn section(&mut self, path: &str, node: &Node) {
        let entries = match &node.value {
            Yaml::Map(entries) => entries.as_slice(),
            // A section whose keys are all commented out.
            _ if node.is_null() => &[],
            _ => {
                let what = if path.is_empty() { "the file" } else { path.trim_end_matches('.') };
                let message = format!("`{what}` is a map of keys, but this is {}", node.describe());
                return self.mistakes.add(self.origin(node.position), message, None);
            }
        };
        for entry in entries {
            let full = format!("{path}{}", entry.key);
            let below = format!("{full}.");
            if let Some(key) = keys().find(|key| key.path == full) {
                self.key(key, entry);
            } else if keys().any(|key| key.path.starts_with(&below)) {
                self.section(&below, &entry.node);
            } else {
                self.unknown(path, entry);
            }
        }
    }

    fn key(&mut self, key: &'static Key, entry: &Entry) {
        let origin = self.origin(entry.position);
        let value = Reader::new(&origin, self.folder, self.mistakes).node(key, &entry.node);
        self.values.set(key, value, origin);
    }

    fn unknown(&mut self, path: &str, entry: &Entry) {
        let mut known: Vec<&str> = keys().filter_map(|key| key.path.strip_prefix(path)).collect();
        known.iter_mut().for_each(|rest| *rest = rest.split('.').next().unwrap_or(rest));
        known.dedup();
        let of = match path.trim_end_matches('.') {
            "" => String::new(),
            section => format!(" of `{section}`"),
        };
        let nested = keys().find(|key| key.path == entry.key);
        let hint = match (nested.and_then(|key| key.path.rsplit_once('.')), closest(&entry.key, known.iter().copied()))
        {
            (Some((section, name)), _) => format!("write it as `{name}` below `{section}`, without dots"),
            (None, _) if entry.key == "<<" => "merge keys are not supported; use an alias for a whole value".to_owned(),
            (None, Some(meant)) => format!("did you mean `{meant}`?"),
            (None, None) => match elsewhere(&entry.key) {
                Some(key) => format!("did you mean `{}`?", key.path),
                None => format!("there are {}", known.join(", ")),
            },
        };
        let message = format!("unknown key `{}`{of}", shown(&entry.key));
        self.mistakes.add(self.origin(entry.position), message, hint);
    }

    fn origin(&self, position: Position) -> Origin {
        Origin::File { name: Arc::clone(&self.name), position: Some(position) }
    }
}

/// The only key of this name in another section.
fn elsewhere(name: &str) -> Option<&'static Key> {
    let mut named = keys().filter(|key| key.path.rsplit('.').next() == Some(name));
    named.next().filter(|_| named.next().is_none())
}
