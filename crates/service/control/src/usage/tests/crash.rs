//! Stores that stop after every possible number of operations, for good or for once.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use mu_db::{Batch, JournalError, JournalId, KvError, Outcome, Page, Position, Records, Scan};

use super::super::entry::decode;
use super::*;

/// When the stores stop, and how.
#[derive(Debug)]
struct Fate {
    /// Operations that still succeed.
    left: AtomicI64,
    /// Whether the operation at which they stop has happened nevertheless.
    last: Last,
    /// What comes after that operation.
    then: Then,
    /// Which records reached the journal, as bits.
    appended: AtomicU64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    IsLost,
    Happens,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    NothingWorks,
    AllWorks,
}

enum Step {
    Succeeds,
    FailsBefore,
    FailsAfter,
}

impl Fate {
    fn new(left: i64, last: Last, then: Then) -> Arc<Self> {
        Arc::new(Self { left: AtomicI64::new(left), last, then, appended: AtomicU64::new(0) })
    }

    fn step(&self) -> Step {
        match (self.left.fetch_sub(1, Ordering::Relaxed), self.last, self.then) {
            (1.., _, _) | (..0, _, Then::AllWorks) => Step::Succeeds,
            (0, Last::Happens, _) => Step::FailsAfter,
            (0, Last::IsLost, _) | (..0, _, Then::NothingWorks) => Step::FailsBefore,
        }
    }

    fn was_met(&self) -> bool {
        self.left.load(Ordering::Relaxed) < 0
    }

    async fn of<T, E>(&self, error: E, operation: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        match self.step() {
            Step::Succeeds => operation.await,
            Step::FailsBefore => Err(error),
            Step::FailsAfter => operation.await.and(Err(error)),
        }
    }
}

#[derive(Debug)]
struct FatedKv(Arc<dyn Kv>, Arc<Fate>);

fn kv_error() -> KvError {
    KvError::Unavailable { store: "the test".into(), reason: "it stopped".into() }
}

#[async_trait]
impl Kv for FatedKv {
    async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        self.1.of(kv_error(), self.0.get(key)).await
    }

    async fn get_many(&self, keys: &[Bytes], bytes_max: usize) -> Result<Vec<Option<Bytes>>, KvError> {
        self.1.of(kv_error(), self.0.get_many(keys, bytes_max)).await
    }

    async fn scan(&self, scan: Scan) -> Result<Page, KvError> {
        self.1.of(kv_error(), self.0.scan(scan)).await
    }

    async fn commit(&self, batch: Batch) -> Result<Outcome, KvError> {
        self.1.of(kv_error(), self.0.commit(batch)).await
    }
}

#[derive(Debug)]
struct FatedJournal(Arc<dyn Journal>, Arc<Fate>);

fn journal_error() -> JournalError {
    JournalError::Unavailable { journal: "the test".into(), reason: "it stopped".into() }
}

#[async_trait]
impl Journal for FatedJournal {
    fn id(&self) -> JournalId {
        self.0.id()
    }

    fn append(&self, record: &[u8]) -> Result<(), JournalError> {
        let step = self.1.step();
        // A journal promises that what it refused is not there; only a crash may take away the answer.
        let happens =
            matches!(step, Step::Succeeds) || matches!(step, Step::FailsAfter) && self.1.then == Then::NothingWorks;
        if happens {
            self.0.append(record)?;
            let (_, counts) = decode(record).unwrap();
            self.1.appended.fetch_or(counts.usage.instructions, Ordering::Relaxed);
        }
        if matches!(step, Step::Succeeds) { Ok(()) } else { Err(journal_error()) }
    }

    async fn read(&self, from: Position, bytes_max: usize) -> Result<Records, JournalError> {
        self.1.of(journal_error(), self.0.read(from, bytes_max)).await
    }

    async fn sync(&self) -> Result<(), JournalError> {
        self.1.of(journal_error(), self.0.sync()).await
    }

    async fn release(&self, before: Position) -> Result<(), JournalError> {
        self.1.of(journal_error(), self.0.release(before)).await
    }

    async fn resume_at(&self, position: Position) -> Result<(), JournalError> {
        self.1.of(journal_error(), self.0.resume_at(position)).await
    }
}

fn fated(world: &World, fate: &Arc<Fate>) -> World {
    World {
        journal: Arc::new(FatedJournal(Arc::clone(&world.journal), Arc::clone(fate))),
        kv: Arc::new(FatedKv(Arc::clone(&world.kv), Arc::clone(fate))),
    }
}

/// A process that records, adds up, records more and adds up again. Each record is one bit of the instructions. Ends
/// early when opening fails.
async fn live(world: &World, env: &Env, first_bit: u32) -> Option<UsageFolder> {
    let opened = UsageLedger::open(Arc::clone(&world.journal), Arc::clone(&world.kv), env.clone()).await;
    let (ledger, mut folder) = opened.ok()?;
    let mut bit = first_bit;
    for records in [3, 2, 1] {
        for _ in 0..records {
            let function = [Some("a"), Some("b"), None][bit as usize % 3];
            ledger.record(&entry(STACK, function, instructions(1 << bit)));
            bit += 1;
        }
        let _ = folder.fold().await;
    }
    Some(folder)
}

const RECORDS: u32 = 6;

/// What the counters hold, as bits; all three kinds must agree, and nothing may be counted twice.
async fn counted(world: &World, env: &Env) -> u64 {
    let (ledger, _) = world.open(env).await;
    let today = Day::of(NOON);
    let total = ledger.totals(&STACK).await.unwrap().total();
    assert_eq!(ledger.of_days(&STACK, today..=today).await.unwrap().total(), total);
    assert_eq!(ledger.instructions_today(&STACK), total.usage.instructions);
    let bits = total.usage.instructions;
    assert_eq!(total.invocations, u64::from(bits.count_ones()), "each is counted once");
    assert_eq!(total.usage.byte_instructions, u128::from(bits) << 70);
    bits
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_at_any_operation_loses_and_doubles_nothing() {
    let env = env_at(NOON);
    for last in [Last::IsLost, Last::Happens] {
        for first_death in 0.. {
            let mut ended = false;
            for second_death in 0.. {
                // The same first life each time, then a second one that dies as well, at every operation of its own.
                let world = World::new();
                let fate = Fate::new(first_death, last, Then::NothingWorks);
                let _ = live(&fated(&world, &fate), &env, 0).await;
                ended |= !fate.was_met();
                let second = Fate::new(second_death, last, Then::NothingWorks);
                let _ = live(&fated(&world, &second), &env, RECORDS).await;
                let appended = fate.appended.load(Ordering::Relaxed) | second.appended.load(Ordering::Relaxed);
                let counted = counted(&world, &env).await;
                assert_eq!(counted, appended, "died after {first_death} and {second_death}, the last {last:?}");
                if !second.was_met() {
                    break;
                }
            }
            if ended {
                break;
            }
        }
    }
}

/// Stores that fail once, also such that did what they were asked and could not say so.
#[tokio::test(start_paused = true)]
async fn a_failure_at_any_operation_loses_and_doubles_nothing() {
    let env = env_at(NOON);
    for last in [Last::IsLost, Last::Happens] {
        for failure in 0.. {
            let world = World::new();
            let fate = Fate::new(failure, last, Then::AllWorks);
            let Some(mut folder) = live(&fated(&world, &fate), &env, 0).await else {
                assert_eq!(counted(&world, &env).await, 0, "opening failed");
                continue;
            };
            while folder.fold().await.is_ok_and(|folded| folded.has_more) {}
            while folder.fold().await.is_ok_and(|folded| folded.has_more) {}
            assert_eq!(counted(&world, &env).await, (1 << RECORDS) - 1, "failed after {failure}, the last {last:?}");
            if !fate.was_met() {
                break;
            }
        }
    }
}

/// Nothing is lost while neither store takes anything, and what waits is bounded.
#[tokio::test(start_paused = true)]
async fn records_wait_in_memory_while_nothing_can_be_written() {
    let env = env_at(NOON);
    let world = World::new();
    let fate = Fate::new(i64::MAX, Last::IsLost, Then::NothingWorks);
    let failing = fated(&world, &fate);
    let (ledger, mut folder) = failing.open(&env).await;
    fate.left.store(-1, Ordering::Relaxed);
    for bit in 0..20 {
        ledger.record(&entry(STACK, Some("a"), instructions(1 << bit)));
        assert!(folder.fold().await.is_err());
    }
    for function in 0..20_000 {
        ledger.record(&entry(OTHER, Some(&function.to_string()), instructions(1)));
    }
    fate.left.store(i64::MAX, Ordering::Relaxed);
    fold_all(&mut folder).await;
    assert_eq!(ledger.totals(&STACK).await.unwrap().total().usage.instructions, (1 << 20) - 1);
    let others = ledger.totals(&OTHER).await.unwrap().total().invocations;
    assert_eq!((others + ledger.stats().lost, ledger.stats().waited), (20_000, 20_020));
    assert_eq!(others, 9_999);
}
