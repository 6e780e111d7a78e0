//! What is deployed on this node, found by the text in a URL.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use mu_stack::StackId;

use crate::deployment::Deployment;
use crate::meter::Meter;

/// All deployed stacks. Reading is lock-free; a change replaces the whole picture at once.
#[derive(Debug, Default)]
pub struct Deployments {
    current: ArcSwap<Snapshot>,
    /// Serializes changes.
    changes: Mutex<()>,
}

/// What a reference in a URL means.
#[derive(Clone, Debug)]
pub enum Found {
    /// The deployment it names.
    Deployment(Arc<Deployment>),
    /// Nothing here has this id or name.
    Unknown,
    /// Several stacks have this name; only their ids tell them apart.
    Ambiguous,
}

#[derive(Debug, Default)]
struct Snapshot {
    by_id: HashMap<StackId, Arc<Deployment>>,
    /// Ids and names as text, as they stand in URLs; `None` for a name that several stacks have.
    by_reference: HashMap<Box<str>, Option<Arc<Deployment>>>,
}

impl Deployments {
    /// The deployment that `reference` names: the id (`s_…`), or the name when only one stack has it.
    #[must_use]
    pub fn find(&self, reference: &str) -> Found {
        match self.current.load().by_reference.get(reference) {
            Some(Some(deployment)) => Found::Deployment(Arc::clone(deployment)),
            Some(None) => Found::Ambiguous,
            None => Found::Unknown,
        }
    }

    /// The deployment of a stack.
    #[must_use]
    pub fn deployment(&self, id: &StackId) -> Option<Arc<Deployment>> {
        self.current.load().by_id.get(id).cloned()
    }

    /// All deployments, in the order of their names.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Deployment>> {
        let mut all: Vec<_> = self.current.load().by_id.values().cloned().collect();
        all.sort_by(|a, b| (a.name(), a.id()).cmp(&(b.name(), b.id())));
        all
    }

    /// Takes a stack out of service; calls under way go on. Answers what was deployed.
    pub fn remove(&self, id: &StackId) -> Option<Arc<Deployment>> {
        self.change(|deployments| deployments.remove(id))
    }

    /// Puts a deployment into service, and answers the one that it replaced.
    pub(crate) fn put(&self, deployment: Arc<Deployment>) -> Option<Arc<Deployment>> {
        self.change(|deployments| deployments.insert(deployment.id(), deployment))
    }

    /// The meter that goes on counting for a stack, or a new one.
    pub(crate) fn meter(&self, id: &StackId) -> Arc<Meter> {
        self.deployment(id).map(|deployment| Arc::clone(deployment.meter())).unwrap_or_default()
    }

    fn change<T>(&self, change: impl FnOnce(&mut HashMap<StackId, Arc<Deployment>>) -> T) -> T {
        let _one_at_a_time = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut by_id = self.current.load().by_id.clone();
        let result = change(&mut by_id);
        self.current.store(Arc::new(Snapshot::new(by_id)));
        result
    }
}

impl Snapshot {
    fn new(by_id: HashMap<StackId, Arc<Deployment>>) -> Self {
        let mut by_reference: HashMap<Box<str>, Option<Arc<Deployment>>> = HashMap::with_capacity(2 * by_id.len());
        for deployment in by_id.values() {
            by_reference
                .entry((**deployment.name()).into())
                .and_modify(|named| *named = None)
                .or_insert_with(|| Some(Arc::clone(deployment)));
        }
        // Ids come last: no stack can take another one's place by having its id for a name.
        for deployment in by_id.values() {
            by_reference.insert(deployment.id().to_string().into(), Some(Arc::clone(deployment)));
        }
        Self { by_id, by_reference }
    }
}
