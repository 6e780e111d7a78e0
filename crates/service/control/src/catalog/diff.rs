//! What is different between two versions of a stack, field by field.

mod fields;
mod text;

use std::collections::BTreeMap;

use mu_stack::Stack;
use serde::Serialize;

use self::fields::{Fields, ServiceKey, services};

/// What is different between two stacks. Its text is for people; what it is made of, for programs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StackDiff {
    /// Fields of the stack itself.
    pub fields: Vec<FieldChange>,
    /// Services that are not the same, by kind and name.
    pub services: Vec<ServiceChange>,
}

/// A service that is not the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServiceChange {
    /// Its kind, in the words of the manifest: `Function`, `Gateway`, `KeyValueTable` or `Storage`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// What happened to it.
    pub change: Change,
    /// The fields that are not the same; of a service that is new or gone, all of them.
    pub fields: Vec<FieldChange>,
}

/// What happened to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The old stack does not have it.
    Added,
    /// The new stack does not have it.
    Removed,
    /// Both have it, with different fields.
    Changed,
}

/// A field that is not the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    /// Its name, with dots between its parts, like `env.DEBUG` or `endpoints./items/{id}.get`.
    pub field: String,
    /// What it was; `None` when it was not there.
    pub old: Option<String>,
    /// What it is; `None` when it is not there.
    pub new: Option<String>,
}

impl StackDiff {
    /// What is different in `new`.
    #[must_use]
    pub fn between(old: &Stack, new: &Stack) -> Self {
        let own = |stack: &Stack| {
            let fields = [("name", stack.name().as_str()), ("version", stack.version())];
            fields.into_iter().map(|(field, value)| (field.to_owned(), value.to_owned())).collect::<Fields>()
        };
        let (before, after) = (services(old), services(new));
        let nothing = Fields::new();
        let services = merged(&before, &after).filter_map(|(key, old, new)| {
            let change = match (old, new) {
                (None, _) => Change::Added,
                (_, None) => Change::Removed,
                _ => Change::Changed,
            };
            let fields = changes(old.unwrap_or(&nothing), new.unwrap_or(&nothing));
            let is_same = change == Change::Changed && fields.is_empty();
            (!is_same).then(|| ServiceChange { kind: key.kind, name: key.name.clone(), change, fields })
        });
        Self { fields: changes(&own(old), &own(new)), services: services.collect() }
    }

    /// Whether there is no difference.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.services.is_empty()
    }
}

fn changes(old: &Fields, new: &Fields) -> Vec<FieldChange> {
    let different = merged(old, new).filter(|(_, old, new)| old != new);
    different
        .map(|(field, old, new)| FieldChange { field: field.clone(), old: old.cloned(), new: new.cloned() })
        .collect()
}

/// All keys of two maps, in order, with what each map has under them.
fn merged<'m, K: Ord, V>(
    old: &'m BTreeMap<K, V>,
    new: &'m BTreeMap<K, V>,
) -> impl Iterator<Item = (&'m K, Option<&'m V>, Option<&'m V>)> {
    let keys: std::collections::BTreeSet<&K> = old.keys().chain(new.keys()).collect();
    keys.into_iter().map(|key| (key, old.get(key), new.get(key)))
}

/// Services by kind, in the order of the kinds, then by name.
type Services = BTreeMap<ServiceKey, Fields>;

#[cfg(test)]
mod tests;
