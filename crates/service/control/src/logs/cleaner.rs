//! Deletes lines that are no longer kept, a bounded number at a time.

use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::time::Duration;

use bytes::Bytes;
use mu_db::keys::records::{self as keys, LinePlace};
use mu_db::{Batch, KeyRange, Kv, Order, Scan, ScanLimit, Select};
use mu_env::Timestamp;
use mu_stack::StackId;
use mu_telemetry::Limit;

use super::merge::{Merge, Places, first_key};
use super::writer::{State, encode};
use super::{LogError, LogOptions, LogStore};

/// Lines that one step deletes. More than are written at once, so that deleting keeps up with writing.
const STEP: ScanLimit = ScanLimit { rows: 2_000, bytes: 8 << 20 };
/// Functions that one step looks at.
const STEP_FUNCTIONS: usize = 64;
/// How long it takes until the next step, while there is something to delete.
const STEP_WAIT: Duration = Duration::from_millis(100);
/// How often all functions are looked at for lines that are too old.
const PASS_INTERVAL: Duration = Duration::from_secs(600);
/// How often it is asked which stacks are unwanted.
const IDLE_WAIT: Duration = Duration::from_secs(5);

/// What is to be deleted.
#[derive(Debug, Default)]
pub(super) struct Cleaner {
    /// Stacks that have too many bytes.
    over: BTreeSet<StackId>,
    /// Stacks whose lines are all to be deleted.
    unwanted: BTreeSet<StackId>,
    /// A deletion that failed: it may have happened.
    failed: Option<Deletion>,
    pass: Pass,
}

/// Lines of one stack that are deleted together.
#[derive(Debug)]
struct Deletion {
    stack: StackId,
    lines: Vec<Bytes>,
    /// What they have, in bytes.
    freed: u64,
}

/// Where the search for lines that are too old is.
#[derive(Debug)]
enum Pass {
    /// The next one begins then.
    Waits { until: Timestamp },
    /// After this function of this stack.
    Runs { after: Option<(StackId, String)> },
}

impl Default for Pass {
    fn default() -> Self {
        Self::Runs { after: None }
    }
}

impl Cleaner {
    /// Notes how many bytes a stack has.
    pub(super) fn check(&mut self, stack: StackId, bytes: u64, options: &LogOptions) {
        if bytes > options.stack_bytes_max && self.over.insert(stack) {
            options.limit_hit(Limit::LogsBytesPerStack);
        }
    }

    /// How long until the next step.
    pub(super) fn wait(&self, store: &LogStore) -> Duration {
        let has_more = !self.over.is_empty() || !self.unwanted.is_empty() || self.failed.is_some();
        let is_idle = !has_more && matches!(self.pass, Pass::Waits { .. });
        let is_asked = !store.unwanted.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        if is_idle && !is_asked { IDLE_WAIT } else { STEP_WAIT }
    }

    /// Deletes some of the lines that are not kept.
    pub(super) async fn step(&mut self, store: &LogStore, state: &mut State) -> Result<(), LogError> {
        let asked = std::mem::take(&mut *store.unwanted.lock().unwrap_or_else(PoisonError::into_inner));
        self.unwanted.extend(asked);
        if let Some(failed) = self.failed.take() {
            // Until this is done, it is not known what is there.
            self.delete(store, state, failed).await
        } else if let Some(stack) = self.over.first().copied() {
            self.trim(store, state, stack).await
        } else if let Some(stack) = self.unwanted.first().copied() {
            let deletion = Deletion::of_first(&*store.kv, stack, keys::log_lines_after(stack.key(), None)).await?;
            if deletion.lines.is_empty() {
                self.unwanted.remove(&stack);
            }
            self.delete(store, state, deletion).await
        } else {
            self.pass(store, state).await
        }
    }

    /// Deletes some of the oldest lines of a stack that has too many bytes, until it has somewhat less than it may, so
    /// that not every line that comes leads to another one's deletion.
    async fn trim(&mut self, store: &LogStore, state: &mut State, stack: StackId) -> Result<(), LogError> {
        let has = state.bytes.get(&stack).copied().unwrap_or_default();
        let kept = store.options.stack_bytes_max - store.options.stack_bytes_max / 16;
        let deletion = match Deletion::of_oldest(&*store.kv, stack, has.saturating_sub(kept)).await {
            // Too many functions to know the oldest of all lines: the oldest of one of them.
            Err(LogError::TooManyFunctions { .. }) => {
                Deletion::of_first(&*store.kv, stack, keys::log_lines_after(stack.key(), None)).await?
            }
            deletion => deletion?,
        };
        if has.saturating_sub(deletion.freed) <= kept || deletion.lines.is_empty() {
            self.over.remove(&stack);
        }
        self.delete(store, state, deletion).await
    }

    /// Looks at some functions, and deletes lines of the first that has some that are too old.
    async fn pass(&mut self, store: &LogStore, state: &mut State) -> Result<(), LogError> {
        let now = store.env.now();
        let mut after = match &self.pass {
            Pass::Waits { until } if now < *until => return Ok(()),
            Pass::Waits { .. } => None,
            Pass::Runs { after } => after.clone(),
        };
        let age_micros = u64::try_from(store.options.age_max.as_micros()).unwrap_or(u64::MAX);
        let kept_from = LinePlace { time_micros: now.as_micros().saturating_sub(age_micros), sequence: 0 };
        let first = LinePlace { time_micros: 0, sequence: 0 };
        for _ in 0..STEP_FUNCTIONS {
            let from = after.as_ref().map(|(stack, function)| (stack.key(), function.as_str()));
            let Some(key) = first_key(&*store.kv, keys::all_log_lines_after(from)).await? else {
                self.pass = Pass::Waits { until: now.plus(PASS_INTERVAL) };
                return Ok(());
            };
            let (stack, function, oldest) = keys::parse_log_line(&key).ok_or(LogError::UnreadableRecord)?;
            if oldest < kept_from {
                let lines = keys::log_lines(&stack, &function, first, Some(kept_from));
                // The next step begins with the same function, which may have more of them.
                self.pass = Pass::Runs { after };
                let deletion = Deletion::of_first(&*store.kv, StackId::new(stack), lines).await?;
                return self.delete(store, state, deletion).await;
            }
            after = Some((StackId::new(stack), function));
        }
        self.pass = Pass::Runs { after };
        Ok(())
    }

    async fn delete(&mut self, store: &LogStore, state: &mut State, deletion: Deletion) -> Result<(), LogError> {
        if deletion.lines.is_empty() {
            return Ok(());
        }
        let stack = deletion.stack;
        let left = state.bytes.get(&stack).copied().unwrap_or_default().saturating_sub(deletion.freed);
        let counter = keys::log_bytes(stack.key());
        let batch = deletion.lines.iter().fold(Batch::new(), |batch, line| batch.delete(line.clone()));
        let batch = if left == 0 { batch.delete(counter) } else { batch.put(counter, encode(left)) };
        if let Err(error) = store.kv.commit(batch).await {
            self.failed = Some(deletion);
            return Err(error.into());
        }
        if left == 0 {
            state.bytes.remove(&stack);
        } else {
            state.bytes.insert(stack, left);
        }
        Ok(())
    }
}

impl Deletion {
    /// The first lines of a range, which belongs to one stack.
    async fn of_first(kv: &dyn Kv, stack: StackId, range: KeyRange) -> Result<Self, LogError> {
        let page = kv.scan(Scan { range, order: Order::Ascending, limit: STEP, select: Select::Rows }).await?;
        let freed = page.rows.iter().map(|row| (row.key.len() + row.value.len()) as u64).sum();
        Ok(Self { stack, lines: page.rows.into_iter().map(|row| row.key).collect(), freed })
    }

    /// The oldest lines of a stack, as many as have `bytes` or as one step deletes.
    async fn of_oldest(kv: &dyn Kv, stack: StackId, bytes: u64) -> Result<Self, LogError> {
        let places = Places { first: LinePlace { time_micros: 0, sequence: 0 }, end: None };
        let mut merge = Merge::open(kv, stack, None, places, Order::Ascending).await?;
        let mut deletion = Self { stack, lines: Vec::new(), freed: 0 };
        while deletion.freed < bytes && deletion.lines.len() < STEP.rows && merge.scanned_bytes < STEP.bytes {
            let Some(stored) = merge.next().await? else { break };
            deletion.freed += (stored.key.len() + stored.record.len()) as u64;
            deletion.lines.push(stored.key);
        }
        Ok(deletion)
    }
}
