//! The bytes of stacks in tables and boxes, held against their limits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use mu_env::Env;
use mu_stack::StackId;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::{Exceeded, Limit, Measured, Owners, Subject};

/// Stacks and clients whose bytes are remembered.
const KEYS_MAX: usize = 100_000;
/// Measurements at the same time.
const MEASURING_MAX: usize = 2;
/// How long a write waits for a measurement that may find room for it.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Where bytes are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stored {
    /// In tables.
    Tables,
    /// In boxes.
    Boxes,
}

/// Finds out what is stored by looking at all of it.
#[async_trait]
pub trait Measure: Send + Sync {
    /// The bytes of a stack.
    async fn measure(&self, stack: &StackId, stored: Stored) -> Result<u64, MeasureError>;
}

/// It could not be found out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored bytes could not be measured: {0}")]
pub struct MeasureError(pub String);

/// How many bytes somebody may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByteLimit {
    /// Who.
    pub subject: Subject,
    /// How many.
    pub bytes: u64,
}

/// A write does not fit, as far as is known.
#[derive(Debug)]
pub struct Over {
    /// The limit that it would exceed.
    pub exceeded: Exceeded,
    /// What is being measured, and may show that it fits after all.
    measuring: Option<Arc<Entry>>,
}

/// Asked before something is written where the bytes are limited. What is not limited is not asked for, and not measured.
pub struct StoredBytes {
    meter: Arc<Meter>,
    entries: Mutex<HashMap<(Subject, Stored), Arc<Entry>>>,
}

/// What measures in the background.
struct Meter {
    env: Env,
    origin: Instant,
    port: Arc<dyn Measure>,
    owners: Arc<Owners>,
    turns: Semaphore,
}

#[derive(Debug, Default)]
struct Entry {
    measured: Mutex<Measured>,
    /// Held while it is measured.
    measuring: Arc<tokio::sync::Mutex<()>>,
}

impl StoredBytes {
    /// Measures by `port`; what a client has is what the stacks have that it owns.
    #[must_use]
    pub fn new(port: Arc<dyn Measure>, owners: Arc<Owners>, env: Env) -> Self {
        let (origin, turns) = (env.clock().instant(), Semaphore::new(MEASURING_MAX));
        Self { meter: Arc::new(Meter { env, origin, port, owners, turns }), entries: Mutex::default() }
    }

    /// Allows a write of `bytes` when all of `limits`, a stack's before a client's, have room for it. Never waits; what
    /// has to be measured is, in the background.
    ///
    /// # Errors
    /// When it does not fit. [`StoredBytes::admit`] finds out whether that is so still.
    pub fn admit_at_once(&self, limits: &[ByteLimit], stored: Stored, bytes: u64) -> Result<(), Over> {
        let now = self.meter.now();
        let entries: Vec<_> = limits.iter().map(|limit| self.entry(&limit.subject, stored)).collect();
        // All are decided before any counts. Everybody locks stacks before clients.
        let mut locked: Vec<_> = entries.iter().map(|entry| entry.lock()).collect();
        let due: Vec<bool> =
            locked.iter().zip(limits).map(|(measured, limit)| measured.is_due(now, limit.bytes, bytes)).collect();
        let over = locked.iter().zip(limits).position(|(measured, limit)| !measured.fits(limit.bytes, bytes));
        if over.is_none() {
            locked.iter_mut().for_each(|measured| measured.wrote(bytes));
        }
        drop(locked);
        for ((entry, limit), _) in entries.iter().zip(limits).zip(due).filter(|(_, due)| *due) {
            self.measure_later(entry, &limit.subject, stored);
        }
        let Some(at) = over else { return Ok(()) };
        let limit = match stored {
            Stored::Tables => Limit::TableBytes,
            Stored::Boxes => Limit::BoxBytes,
        };
        let subject = limits[at].subject.clone();
        let exceeded = Exceeded { subject, limit, allowed: limits[at].bytes, retry_after: None };
        let is_being_measured = entries[at].measuring.try_lock().is_err();
        Err(Over { exceeded, measuring: is_being_measured.then(|| Arc::clone(&entries[at])) })
    }

    /// Like [`StoredBytes::admit_at_once`], and where it does not fit but is being measured, waits for that.
    ///
    /// # Errors
    /// When it does not fit.
    pub async fn admit(&self, limits: &[ByteLimit], stored: Stored, bytes: u64) -> Result<(), Exceeded> {
        // Each of the limits may have to be waited for.
        for _ in limits {
            match self.admit_at_once(limits, stored, bytes) {
                Ok(()) => return Ok(()),
                Err(Over { exceeded, measuring: None }) => return Err(exceeded),
                Err(Over { exceeded, measuring: Some(entry) }) => {
                    timeout(WAIT_MAX, entry.measuring.lock()).await.map(drop).map_err(|_| exceeded)?;
                }
            }
        }
        self.admit_at_once(limits, stored, bytes).map_err(|over| over.exceeded)
    }

    /// Forgets what is known about a stack that is gone.
    pub fn forget(&self, stack: &StackId) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        for stored in [Stored::Tables, Stored::Boxes] {
            entries.remove(&(Subject::Stack(*stack), stored));
        }
    }

    fn measure_later(&self, entry: &Arc<Entry>, subject: &Subject, stored: Stored) {
        let Ok(measuring) = Arc::clone(&entry.measuring).try_lock_owned() else { return };
        let (meter, entry, subject) = (Arc::clone(&self.meter), Arc::clone(entry), subject.clone());
        self.meter.env.tasks().spawn(async move {
            let shutdown = meter.env.tasks().shutdown().clone();
            tokio::select! {
                () = shutdown.requested() => {}
                () = meter.measure(&entry, &subject, stored) => {}
            }
            drop(measuring);
        });
    }

    fn entry(&self, subject: &Subject, stored: Stored) -> Arc<Entry> {
        let key = (subject.clone(), stored);
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get(&key) {
            return Arc::clone(entry);
        }
        if entries.len() >= KEYS_MAX {
            // Who is forgotten is measured again.
            entries.retain(|_, entry| Arc::strong_count(entry) > 1);
        }
        Arc::clone(entries.entry(key).or_default())
    }
}

impl Over {
    /// Whether a measurement is under way that may find room.
    #[must_use]
    pub fn may_fit(&self) -> bool {
        self.measuring.is_some()
    }
}

impl Meter {
    async fn measure(&self, entry: &Entry, subject: &Subject, stored: Stored) {
        let Ok(_turn) = self.turns.acquire().await else { return };
        let measuring = entry.lock().begin(self.now());
        let bytes = self.bytes(subject, stored).await;
        if let Err(error) = &bytes {
            tracing::warn!(%error, "the bytes of {subject} are estimated from what was known");
        }
        entry.lock().end(measuring, self.now(), bytes.ok());
    }

    async fn bytes(&self, subject: &Subject, stored: Stored) -> Result<u64, MeasureError> {
        match subject {
            Subject::Stack(stack) => self.port.measure(stack, stored).await,
            Subject::Client(client) => {
                let mut sum = 0_u64;
                for stack in self.owners.stacks(client) {
                    sum = sum.saturating_add(self.port.measure(&stack, stored).await?);
                }
                Ok(sum)
            }
        }
    }

    fn now(&self) -> Duration {
        self.env.clock().instant().saturating_duration_since(self.origin)
    }
}

impl Entry {
    fn lock(&self) -> MutexGuard<'_, Measured> {
        self.measured.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for StoredBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredBytes").finish_non_exhaustive()
    }
}
