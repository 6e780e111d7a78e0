//! The store from outside: what is searched, followed and kept.

mod follow;
mod search;

use std::sync::Arc;
use std::time::Duration;

use mu_db::{Kv, MemKv, Order, Scan, ScanLimit, Select};
use mu_env::{Env, InvocationId, Timestamp};
use mu_stack::StackId;
use mu_telemetry::{Level, LogRecord, LogSink, LogSource, MetricsParams, Readings};

use super::*;

const STACK: StackId = StackId::new([1; 32]);
const OTHER: StackId = StackId::new([2; 32]);
const START: Timestamp = Timestamp::from_micros(1_000_000_000_000_000);

struct World {
    env: Env,
    kv: Arc<dyn Kv>,
    store: Arc<LogStore>,
}

impl World {
    /// A store with its writer at work.
    async fn start(kv: Arc<dyn Kv>, options: LogOptions) -> Self {
        let env = Env::simulated(1, START);
        let (store, writer) = LogStore::open(Arc::clone(&kv), env.clone(), options).await.unwrap();
        env.tasks().spawn(writer.run(env.tasks().shutdown().clone()));
        Self { env, kv, store }
    }

    async fn new() -> Self {
        Self::start(Arc::new(MemKv::new()), LogOptions::default()).await
    }

    fn log(&self, stack: StackId, function: &str, message: &str) {
        self.store.write(record(self.env.now(), stack, function, message));
    }

    /// Waits until all that was logged is stored.
    async fn written(&self, lines: u64) {
        while self.store.stats().stored < lines {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// All lines, read page by page.
    async fn all(&self, query: LogQuery) -> Vec<LogLine> {
        all(&self.store, query).await
    }
}

async fn all(store: &LogStore, mut query: LogQuery) -> Vec<LogLine> {
    let mut lines = Vec::new();
    loop {
        let page = store.query(&query).await.unwrap();
        lines.extend(page.lines);
        query.cursor = page.next;
        if page.next.is_none() {
            return lines;
        }
    }
}

fn record(time: Timestamp, stack: StackId, function: &str, message: &str) -> LogRecord {
    LogRecord {
        time,
        invocation: InvocationId::from_u128(u128::from(time.as_millis()) << 80),
        stack_id: *stack.key(),
        stack: "s".into(),
        function: function.into(),
        level: Level::Info,
        source: LogSource::Function,
        message: message.to_owned(),
    }
}

fn messages(lines: &[LogLine]) -> Vec<&str> {
    lines.iter().map(|line| line.message.as_str()).collect()
}

fn oldest_first(stack: StackId) -> LogQuery {
    LogQuery { order: LogOrder::OldestFirst, ..LogQuery::newest(stack) }
}

/// The bytes of the lines that are really there.
async fn bytes_of(kv: &dyn Kv) -> u64 {
    let limit = ScanLimit { rows: usize::MAX, bytes: usize::MAX };
    let range = mu_db::keys::records::all_log_lines_after(None);
    let page = kv.scan(Scan { range, order: Order::Ascending, limit, select: Select::Rows }).await.unwrap();
    page.rows.iter().map(|row| (row.key.len() + row.value.len()) as u64).sum()
}

#[tokio::test(start_paused = true)]
async fn lines_are_stored_soon_and_survive() {
    let world = World::new().await;
    world.log(STACK, "f", "one");
    world.log(STACK, "f", "two");
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(messages(&world.all(oldest_first(STACK)).await), ["one", "two"]);
    world.log(STACK, "f", "three");
    world.env.tasks().stop().await;
    assert_eq!(messages(&world.all(oldest_first(STACK)).await), ["one", "two", "three"], "the last ones as well");
    // Those that come after a new start come after them, also within the same microsecond.
    let again = World::start(world.kv, LogOptions::default()).await;
    again.log(STACK, "f", "four");
    again.written(1).await;
    let lines = again.all(oldest_first(STACK)).await;
    assert_eq!(lines.iter().map(|line| line.sequence).max(), Some(3), "numbers go on");
    assert_eq!(lines.len(), 4);
    assert_eq!(again.store.stats().stored_bytes, bytes_of(&*again.kv).await);
}

#[tokio::test(start_paused = true)]
async fn dropped_lines_leave_a_notice() {
    let options = LogOptions { queue_bytes_max: 10_000, ..LogOptions::default() };
    let world = World::start(Arc::new(MemKv::new()), options).await;
    for _ in 0..1_000 {
        world.log(STACK, "f", "x");
    }
    world.log(OTHER, "g", "y");
    world.written(2).await;
    let (lines, others) = (world.all(oldest_first(STACK)).await, world.all(oldest_first(OTHER)).await);
    let kept = lines.len() - 1;
    let notice = format!("{} lines were dropped here: they came faster than the node can store them", 1_000 - kept);
    assert_eq!(lines.last().map(|line| (line.level, line.message.as_str())), Some((Level::Warn, notice.as_str())));
    assert_eq!(messages(&others), ["y"]);
    assert_eq!(world.store.stats().dropped, 1_000 - kept as u64);
}

#[tokio::test(start_paused = true)]
async fn lines_that_are_too_old_are_deleted() {
    let world = World::new().await;
    for function in 0..200 {
        world.log(STACK, &format!("f{function}"), "old");
    }
    for _ in 0..5_000 {
        world.log(OTHER, "g", "old");
    }
    world.written(5_200).await;
    tokio::time::sleep(Duration::from_secs(6 * 86_400)).await;
    world.log(OTHER, "g", "young");
    tokio::time::sleep(Duration::from_secs(43_200)).await;
    assert_eq!(world.all(oldest_first(STACK)).await.len(), 200);
    tokio::time::sleep(Duration::from_secs(43_200 + 1_200)).await;
    assert!(world.all(oldest_first(STACK)).await.is_empty());
    assert_eq!(messages(&world.all(oldest_first(OTHER)).await), ["young"]);
    assert_eq!(world.store.stats().stored_bytes, bytes_of(&*world.kv).await);
}

#[tokio::test(start_paused = true)]
async fn the_oldest_lines_of_a_loud_stack_are_deleted() {
    let metrics = Metrics::new(MetricsParams { version: "1", functions_max: 1 });
    let options = LogOptions { stack_bytes_max: 100_000, metrics: Some(metrics.clone()), ..LogOptions::default() };
    let world = World::start(Arc::new(MemKv::new()), options).await;
    let hits = |limit: &str| {
        let line = format!("mu_limit_hits_total{{limit=\"{limit}\"}} ");
        let text = metrics.encode(Readings::default());
        text.lines().find_map(|candidate| candidate.strip_prefix(&line)?.parse::<u64>().ok())
    };
    assert_eq!(hits("logs.bytes_per_stack"), Some(0));
    world.log(OTHER, "g", "kept");
    for number in 0..20_000_u64 {
        // Two functions in turn, so that the oldest are those of both.
        world.log(STACK, ["a", "b"][(number % 2) as usize], &number.to_string());
        if number % 500 == 0 {
            world.written(number).await;
        }
    }
    world.written(20_001).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let lines = world.all(oldest_first(STACK)).await;
    let numbers: Vec<u64> = lines.iter().map(|line| line.message.parse().unwrap()).collect();
    let first = numbers[0];
    assert_eq!(numbers, (first..20_000).collect::<Vec<_>>(), "only the oldest are gone");
    let bytes = bytes_of(&*world.kv).await;
    assert!((80_000..100_000).contains(&bytes), "{bytes}");
    assert_eq!(world.store.stats().stored_bytes, bytes);
    assert_eq!(messages(&world.all(oldest_first(OTHER)).await), ["kept"]);
    assert!(hits("logs.bytes_per_stack") > Some(0));
    world.store.cut();
    assert_eq!(hits("functions.log_bytes_max"), Some(1));
}

#[tokio::test(start_paused = true)]
async fn the_lines_of_a_deleted_stack_are_deleted() {
    let world = World::new().await;
    for _ in 0..5_000 {
        world.log(STACK, "f", "gone");
    }
    world.log(OTHER, "f", "kept");
    world.written(5_001).await;
    world.store.delete_stack(STACK);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(world.all(oldest_first(STACK)).await.is_empty());
    assert_eq!(messages(&world.all(oldest_first(OTHER)).await), ["kept"]);
    assert_eq!(world.store.stats().stored_bytes, bytes_of(&*world.kv).await);
}

mod failing {
    use std::sync::atomic::{AtomicU32, Ordering};

    use async_trait::async_trait;
    use bytes::Bytes;
    use mu_db::{Batch, KvError, Outcome, Page};

    use super::*;

    /// A database where every third commit fails: after it happened, or before.
    #[derive(Debug, Default)]
    struct Flaky(MemKv, AtomicU32);

    #[async_trait]
    impl Kv for Flaky {
        async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, KvError> {
            self.0.get(key).await
        }

        async fn get_many(&self, keys: &[Bytes], bytes_max: usize) -> Result<Vec<Option<Bytes>>, KvError> {
            self.0.get_many(keys, bytes_max).await
        }

        async fn scan(&self, scan: Scan) -> Result<Page, KvError> {
            self.0.scan(scan).await
        }

        async fn commit(&self, batch: Batch) -> Result<Outcome, KvError> {
            let number = self.1.fetch_add(1, Ordering::Relaxed);
            if !number.is_multiple_of(6) {
                let outcome = self.0.commit(batch).await;
                if !number.is_multiple_of(3) {
                    return outcome;
                }
            }
            Err(KvError::Unavailable { store: "the test".into(), reason: "it stopped".into() })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_database_that_fails_now_and_then_keeps_every_line_once() {
        let options = LogOptions { stack_bytes_max: 20_000, ..LogOptions::default() };
        let world = World::start(Arc::new(Flaky::default()), options).await;
        for number in 0..50_u64 {
            for _ in 0..20 {
                world.log(STACK, "f", &number.to_string());
            }
            world.written((number + 1) * 20).await;
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        let lines = world.all(oldest_first(STACK)).await;
        let numbers: Vec<u64> = lines.iter().map(|line| line.sequence).collect();
        assert_eq!(numbers, (numbers[0]..1_000).collect::<Vec<_>>());
        assert_eq!(world.store.stats().stored_bytes, bytes_of(&*world.kv).await);
        let reopened = World::start(world.kv, LogOptions::default()).await;
        assert_eq!(reopened.store.stats().stored_bytes, world.store.stats().stored_bytes);
    }
}
