//! One stack of a node: the versions of it that are served, if it is awake.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use mu_env::Random;
use mu_stack::StackId;

use super::KnownStack;
use crate::deployment::Deployment;
use crate::meter::Meter;
use crate::wake::Waking;

/// A version, and the part of the stack's requests that it gets: its weight divided by the sum of all.
pub type Weighted = (Arc<Deployment>, u32);

/// A stack that the node knows.
#[derive(Debug)]
pub(crate) struct Entry {
    id: StackId,
    meter: Arc<Meter>,
    serving: ArcSwap<Serving>,
    waking: Mutex<Waking>,
}

/// What is served of a stack, replaced as a whole.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(super) name: Arc<str>,
    versions: Box<[Weighted]>,
    /// The sum of the weights.
    total: u64,
}

impl Entry {
    pub(super) fn new(id: StackId, meter: Arc<Meter>, serving: Serving) -> Self {
        Self { id, meter, serving: ArcSwap::from_pointee(serving), waking: Mutex::default() }
    }

    pub(crate) fn id(&self) -> StackId {
        self.id
    }

    pub(super) fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    pub(super) fn name(&self) -> Arc<str> {
        Arc::clone(&self.serving.load().name)
    }

    /// A version, by weight; `None` while the stack is dormant.
    pub(crate) fn choose(&self, random: &Random) -> Option<Arc<Deployment>> {
        self.serving.load().choose(random).cloned()
    }

    pub(crate) fn is_dormant(&self) -> bool {
        self.serving.load().versions.is_empty()
    }

    pub(super) fn versions(&self) -> Vec<Weighted> {
        self.serving.load().versions.to_vec()
    }

    pub(super) fn known(&self) -> KnownStack {
        let serving = self.serving.load();
        let (name, versions) = (Arc::clone(&serving.name), serving.versions.to_vec());
        KnownStack { id: self.id, name, meter: Arc::clone(&self.meter), versions }
    }

    /// Serves this from now on; answers what was served and is not any longer.
    pub(super) fn replace(&self, serving: Serving) -> Vec<Arc<Deployment>> {
        let serving = Arc::new(serving);
        let before = self.serving.swap(Arc::clone(&serving));
        let is_kept =
            |deployment: &Arc<Deployment>| serving.versions.iter().any(|(kept, _)| Arc::ptr_eq(kept, deployment));
        before.versions.iter().map(|(deployment, _)| deployment).filter(|before| !is_kept(before)).cloned().collect()
    }

    pub(crate) fn waking(&self) -> MutexGuard<'_, Waking> {
        self.waking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Serving {
    /// Nothing, until it is woken.
    pub(super) fn nothing(name: Arc<str>) -> Self {
        Self { name, versions: Box::default(), total: 0 }
    }

    /// These versions, one at least. The stack's name is that of the version with the most weight.
    pub(super) fn of(versions: Vec<Weighted>) -> Option<Self> {
        let heaviest = versions.iter().rev().max_by_key(|(_, weight)| *weight)?;
        let name = Arc::clone(heaviest.0.name());
        let total = versions.iter().map(|(_, weight)| u64::from(*weight)).sum();
        Some(Self { name, versions: versions.into(), total })
    }

    fn choose(&self, random: &Random) -> Option<&Arc<Deployment>> {
        // The usual case, without randomness: one version, or weights that leave nothing to choose.
        let (first, rest) = self.versions.split_first()?;
        if rest.is_empty() || self.total == 0 {
            return Some(&first.0);
        }
        let mut place = random.next_u64() % self.total;
        for (deployment, weight) in &self.versions {
            match place.checked_sub(u64::from(*weight)) {
                Some(behind) => place = behind,
                None => return Some(deployment),
            }
        }
        Some(&first.0)
    }
}
