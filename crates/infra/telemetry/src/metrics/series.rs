//! The counts of functions in use, and which functions have some of their own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::histogram::DurationHistogram;
use super::outcome::Outcome;

/// What stands for the names of functions that are counted together. No function or stack can have this name.
pub(super) const OTHERS: &str = "(others)";

/// The names of a function. Two stacks of a node can have the same name, but not the same id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Names {
    pub(super) stack_id: Arc<str>,
    pub(super) stack: Arc<str>,
    pub(super) function: Arc<str>,
}

/// The counts of one function: in one piece of memory, and nothing but atomics.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) names: Names,
    pub(super) outcomes: [AtomicU64; Outcome::ALL.len()],
    pub(super) duration: DurationHistogram,
    pub(super) wait: DurationHistogram,
    pub(super) instructions: AtomicU64,
    pub(super) database_reads: AtomicU64,
    pub(super) database_writes: AtomicU64,
    pub(super) storage_reads: AtomicU64,
    pub(super) storage_writes: AtomicU64,
    pub(super) storage_read_bytes: AtomicU64,
    pub(super) storage_written_bytes: AtomicU64,
}

impl Series {
    fn new(names: Names) -> Self {
        Self {
            names,
            outcomes: Default::default(),
            duration: DurationHistogram::default(),
            wait: DurationHistogram::default(),
            instructions: AtomicU64::new(0),
            database_reads: AtomicU64::new(0),
            database_writes: AtomicU64::new(0),
            storage_reads: AtomicU64::new(0),
            storage_writes: AtomicU64::new(0),
            storage_read_bytes: AtomicU64::new(0),
            storage_written_bytes: AtomicU64::new(0),
        }
    }

    fn is_used(&self) -> bool {
        self.outcomes.iter().any(|count| count.load(Ordering::Relaxed) > 0)
    }
}

/// The series that handles hold. A series ends with its last handle.
#[derive(Debug)]
pub(super) struct SeriesTable {
    own: Mutex<HashMap<Names, Weak<Series>>>,
    own_max: usize,
    others: Arc<Series>,
}

/// A series, and whether it is the function's own.
pub(super) enum Found {
    Own(Arc<Series>),
    Others(Arc<Series>),
}

impl SeriesTable {
    pub(super) fn new(own_max: usize) -> Self {
        let others = Arc::<str>::from(OTHERS);
        let names = Names { stack_id: Arc::clone(&others), stack: Arc::clone(&others), function: others };
        Self { own: Mutex::default(), own_max, others: Arc::new(Series::new(names)) }
    }

    /// How many functions have series of their own, at most.
    pub(super) fn own_max(&self) -> usize {
        self.own_max
    }

    /// The series of a function, if another handle has it already.
    pub(super) fn existing(&self, names: &Names) -> Option<Arc<Series>> {
        self.lock().get(names).and_then(Weak::upgrade)
    }

    /// The series of a function, made if there is room.
    pub(super) fn obtain(&self, names: &Names) -> Found {
        let mut own = self.lock();
        if let Some(series) = own.get(names).and_then(Weak::upgrade) {
            return Found::Own(series);
        }
        if own.len() >= self.own_max {
            own.retain(|_, series| series.strong_count() > 0);
        }
        if own.len() >= self.own_max {
            return Found::Others(Arc::clone(&self.others));
        }
        let series = Arc::new(Series::new(names.clone()));
        own.insert(names.clone(), Arc::downgrade(&series));
        Found::Own(series)
    }

    /// All series with something in them, ordered by name.
    pub(super) fn in_use(&self) -> Vec<Arc<Series>> {
        let mut all: Vec<_> = {
            let mut own = self.lock();
            own.retain(|_, series| series.strong_count() > 0);
            own.values().filter_map(Weak::upgrade).collect()
        };
        all.sort_by(|a, b| {
            let key = |series: &Series| {
                let Names { stack_id, stack, function } = series.names.clone();
                (stack, stack_id, function)
            };
            key(a).cmp(&key(b))
        });
        all.extend(self.others.is_used().then(|| Arc::clone(&self.others)));
        all
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Names, Weak<Series>>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
