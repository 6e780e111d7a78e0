//! The ledger from outside: what it counts, and that no crash makes it lose or double anything.

mod crash;
mod kill;

use std::sync::Arc;

use mu_db::{Journal, Kv, MemJournal, MemKv};
use mu_env::{Env, Timestamp};
use mu_pricing::Usage;
use mu_stack::StackId;

use super::*;

const STACK: StackId = StackId::new([1; 32]);
const OTHER: StackId = StackId::new([2; 32]);
const NOON: Timestamp = Timestamp::from_micros(20_778 * 86_400_000_000 + 43_200_000_000);

fn env_at(time: Timestamp) -> Env {
    Env::simulated(1, time)
}

fn instructions(instructions: u64) -> Counts {
    let usage = Usage { instructions, byte_instructions: u128::from(instructions) << 70, ..Usage::default() };
    Counts { invocations: 1, usage, ..Counts::default() }
}

fn entry(stack: StackId, function: Option<&str>, counts: Counts) -> UsageEntry<'_> {
    UsageEntry { stack, function, counts }
}

struct World {
    journal: Arc<dyn Journal>,
    kv: Arc<dyn Kv>,
}

impl World {
    fn new() -> Self {
        Self { journal: Arc::new(MemJournal::new([9; 16])), kv: Arc::new(MemKv::new()) }
    }

    async fn open(&self, env: &Env) -> (Arc<UsageLedger>, UsageFolder) {
        UsageLedger::open(Arc::clone(&self.journal), Arc::clone(&self.kv), env.clone()).await.unwrap()
    }
}

async fn fold_all(folder: &mut UsageFolder) {
    while folder.fold().await.unwrap().has_more {}
}

#[tokio::test(start_paused = true)]
async fn counts_per_function_stack_and_day() {
    let (world, env) = (World::new(), env_at(NOON));
    let (ledger, mut folder) = world.open(&env).await;
    let today = Day::of(NOON);
    ledger.record(&entry(STACK, Some("a"), instructions(1)));
    ledger.record(&entry(STACK, Some("b"), instructions(2)));
    ledger.record(&entry(STACK, Some("a"), instructions(4)));
    ledger.record(&entry(OTHER, Some("a"), instructions(8)));
    let traffic = Usage { gateway_requests: 1, gateway_traffic_bytes: 77, ..Usage::default() };
    let traffic = Counts { usage: traffic, ..Counts::default() };
    ledger.record(&entry(STACK, None, traffic));
    assert_eq!(ledger.instructions_today(&STACK), 0, "not yet added up");
    fold_all(&mut folder).await;
    assert_eq!((ledger.instructions_today(&STACK), ledger.instructions_today(&OTHER)), (7, 8));
    tokio::time::advance(std::time::Duration::from_secs(43_200)).await;
    ledger.record(&entry(STACK, Some("a"), instructions(16)));
    assert_eq!(ledger.instructions_today(&STACK), 0, "a new day has begun");
    fold_all(&mut folder).await;
    assert_eq!((ledger.instructions_today(&STACK), ledger.instructions_today(&OTHER)), (16, 0));

    let of = |usage: &StackUsage| {
        let functions = usage.functions.iter();
        functions.map(|(name, counts)| (name.clone(), counts.usage.instructions)).collect::<Vec<_>>()
    };
    let totals = ledger.totals(&STACK).await.unwrap();
    assert_eq!(of(&totals), [("a".to_owned(), 21), ("b".to_owned(), 2)]);
    assert_eq!(totals.unattributed, traffic);
    assert_eq!(totals.total().usage.byte_instructions, 23 << 70, "never rounded");
    assert_eq!((totals.total().invocations, totals.total().usage.gateway_traffic_bytes), (4, 77));
    let tomorrow = Day::from_number(today.number() + 1);
    for (days, expected) in [
        (today..=today, vec![("a".to_owned(), 5), ("b".to_owned(), 2)]),
        (tomorrow..=tomorrow, vec![("a".to_owned(), 16)]),
        (today.minus(30)..=tomorrow, vec![("a".to_owned(), 21), ("b".to_owned(), 2)]),
        (today.minus(30)..=today.minus(1), vec![]),
    ] {
        assert_eq!(of(&ledger.of_days(&STACK, days.clone()).await.unwrap()), expected, "{days:?}");
    }
    let by_day = ledger.by_day(&STACK, today..=tomorrow).await.unwrap();
    let by_day: Vec<_> = by_day.iter().map(|(day, counts)| (*day, counts.usage.instructions)).collect();
    assert_eq!(by_day, [(today, 7), (tomorrow, 16)]);
    let refused = ledger.of_days(&STACK, tomorrow.minus(DAYS_KEPT)..=tomorrow).await;
    assert!(matches!(refused, Err(UsageError::TooManyDays { .. })));
    assert!(ledger.of_days(&STACK, tomorrow.minus(DAYS_KEPT - 1)..=tomorrow).await.is_ok());

    let (ledger, _) = world.open(&env).await;
    assert_eq!(ledger.instructions_today(&STACK), 16, "known from the start");
    assert_eq!(ledger.totals(&STACK).await.unwrap(), totals);
}

#[tokio::test(start_paused = true)]
async fn the_task_adds_up_each_second_and_at_the_end() {
    let (world, env) = (World::new(), env_at(NOON));
    let (ledger, folder) = world.open(&env).await;
    env.tasks().spawn(folder.run(env.tasks().shutdown().clone()));
    ledger.record(&entry(STACK, Some("a"), instructions(1)));
    while ledger.instructions_today(&STACK) != 1 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(env.now() <= NOON.plus(std::time::Duration::from_secs(2)));
    ledger.record(&entry(STACK, Some("a"), instructions(2)));
    env.tasks().stop().await;
    assert_eq!((ledger.instructions_today(&STACK), ledger.stats().folded), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn days_that_are_too_old_are_deleted() {
    let (world, today) = (World::new(), Day::of(NOON));
    let (ledger, mut folder) = world.open(&env_at(NOON)).await;
    for function in 0..1_500 {
        ledger.record(&entry(STACK, Some(&format!("f{function}")), instructions(1)));
    }
    ledger.record(&entry(OTHER, Some("a"), instructions(1)));
    fold_all(&mut folder).await;
    for (days_later, kept) in [(DAYS_KEPT - 1, 1), (DAYS_KEPT, 0)] {
        let later = NOON.plus(std::time::Duration::from_secs(86_400) * days_later);
        let (ledger, mut folder) = world.open(&env_at(later)).await;
        folder.turn().await.unwrap();
        for stack in [STACK, OTHER] {
            let days = ledger.by_day(&stack, today..=today).await.unwrap();
            assert_eq!(days.len(), kept, "after {days_later} days");
        }
        assert_eq!(ledger.totals(&STACK).await.unwrap().total().invocations, 1_500, "counters in all are kept");
    }
}

/// A record that this version cannot read must not hold up those after it.
#[tokio::test(start_paused = true)]
async fn unreadable_records_are_passed_over() {
    let (world, env) = (World::new(), env_at(NOON));
    world.journal.append(b"\x09 from the future").unwrap();
    let (ledger, mut folder) = world.open(&env).await;
    ledger.record(&entry(STACK, Some("a"), instructions(1)));
    fold_all(&mut folder).await;
    assert_eq!(ledger.instructions_today(&STACK), 1);
}

/// The database was put back from a copy, or the journal lost its end: what is recorded from then on counts.
#[tokio::test(start_paused = true)]
async fn a_journal_that_ends_before_its_position_goes_on_after_it() {
    let (world, env) = (World::new(), env_at(NOON));
    let (ledger, mut folder) = world.open(&env).await;
    ledger.record(&entry(STACK, Some("a"), instructions(1)));
    fold_all(&mut folder).await;
    let world = World { journal: Arc::new(MemJournal::new([9; 16])), kv: world.kv };
    let (ledger, mut folder) = world.open(&env).await;
    ledger.record(&entry(STACK, Some("a"), instructions(2)));
    fold_all(&mut folder).await;
    assert_eq!(ledger.instructions_today(&STACK), 3);
}

/// Two nodes that share a database add to the same counters, each from a journal of its own.
#[tokio::test(start_paused = true)]
async fn two_journals_share_counters() {
    let (world, env) = (World::new(), env_at(NOON));
    let second = World { journal: Arc::new(MemJournal::new([8; 16])), kv: Arc::clone(&world.kv) };
    let (one, mut one_folder) = world.open(&env).await;
    let (two, mut two_folder) = second.open(&env).await;
    for round in 0..10 {
        one.record(&entry(STACK, Some("a"), instructions(1)));
        two.record(&entry(STACK, Some("a"), instructions(100)));
        let (a, b) = tokio::join!(one_folder.fold(), two_folder.fold());
        a.unwrap();
        b.unwrap();
        let sum = one.totals(&STACK).await.unwrap().total().usage.instructions;
        assert_eq!(sum, 101 * (round + 1));
    }
}
