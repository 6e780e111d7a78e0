//! Adds the journal up into the counters.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Buf, Bytes};
use mu_db::keys::records as keys;
use mu_db::{Batch, KeyRange, Order, Outcome, Position, Scan, ScanLimit, Select};
use mu_env::Shutdown;
use mu_stack::StackId;

use super::entry::{self, CounterKey};
use super::{Counts, DAYS_KEPT, Day, UsageError, UsageLedger};

/// How often the journal is added up.
const INTERVAL: Duration = Duration::from_secs(1);
/// Bytes of the journal that are added up with one commit: at most some thousands of records.
const CHUNK_BYTES: usize = 256 * 1024;
/// Commits in one interval; what is left is for the next one.
const CHUNKS_MAX: usize = 256;
/// How often counters that others have changed meanwhile are read again before it is put off.
const ATTEMPTS_MAX: usize = 8;
/// Bytes of counters that are read at once: far more than the records of a chunk can touch.
const COUNTERS_BYTES_MAX: usize = 64 << 20;
/// Steps of deleting old counters in one interval.
const PRUNES_MAX: usize = 64;
/// Old counters that are deleted with one commit.
const PRUNED_ROWS_MAX: usize = 1_000;

/// Adds the journal of a [`UsageLedger`] up into its counters. There is one.
#[derive(Debug)]
pub struct UsageFolder {
    ledger: Arc<UsageLedger>,
    reached: Reached,
    /// A commit that failed: it may have happened. It is made again as it was, until it is known whether it did.
    attempt: Option<Attempt>,
    /// Until which day old counters were deleted.
    pruned: Option<Day>,
    is_failing: bool,
}

/// What one [`UsageFolder::fold`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Folded {
    /// Records that were added up.
    pub records: usize,
    /// Whether there may be more.
    pub has_more: bool,
}

/// How far the journal is added up, as it stands in the database. The number of the fold makes every commit's value
/// different from the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Reached {
    position: Position,
    fold: u64,
}

#[derive(Debug)]
struct Attempt {
    batch: Batch,
    before: Reached,
    after: Reached,
    records: usize,
    /// What came from memory, to be put back if this does not happen.
    waited: Vec<(CounterKey, Counts)>,
    /// What stacks have executed in all on a day, once this happened.
    instructions: Vec<(StackId, Day, u64)>,
}

impl UsageFolder {
    pub(super) async fn open(ledger: Arc<UsageLedger>) -> Result<Self, UsageError> {
        let reached = reached(&ledger).await?.unwrap_or_default();
        ledger.journal.resume_at(reached.position).await?;
        let mut folder = Self { ledger, reached, attempt: None, pruned: None, is_failing: false };
        folder.load_today().await?;
        while folder.fold().await?.has_more {}
        Ok(folder)
    }

    /// Adds up about once a second until shutdown is requested, and once more then.
    pub async fn run(mut self, shutdown: Shutdown) {
        while !shutdown.is_requested() {
            tokio::select! {
                () = shutdown.requested() => {}
                () = tokio::time::sleep(INTERVAL) => {}
            }
            let result = self.turn().await;
            match result {
                Ok(()) if self.is_failing => tracing::info!("usage is added up again"),
                Err(ref error) if !self.is_failing => tracing::error!(%error, "usage is not added up; it waits"),
                _ => {}
            }
            self.is_failing = result.is_err();
        }
    }

    /// Adds up a part of the journal: some thousands of records at most.
    ///
    /// # Errors
    /// When the journal or the database fails. Nothing is lost: the next call goes on.
    pub async fn fold(&mut self) -> Result<Folded, UsageError> {
        for _ in 0..ATTEMPTS_MAX {
            if self.attempt.is_none() {
                self.attempt = self.prepare().await?;
            }
            let Some(attempt) = &self.attempt else { return Ok(Folded::default()) };
            let outcome = self.ledger.kv.commit(attempt.batch.clone()).await?;
            if outcome == Outcome::Committed {
                return self.finish().await;
            }
            let reached = reached(&self.ledger).await?.unwrap_or_default();
            if reached == attempt.after {
                // It had happened when it seemed to fail.
                return self.finish().await;
            }
            // It has not happened and never will: counters only grow, so that what it expected does not come back.
            if reached != attempt.before {
                tracing::warn!("the usage journal was added up by someone else meanwhile");
                self.reached = reached;
            }
            if let Some(attempt) = self.attempt.take() {
                self.ledger.wait(attempt.waited);
            }
        }
        Err(UsageError::Contended)
    }

    pub(super) async fn turn(&mut self) -> Result<(), UsageError> {
        for _ in 0..CHUNKS_MAX {
            if !self.fold().await?.has_more {
                break;
            }
        }
        let today = Day::of(self.ledger.env.now());
        for _ in 0..PRUNES_MAX {
            if self.pruned == Some(today) {
                break;
            }
            if !self.prune(today).await? {
                self.ledger.today.forget_before(today);
                self.pruned = Some(today);
            }
        }
        Ok(())
    }

    /// Reads a part of the journal and the counters it belongs to. `None` when there is nothing to add up.
    async fn prepare(&self) -> Result<Option<Attempt>, UsageError> {
        let ledger = &self.ledger;
        let read = ledger.journal.read(self.reached.position, CHUNK_BYTES).await?;
        let waiting = ledger.take_waiting();
        if read.next == self.reached.position && waiting.is_empty() {
            return Ok(None);
        }
        let waited: Vec<_> = waiting.into_iter().collect();
        let prepared = self.prepare_from(&read.records, read.next, &waited).await;
        match prepared {
            Ok(attempt) => Ok(Some(Attempt { waited, ..attempt })),
            Err(error) => {
                ledger.wait(waited);
                Err(error)
            }
        }
    }

    async fn prepare_from(
        &self,
        records: &[Bytes],
        next: Position,
        waited: &[(CounterKey, Counts)],
    ) -> Result<Attempt, UsageError> {
        // What the counters hold has to be durable in the journal first: after the machine stopped, the journal must
        // not end before the position.
        self.ledger.journal.sync().await?;
        let counted: Vec<_> = records.iter().filter_map(|record| entry::decode(record)).collect();
        let unreadable = records.len() - counted.len();
        if unreadable > 0 {
            tracing::error!("{unreadable} usage records were written by a newer version of mu: they are not counted");
        }
        let deltas = by_counter(counted.into_iter().chain(waited.iter().cloned()));
        let counters: Vec<Bytes> = deltas.keys().cloned().collect();
        let known = self.ledger.kv.get_many(&counters, COUNTERS_BYTES_MAX).await?;
        let before = self.reached;
        let after = Reached { position: next, fold: before.fold + 1 };
        let position = keys::usage_position(&self.ledger.journal.id());
        let expected = (before != Reached::default()).then(|| before.encode());
        let mut batch = Batch::new().expect(position.clone(), expected).put(position, after.encode());
        let mut instructions = Vec::new();
        for ((key, delta), known) in deltas.into_iter().zip(known) {
            let counts = match &known {
                Some(record) => Counts::decode(record).ok_or(UNREADABLE)?,
                None => Counts::default(),
            };
            let counts = counts.plus(&delta);
            if let Some((day, stack)) = keys::parse_stack_usage_of_day(&key) {
                instructions.push((StackId::new(stack), Day::from_number(day), counts.usage.instructions));
            }
            batch = batch.expect(key.clone(), known).put(key, counts.encode());
        }
        Ok(Attempt { batch, before, after, records: records.len(), waited: Vec::new(), instructions })
    }

    /// After the commit happened.
    async fn finish(&mut self) -> Result<Folded, UsageError> {
        let Some(attempt) = self.attempt.take() else { return Ok(Folded::default()) };
        self.reached = attempt.after;
        let added = (attempt.records + attempt.waited.len()) as u64;
        self.ledger.folded.fetch_add(added, Ordering::Relaxed);
        self.ledger.today.update(attempt.instructions);
        // A release that fails is made up for by the next one.
        self.ledger.journal.release(self.reached.position).await?;
        Ok(Folded { records: attempt.records, has_more: attempt.after.position != attempt.before.position })
    }

    async fn load_today(&self) -> Result<(), UsageError> {
        let today = Day::of(self.ledger.env.now()).number();
        let mut range = keys::stack_usage_of_days(today, today.saturating_add(1));
        loop {
            let limit = ScanLimit { rows: 4_096, bytes: 1 << 20 };
            let scan = Scan { range: range.clone(), order: Order::Ascending, limit, select: Select::Rows };
            let page = self.ledger.kv.scan(scan).await?;
            let stacks = page.rows.iter().filter_map(|row| {
                let (day, stack) = keys::parse_stack_usage_of_day(&row.key)?;
                let counts = Counts::decode(&row.value)?;
                Some((StackId::new(stack), Day::from_number(day), counts.usage.instructions))
            });
            self.ledger.today.update(stacks);
            match page.rows.last() {
                Some(last) if page.cut.is_some() => range = range.after(&last.key),
                _ => return Ok(()),
            }
        }
    }

    /// Deletes some of the counters of days that are not kept any more. Answers whether there may be more.
    async fn prune(&self, today: Day) -> Result<bool, UsageError> {
        let kv = &self.ledger.kv;
        let kept_from = today.minus(DAYS_KEPT - 1).number();
        let range = keys::stack_usage_of_days(0, kept_from);
        let limit = ScanLimit { rows: 1, bytes: 1 << 10 };
        let page = kv.scan(Scan { range, order: Order::Ascending, limit, select: Select::Keys }).await?;
        let Some(row) = page.rows.first() else { return Ok(false) };
        let (day, stack) = keys::parse_stack_usage_of_day(&row.key).ok_or(UNREADABLE)?;
        let range: KeyRange = keys::usage_of_days(&stack, day, day);
        let limit = ScanLimit { rows: PRUNED_ROWS_MAX, bytes: 1 << 20 };
        let of_functions = kv.scan(Scan { range, order: Order::Ascending, limit, select: Select::Keys }).await?;
        let mut batch = of_functions.rows.iter().fold(Batch::new(), |batch, row| batch.delete(row.key.clone()));
        if of_functions.cut.is_none() {
            batch = batch.delete(row.key.clone());
        }
        kv.commit(batch).await?;
        Ok(true)
    }
}

/// The sums for each counter: of the function in all and on that day, and of the stack on that day.
fn by_counter(counted: impl Iterator<Item = (CounterKey, Counts)>) -> BTreeMap<Bytes, Counts> {
    let mut by_function: BTreeMap<CounterKey, Counts> = BTreeMap::new();
    for (key, counts) in counted {
        let sum = by_function.entry(key).or_default();
        *sum = sum.plus(&counts);
    }
    let mut by_counter: BTreeMap<Bytes, Counts> = BTreeMap::new();
    for (key, counts) in by_function {
        let (stack, day) = (key.stack.key(), key.day.number());
        for counter in [
            keys::usage_total(stack, &key.function),
            keys::usage_of_day(stack, day, &key.function),
            keys::stack_usage_of_day(day, stack),
        ] {
            let sum = by_counter.entry(counter).or_default();
            *sum = sum.plus(&counts);
        }
    }
    by_counter
}

const UNREADABLE: UsageError = UsageError::UnreadableRecord { what: "a usage counter" };

async fn reached(ledger: &UsageLedger) -> Result<Option<Reached>, UsageError> {
    let record = ledger.kv.get(&keys::usage_position(&ledger.journal.id())).await?;
    let unreadable = UsageError::UnreadableRecord { what: "the position in the usage journal" };
    record.map(|record| Reached::decode(record).ok_or(unreadable)).transpose()
}

impl Reached {
    const VERSION: u8 = 1;

    fn encode(self) -> Bytes {
        let (position, fold) = (self.position.as_u64().to_be_bytes(), self.fold.to_be_bytes());
        [&[Self::VERSION][..], &position, &fold].concat().into()
    }

    fn decode(mut record: Bytes) -> Option<Self> {
        if record.len() != 17 || record.get_u8() != Self::VERSION {
            return None;
        }
        Some(Self { position: Position::new(record.get_u64()), fold: record.get_u64() })
    }
}
