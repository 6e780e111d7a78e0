//! What is deployed on this node, found by the text in a URL.

mod entry;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use mu_env::Random;
use mu_stack::StackId;

use crate::deployment::Deployment;
use crate::meter::Meter;
use crate::receipt::ReceiptSink;
use crate::shards::Shards;

pub(crate) use self::entry::Entry;
use self::entry::Serving;
pub use self::entry::Weighted;

/// All stacks of a node. Reading is lock-free; a change costs about the same whether there is one stack or there are
/// ten thousand.
///
/// A stack is *awake*, with versions that are loaded and served by weight, or *dormant*: only its id and name are here,
/// and the first request has it woken, see [`Wake`](crate::Wake).
pub struct Deployments {
    random: Random,
    /// Told of what gateways use.
    receipts: Arc<dyn ReceiptSink>,
    by_id: Shards<StackId, Arc<Entry>>,
    /// Ids as text, as they stand in URLs.
    by_text: Shards<Arc<str>, Arc<Entry>>,
    /// Several stacks may have one name.
    by_name: Shards<Arc<str>, Arc<[Arc<Entry>]>>,
    changes: Mutex<Changes>,
}

/// What only changes look at; holding it serializes them.
#[derive(Debug, Default)]
struct Changes {
    /// The meters of stacks with versions that are prepared or still run, so that all versions of a stack share one.
    meters: HashMap<StackId, Weak<Meter>>,
    /// At this many meters those that nobody uses are taken out.
    meters_max: usize,
}

/// What a reference in a URL means.
#[derive(Clone, Debug)]
pub enum Found {
    /// The version of the stack that gets this request.
    Deployment(Arc<Deployment>),
    /// The stack is dormant: [`Invoker::awake`](crate::Invoker::awake) waits for it.
    Dormant(StackId),
    /// Nothing here has this id or name.
    Unknown,
    /// Several stacks have this name; only their ids tell them apart.
    Ambiguous,
}

/// A stack that is not loaded before something asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dormant {
    /// Its id.
    pub id: StackId,
    /// Its name.
    pub name: Arc<str>,
}

/// A stack of the node, as it is at the moment.
#[derive(Clone, Debug)]
pub struct KnownStack {
    /// Its id.
    pub id: StackId,
    /// Its name.
    pub name: Arc<str>,
    /// What it has used on this node since the node started, over all of its versions.
    pub meter: Arc<Meter>,
    /// The versions that are served; none when it is dormant.
    pub versions: Vec<Weighted>,
}

impl Deployments {
    pub(crate) fn new(random: Random, receipts: Arc<dyn ReceiptSink>) -> Self {
        Self {
            random,
            receipts,
            by_id: Shards::default(),
            by_text: Shards::default(),
            by_name: Shards::default(),
            changes: Mutex::default(),
        }
    }

    /// What `reference` names: the id (`s_…`), or the name when only one stack has it. Of several versions, one is
    /// chosen by weight.
    #[must_use]
    pub fn find(&self, reference: &str) -> Found {
        // Ids come first: no stack can take another one's place by having its id for a name.
        if let Some(found) = self.by_text.with(reference, |entry| self.choose(entry)) {
            return found;
        }
        let named = self.by_name.with(reference, |entries| match &**entries {
            [entry] => self.choose(entry),
            _ => Found::Ambiguous,
        });
        named.unwrap_or(Found::Unknown)
    }

    /// What the id names, as [`Deployments::find`].
    #[must_use]
    pub fn find_id(&self, id: &StackId) -> Found {
        self.by_id.with(id, |entry| self.choose(entry)).unwrap_or(Found::Unknown)
    }

    /// A version of the stack, chosen by weight; `None` when it is dormant or not here.
    #[must_use]
    pub fn deployment(&self, id: &StackId) -> Option<Arc<Deployment>> {
        self.by_id.with(id, |entry| entry.choose(&self.random)).flatten()
    }

    /// The versions of a stack and their weights; none when it is dormant or not here.
    #[must_use]
    pub fn versions(&self, id: &StackId) -> Vec<Weighted> {
        self.by_id.with(id, |entry| entry.versions()).unwrap_or_default()
    }

    /// All deployments that are served, in the order of names, ids and versions.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Deployment>> {
        let entries = self.by_id.values();
        let mut all: Vec<_> = entries.iter().flat_map(|entry| entry.versions()).map(|(served, _)| served).collect();
        all.sort_by(|a, b| (a.name(), a.id(), a.version()).cmp(&(b.name(), b.id(), b.version())));
        all
    }

    /// All stacks, dormant ones included, in no order.
    #[must_use]
    pub fn stacks(&self) -> Vec<KnownStack> {
        self.by_id.values().iter().map(|entry| entry.known()).collect()
    }

    /// How many stacks there are, dormant ones included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.by_id.len()
    }

    /// What a stack has used on this node since the node started, over all of its versions; `None` when it is not here.
    #[must_use]
    pub fn meter_of(&self, id: &StackId) -> Option<Arc<Meter>> {
        self.by_id.with(id, |entry| Arc::clone(entry.meter()))
    }

    /// Serves exactly these versions of a stack from the next request on, each getting its weight's part of the
    /// requests; one of weight 0 gets none, unless all have 0: then the first gets all. Calls under way go on where they
    /// began. Answers the versions that are no longer served, which [drain](Deployment::drained) now. No version at all
    /// takes the stack out of service.
    ///
    /// What a version's stack says of its data does not happen here but in [`Invoker::serve`](crate::Invoker::serve),
    /// which is what activates a version.
    pub fn serve(&self, id: StackId, versions: Vec<Weighted>) -> Vec<Arc<Deployment>> {
        debug_assert!(versions.iter().all(|(deployment, _)| deployment.id() == id), "versions of another stack");
        let Some(serving) = Serving::of(versions) else { return self.remove(&id) };
        let mut changes = self.lock();
        self.put(&mut changes, id, serving)
    }

    /// The same if the stack is still dormant, and still the one that `entry` is about; otherwise it was deployed or
    /// removed meanwhile, and that counts.
    pub(crate) fn serve_woken(&self, entry: &Arc<Entry>, versions: Vec<Weighted>) {
        let Some(serving) = Serving::of(versions) else { return };
        let mut changes = self.lock();
        let is_current = self.by_id.with(&entry.id(), |current| Arc::ptr_eq(current, entry));
        if is_current == Some(true) && entry.is_dormant() {
            self.put(&mut changes, entry.id(), serving);
        }
    }

    /// Makes stacks known that are loaded when something asks for them. Those that are known already stay as they are.
    pub fn register(&self, dormant: impl IntoIterator<Item = Dormant>) {
        let mut changes = self.lock();
        let (mut by_id, mut by_text, mut by_name) = (Vec::new(), Vec::new(), HashMap::<_, Vec<_>>::new());
        let mut seen = HashSet::new();
        for Dormant { id, name } in dormant {
            if self.by_id.with(&id, |_| ()).is_some() || !seen.insert(id) {
                continue;
            }
            let entry =
                Arc::new(Entry::new(id, changes.meter(id, &self.receipts), Serving::nothing(Arc::clone(&name))));
            by_id.push((id, Some(Arc::clone(&entry))));
            by_text.push((id.to_string().into(), Some(Arc::clone(&entry))));
            by_name.entry(name).or_default().push(entry);
        }
        self.by_id.change(by_id);
        self.by_text.change(by_text);
        let named = by_name.into_iter().map(|(name, entries)| {
            let known = self.by_name.get(&*name).unwrap_or_default();
            (name, Some(known.iter().cloned().chain(entries).collect()))
        });
        self.by_name.change(named.collect());
    }

    /// Lets a stack be dormant again, to free what its versions hold. Answers those, which drain now.
    pub fn rest(&self, id: &StackId) -> Vec<Arc<Deployment>> {
        let _one_at_a_time = self.lock();
        self.by_id.with(id, |entry| entry.replace(Serving::nothing(entry.name()))).unwrap_or_default()
    }

    /// Takes a stack out of service; calls under way go on. Answers what was served.
    pub fn remove(&self, id: &StackId) -> Vec<Arc<Deployment>> {
        let _one_at_a_time = self.lock();
        let Some(entry) = self.by_id.get(id) else { return Vec::new() };
        self.by_id.remove(*id);
        self.by_text.remove(id.to_string().into());
        self.unname(&entry.name(), &entry);
        entry.replace(Serving::nothing(entry.name()))
    }

    /// The meter that goes on counting for a stack, or a new one.
    pub(crate) fn meter(&self, id: &StackId) -> Arc<Meter> {
        self.lock().meter(*id, &self.receipts)
    }

    /// The stack of this id.
    pub(crate) fn entry(&self, id: &StackId) -> Option<Arc<Entry>> {
        self.by_id.get(id)
    }

    pub(crate) fn random(&self) -> &Random {
        &self.random
    }

    fn choose(&self, entry: &Entry) -> Found {
        entry.choose(&self.random).map_or(Found::Dormant(entry.id()), Found::Deployment)
    }

    fn put(&self, changes: &mut Changes, id: StackId, serving: Serving) -> Vec<Arc<Deployment>> {
        let name = Arc::clone(&serving.name);
        match self.by_id.get(&id) {
            Some(entry) => {
                let before = entry.name();
                let drained = entry.replace(serving);
                if before != name {
                    self.unname(&before, &entry);
                    self.name(name, &entry);
                }
                drained
            }
            None => {
                let entry = Arc::new(Entry::new(id, changes.meter(id, &self.receipts), serving));
                self.by_id.set(id, Arc::clone(&entry));
                self.by_text.set(id.to_string().into(), Arc::clone(&entry));
                self.name(name, &entry);
                Vec::new()
            }
        }
    }

    fn name(&self, name: Arc<str>, entry: &Arc<Entry>) {
        let known = self.by_name.get(&*name).unwrap_or_default();
        self.by_name.set(name, known.iter().chain([entry]).cloned().collect());
    }

    fn unname(&self, name: &Arc<str>, entry: &Arc<Entry>) {
        let known = self.by_name.get(&**name).unwrap_or_default();
        let left: Arc<[_]> = known.iter().filter(|known| !Arc::ptr_eq(known, entry)).cloned().collect();
        self.by_name.change(vec![(Arc::clone(name), (!left.is_empty()).then_some(left))]);
    }

    fn lock(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Changes {
    fn meter(&mut self, id: StackId, receipts: &Arc<dyn ReceiptSink>) -> Arc<Meter> {
        if let Some(meter) = self.meters.get(&id).and_then(Weak::upgrade) {
            return meter;
        }
        if self.meters.len() >= self.meters_max {
            self.meters.retain(|_, meter| meter.strong_count() > 0);
            self.meters_max = (2 * self.meters.len()).max(64);
        }
        let meter = Arc::new(Meter::new(id, Arc::clone(receipts)));
        self.meters.insert(id, Arc::downgrade(&meter));
        meter
    }
}

impl fmt::Debug for Deployments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deployments").field("stacks", &self.count()).finish_non_exhaustive()
    }
}
