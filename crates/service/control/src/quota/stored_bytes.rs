//! The bytes of stacks in tables and boxes, held against their limits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use mu_env::Env;
use mu_stack::StackId;
use tokio::time::Instant;

use super::{Decision, Exceeded, Limit, Measured, Subject};

/// Stacks whose bytes are remembered.
const KEYS_MAX: usize = 100_000;

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

/// Why a write may not go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BytesRefused {
    /// There would be too many bytes.
    #[error(transparent)]
    Exceeded(#[from] Exceeded),
    /// Nothing is known about the bytes there are. Trying again may help.
    #[error(transparent)]
    Unmeasured(#[from] MeasureError),
}

/// Asked before something is written where the bytes are limited. What is not limited is not asked for, and not measured.
pub struct StoredBytes {
    env: Env,
    origin: Instant,
    port: Arc<dyn Measure>,
    entries: Mutex<HashMap<(StackId, Stored), Arc<Entry>>>,
}

#[derive(Default)]
struct Entry {
    measured: Mutex<Measured>,
    /// Held while it is measured, so that it is measured once for all who ask.
    measuring: Arc<tokio::sync::Mutex<()>>,
}

impl StoredBytes {
    /// Measures by `port`.
    #[must_use]
    pub fn new(port: Arc<dyn Measure>, env: Env) -> Self {
        Self { origin: env.clock().instant(), env, port, entries: Mutex::default() }
    }

    /// Allows a write of `bytes`, if the stack may have them within `limit`. The first write of a stack, and those that
    /// seem to be too much, wait for a measurement.
    ///
    /// # Errors
    /// When they are too many, or nothing is known about those there are.
    pub async fn admit(&self, stack: &StackId, stored: Stored, limit: u64, bytes: u64) -> Result<(), BytesRefused> {
        let entry = self.entry(stack, stored);
        let decide = || {
            let mut measured = entry.lock();
            let decision = measured.decide(self.now(), limit, bytes);
            if matches!(decision, Decision::Allow | Decision::AllowAndMeasure) {
                measured.wrote(bytes);
            }
            decision
        };
        let mut decision = decide();
        if decision == Decision::Measure {
            let _measuring = entry.measuring.lock().await;
            // Another one may have measured while this one waited.
            decision = decide();
            if decision == Decision::Measure {
                measure(&*self.port, &entry, stack, stored, || self.now()).await?;
                decision = decide();
            }
        }
        match decision {
            Decision::Allow => Ok(()),
            Decision::AllowAndMeasure => {
                self.measure_later(entry, *stack, stored);
                Ok(())
            }
            Decision::Measure => Err(self.exceeded(stack, stored, limit, None)),
            Decision::Refuse { retry_after } => Err(self.exceeded(stack, stored, limit, Some(retry_after))),
        }
    }

    /// Forgets what is known about a stack: it was deleted, or a lot of it was.
    pub fn forget(&self, stack: &StackId) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.remove(&(*stack, Stored::Tables));
        entries.remove(&(*stack, Stored::Boxes));
    }

    fn measure_later(&self, entry: Arc<Entry>, stack: StackId, stored: Stored) {
        let Ok(measuring) = Arc::clone(&entry.measuring).try_lock_owned() else { return };
        let (port, clock, origin) = (Arc::clone(&self.port), self.env.clock().clone(), self.origin);
        self.env.tasks().spawn(async move {
            let now = || clock.instant().saturating_duration_since(origin);
            if let Err(error) = measure(&*port, &entry, &stack, stored, now).await {
                tracing::warn!(%error, "the bytes of stack {stack} are estimated from an old measurement");
            }
            drop(measuring);
        });
    }

    fn entry(&self, stack: &StackId, stored: Stored) -> Arc<Entry> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get(&(*stack, stored)) {
            return Arc::clone(entry);
        }
        if entries.len() >= KEYS_MAX {
            // Who is forgotten is measured again.
            entries.retain(|_, entry| Arc::strong_count(entry) > 1);
        }
        Arc::clone(entries.entry((*stack, stored)).or_default())
    }

    fn exceeded(&self, stack: &StackId, stored: Stored, allowed: u64, retry_after: Option<Duration>) -> BytesRefused {
        let limit = match stored {
            Stored::Tables => Limit::TableBytes,
            Stored::Boxes => Limit::BoxBytes,
        };
        Exceeded { subject: Subject::Stack(*stack), limit, allowed, retry_after }.into()
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

async fn measure(
    port: &dyn Measure,
    entry: &Entry,
    stack: &StackId,
    stored: Stored,
    now: impl Fn() -> Duration,
) -> Result<(), MeasureError> {
    let measuring = entry.lock().begin(now());
    let bytes = port.measure(stack, stored).await?;
    entry.lock().end(measuring, now(), bytes);
    Ok(())
}

impl std::fmt::Debug for StoredBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredBytes").finish_non_exhaustive()
    }
}
