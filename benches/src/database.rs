//! muDB beside bare redb: durable puts of 64 writers with the same group commit, and gets.

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use mu_db::{Atomicity, MuDb, RedbKv, RedbOptions};
use redb::{Database, ReadableDatabase, TableDefinition};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use crate::Effort;
use crate::row::{median, print};

const WRITERS: usize = 64;
const ROUNDS: usize = 5;
const KEYS: u64 = 20_000;
const GETS: u64 = 200_000;
const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("bare");
const STACK: [u8; 32] = [7; 32];

pub(crate) fn run(effort: Effort) {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("the runtime starts");
    let time = if effort == Effort::Quick { Duration::from_millis(100) } else { Duration::from_secs(2) };
    let (our_dir, peer_dir) =
        (tempfile::tempdir().expect("a directory is made"), tempfile::tempdir().expect("a directory is made"));
    let ours = runtime.block_on(Ours::open(our_dir.path()));
    let peer = Bare::open(peer_dir.path());

    let (mut our_puts, mut peer_puts, mut our_gets, mut peer_gets) = (vec![], vec![], vec![], vec![]);
    for _ in 0..effort.times(ROUNDS) {
        our_puts.push(runtime.block_on(puts(time, |key| ours.put(key))));
        peer_puts.push(runtime.block_on(puts(time, |key| peer.put(key))));
    }
    runtime.block_on(fill(&ours, &peer));
    let gets = if effort == Effort::Quick { 1_000 } else { GETS };
    for _ in 0..effort.times(ROUNDS) {
        our_gets.push(runtime.block_on(async {
            let start = Instant::now();
            for index in 0..gets {
                ours.get(scattered(index)).await;
            }
            gets as f64 / start.elapsed().as_secs_f64()
        }));
        let start = Instant::now();
        for index in 0..gets {
            peer.get(scattered(index));
        }
        peer_gets.push(gets as f64 / start.elapsed().as_secs_f64());
    }
    print("durable puts, 64 writers", "/s", median(our_puts), Some(median(peer_puts)), Some("ratio >= 0.8"));
    print("gets", "/s", median(our_gets), Some(median(peer_gets)), Some("ratio >= 0.5"));
}

/// Puts per second of all writers together.
async fn puts<F: Future<Output = ()> + Send + 'static>(time: Duration, put: impl Fn(u64) -> F) -> f64 {
    let start = Instant::now();
    let mut done = 0_u64;
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..WRITERS {
        running.spawn(put(scattered(done)));
        done += 1;
    }
    while running.join_next().await.is_some() {
        if start.elapsed() < time {
            running.spawn(put(scattered(done)));
            done += 1;
        }
    }
    done as f64 / start.elapsed().as_secs_f64()
}

async fn fill(ours: &Ours, peer: &Bare) {
    let mut running = tokio::task::JoinSet::new();
    for key in 0..KEYS {
        running.spawn(ours.put(key));
        running.spawn(peer.put(key));
        if running.len() >= 2 * WRITERS {
            running.join_next().await;
        }
    }
    running.join_all().await;
}

/// Spreads indices over the keys, so that neighbours in time are not neighbours in the tree.
fn scattered(index: u64) -> u64 {
    index.wrapping_mul(0x9e37_79b9_7f4a_7c15) % KEYS
}

fn key(key: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&key.to_be_bytes());
    bytes
}

const VALUE: [u8; 100] = [42; 100];

struct Ours {
    db: Arc<MuDb>,
}

impl Ours {
    async fn open(dir: &Path) -> Self {
        let kv = RedbKv::open(&dir.join("ours.redb"), &RedbOptions::default()).expect("the file opens");
        let db = MuDb::new(Arc::new(kv));
        db.declare_tables(&STACK, &["bench"]).await.expect("the table is declared");
        Self { db: Arc::new(db) }
    }

    fn put(&self, number: u64) -> impl Future<Output = ()> + Send + 'static {
        let db = Arc::clone(&self.db);
        async move {
            db.put(&STACK, "bench", &key(number), &VALUE, Atomicity::Plain).await.expect("the put is durable");
        }
    }

    async fn get(&self, number: u64) {
        let (value, _) = self.db.get(&STACK, "bench", &key(number)).await.expect("the get succeeds");
        assert!(value.is_some(), "the key was put");
    }
}

/// redb as one would use it with many writers: a thread that commits together whatever has arrived.
struct Bare {
    database: Arc<Database>,
    queue: mpsc::Sender<(u64, oneshot::Sender<()>)>,
}

impl Bare {
    fn open(dir: &Path) -> Self {
        // The same cache as ours.
        let database = Database::builder().set_cache_size(16 << 20).create(dir.join("bare.redb"));
        let database = Arc::new(database.expect("the file opens"));
        let (queue, arriving) = mpsc::channel();
        let shared = Arc::clone(&database);
        std::thread::spawn(move || commit_groups(&shared, &arriving));
        Self { database, queue }
    }

    fn put(&self, number: u64) -> impl Future<Output = ()> + Send + 'static {
        let (sender, receiver) = oneshot::channel();
        self.queue.send((number, sender)).expect("the writer lives");
        async move { receiver.await.expect("the put is durable") }
    }

    fn get(&self, number: u64) {
        let transaction = self.database.begin_read().expect("a transaction begins");
        let table = transaction.open_table(TABLE).expect("the table exists");
        let value = table.get(key(number).as_slice()).expect("the get succeeds");
        assert!(value.is_some_and(|value| value.value().len() == VALUE.len()), "the key was put");
    }
}

fn commit_groups(database: &Database, arriving: &mpsc::Receiver<(u64, oneshot::Sender<()>)>) {
    while let Ok(first) = arriving.recv() {
        let group: Vec<_> = std::iter::once(first).chain(arriving.try_iter()).collect();
        let transaction = database.begin_write().expect("a transaction begins");
        {
            let mut table = transaction.open_table(TABLE).expect("the table opens");
            for (number, _) in &group {
                table.insert(key(*number).as_slice(), VALUE.as_slice()).expect("the row is inserted");
            }
        }
        transaction.commit().expect("the group is durable");
        for (_, sender) in group {
            // A writer that has gone does not want to know.
            let _ = sender.send(());
        }
    }
}
