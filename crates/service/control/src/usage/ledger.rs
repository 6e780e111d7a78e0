//! The side of usage that the request path and queries see.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mu_db::{Journal, Kv};
use mu_env::Env;
use mu_stack::StackId;

use super::entry::CounterKey;
use super::today::Today;
use super::{Counts, Day, UsageEntry, UsageError, UsageFolder};

/// Counters that may wait in memory when the journal takes no records. Past that, what is used is not counted.
const WAITING_MAX: usize = 10_000;

/// Takes what was used, and answers what was.
///
/// While the journal takes no records, because the disk is full, they are added up in memory and reach the counters as
/// soon as the database takes them; only then a killed process loses something.
#[derive(Debug)]
pub struct UsageLedger {
    pub(super) env: Env,
    pub(super) kv: Arc<dyn Kv>,
    pub(super) journal: Arc<dyn Journal>,
    pub(super) today: Today,
    /// What the journal did not take.
    waiting: Mutex<HashMap<CounterKey, Counts>>,
    is_journal_failing: AtomicBool,
    pub(super) folded: AtomicU64,
    waited: AtomicU64,
    lost: AtomicU64,
}

/// What a ledger has done since it was opened, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LedgerStats {
    /// Records that were added to the counters.
    pub folded: u64,
    /// Records that the journal did not take, and that waited in memory instead.
    pub waited: u64,
    /// Records that were not counted at all, because too many waited.
    pub lost: u64,
}

impl UsageLedger {
    /// Opens the counters in `kv`, and adds up what an earlier process left in the journal before anything else.
    /// The folder's [`run`](UsageFolder::run) is to be spawned.
    ///
    /// # Errors
    /// When the journal or the database cannot be read or written.
    pub async fn open(
        journal: Arc<dyn Journal>,
        kv: Arc<dyn Kv>,
        env: Env,
    ) -> Result<(Arc<Self>, UsageFolder), UsageError> {
        let ledger = Arc::new(Self {
            env,
            kv,
            journal,
            today: Today::default(),
            waiting: Mutex::default(),
            is_journal_failing: AtomicBool::new(false),
            folded: AtomicU64::new(0),
            waited: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        });
        let folder = UsageFolder::open(Arc::clone(&ledger)).await?;
        Ok((ledger, folder))
    }

    /// Counts something that was finished just now. Costs about a `write` of a hundred bytes.
    pub fn record(&self, entry: &UsageEntry<'_>) {
        let day = Day::of(self.env.now());
        match self.journal.append(&entry.encode(day)) {
            Ok(()) => {
                if self.is_journal_failing.load(Ordering::Relaxed) {
                    self.is_journal_failing.store(false, Ordering::Relaxed);
                    tracing::info!("the usage journal takes records again");
                }
            }
            Err(error) => {
                if !self.is_journal_failing.swap(true, Ordering::Relaxed) {
                    tracing::error!(%error, "usage waits in memory until the database takes it");
                }
                self.waited.fetch_add(1, Ordering::Relaxed);
                self.wait([(entry.key(day), entry.counts)]);
            }
        }
    }

    /// What a stack has executed today (UTC), as far as it was added up: about a second behind. Reads no database.
    #[must_use]
    pub fn instructions_today(&self, stack: &StackId) -> u64 {
        self.today.instructions(stack, Day::of(self.env.now()))
    }

    /// What was done since the ledger was opened.
    #[must_use]
    pub fn stats(&self) -> LedgerStats {
        LedgerStats {
            folded: self.folded.load(Ordering::Relaxed),
            waited: self.waited.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
        }
    }

    /// Adds to what waits in memory.
    pub(super) fn wait(&self, counted: impl IntoIterator<Item = (CounterKey, Counts)>) {
        let mut waiting = self.waiting();
        for (key, counts) in counted {
            if let Some(known) = waiting.get_mut(&key) {
                *known = known.plus(&counts);
            } else if waiting.len() < WAITING_MAX {
                waiting.insert(key, counts);
            } else if self.lost.fetch_add(1, Ordering::Relaxed) == 0 {
                tracing::error!("usage of too many functions waits in memory: more of it is not counted");
            }
        }
    }

    /// Takes all that waits in memory.
    pub(super) fn take_waiting(&self) -> HashMap<CounterKey, Counts> {
        std::mem::take(&mut *self.waiting())
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<CounterKey, Counts>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
