//! Following.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use mu_db::{Batch, KvError, Outcome, Page};

use super::*;

/// A database whose every answer lets others run for a while, so that everything happens in between.
#[derive(Debug)]
struct Slow(MemKv, Env);

impl Slow {
    async fn pause(&self) {
        for _ in 0..self.1.random().next_u64() % 5 {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_micros(self.1.random().next_u64() % 20_000)).await;
    }
}

#[async_trait]
impl Kv for Slow {
    async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        self.pause().await;
        self.0.get(key).await
    }

    async fn get_many(&self, keys: &[Bytes], bytes_max: usize) -> Result<Vec<Option<Bytes>>, KvError> {
        self.pause().await;
        self.0.get_many(keys, bytes_max).await
    }

    async fn scan(&self, scan: Scan) -> Result<Page, KvError> {
        self.pause().await;
        let page = self.0.scan(scan).await;
        self.pause().await;
        page
    }

    async fn commit(&self, batch: Batch) -> Result<Outcome, KvError> {
        self.pause().await;
        let outcome = self.0.commit(batch).await;
        self.pause().await;
        outcome
    }
}

async fn take(follow: &mut Follow, lines: usize) -> Vec<String> {
    let mut taken = Vec::new();
    while taken.len() < lines {
        match follow.next().await.unwrap() {
            Some(Followed::Line(line)) => taken.push(line.message.clone()),
            other => panic!("{other:?} after {} lines", taken.len()),
        }
    }
    taken
}

/// Whenever one begins to follow, history and what comes after it join without a gap and without an overlap.
#[tokio::test(start_paused = true)]
async fn no_line_is_lost_or_doubled_between_history_and_live() {
    const LINES: u64 = 600;
    let lines = usize::try_from(LINES).unwrap();
    for seed in 0..20 {
        let env = Env::simulated(seed, START);
        let world = World::start(Arc::new(Slow(MemKv::new(), env.clone())), LogOptions::default()).await;
        let mut followers = tokio::task::JoinSet::new();
        for number in 0..LINES {
            world.log(STACK, ["a", "b", "c"][(number % 3) as usize], &number.to_string());
            world.log(OTHER, "a", "not wanted");
            if number % 40 == 7 {
                let store = Arc::clone(&world.store);
                followers.spawn(async move {
                    let history = History::Since(START);
                    let mut follow = store.follow(STACK, LogFilter::default(), history).await.unwrap();
                    take(&mut follow, lines).await
                });
                let store = Arc::clone(&world.store);
                followers.spawn(async move {
                    let filter = LogFilter { function: Some("b".into()), ..LogFilter::default() };
                    let mut follow = store.follow(STACK, filter, History::Newest(1_000)).await.unwrap();
                    take(&mut follow, lines / 3).await
                });
            }
            tokio::time::sleep(Duration::from_micros(env.random().next_u64() % 3_000)).await;
        }
        while let Some(taken) = followers.join_next().await {
            let taken: Vec<u64> = taken.unwrap().iter().map(|message| message.parse().unwrap()).collect();
            let expected: Vec<u64> = match taken.len() as u64 {
                LINES => (0..LINES).collect(),
                _ => (0..LINES).filter(|number| number % 3 == 1).collect(),
            };
            assert_eq!(taken, expected, "seed {seed}");
        }
        world.env.tasks().stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn history_is_what_was_asked_for() {
    let world = World::new().await;
    for number in 0..10_u64 {
        let time = START.plus(Duration::from_secs(number));
        world.store.write(record(time, STACK, "f", &number.to_string()));
    }
    world.written(10).await;
    for (history, expected) in [
        (History::Nothing, &["new"][..]),
        (History::Newest(0), &["new"]),
        (History::Newest(2), &["8", "9", "new"]),
        (History::Since(START.plus(Duration::from_secs(7))), &["7", "8", "9", "new"]),
        (History::Newest(100), &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "new"]),
    ] {
        // One that has nothing else in it, so that each gets the same.
        let world = World::start(copy(&world.kv).await, LogOptions::default()).await;
        let mut follow = world.store.follow(STACK, LogFilter::default(), history).await.unwrap();
        world.log(STACK, "f", "new");
        assert_eq!(take(&mut follow, expected.len()).await, expected, "{history:?}");
        world.env.tasks().stop().await;
        assert_eq!(follow.next().await, Ok(None), "it ends with the node");
    }
}

async fn copy(kv: &Arc<dyn Kv>) -> Arc<dyn Kv> {
    let copy = MemKv::new();
    let limit = ScanLimit { rows: usize::MAX, bytes: usize::MAX };
    let range = mu_db::KeyRange::all();
    let page = kv.scan(Scan { range, order: Order::Ascending, limit, select: Select::Rows }).await.unwrap();
    let batch = page.rows.into_iter().fold(Batch::new(), |batch, row| batch.put(row.key, row.value));
    copy.commit(batch).await.unwrap();
    Arc::new(copy)
}

#[tokio::test(start_paused = true)]
async fn a_slow_follower_is_told_how_much_it_lost() {
    let world = World::new().await;
    let mut slow = world.store.follow(STACK, LogFilter::default(), History::Nothing).await.unwrap();
    for number in 0..10_000_u64 {
        world.log(STACK, "f", &number.to_string());
        if number % 1_000 == 0 {
            world.written(number).await;
        }
    }
    world.written(10_000).await;
    let first = take(&mut slow, 4_096).await;
    assert_eq!((first[0].as_str(), first[4_095].as_str()), ("0", "4095"));
    assert_eq!(slow.next().await, Ok(Some(Followed::Lost(10_000 - 4_096))));
    world.log(STACK, "f", "after");
    assert_eq!(take(&mut slow, 1).await, ["after"]);
    // Bytes are bounded as well.
    for _ in 0..100 {
        world.log(STACK, "f", &"x".repeat(60_000));
    }
    world.written(10_101).await;
    assert_eq!(take(&mut slow, 17).await.len(), 17);
    assert_eq!(slow.next().await, Ok(Some(Followed::Lost(83))));
}

#[tokio::test(start_paused = true)]
async fn followers_are_bounded_and_forgotten() {
    let world = World::new().await;
    let mut followers = Vec::new();
    for _ in 0..256 {
        followers.push(world.store.follow(STACK, LogFilter::default(), History::Nothing).await.unwrap());
    }
    let refused = world.store.follow(STACK, LogFilter::default(), History::Nothing).await.err();
    assert_eq!(refused, Some(LogError::TooManyFollowers { followers_max: 256 }));
    assert_eq!(world.store.stats().followers, 256);
    followers.truncate(1);
    assert_eq!(world.store.stats().followers, 1);
    assert!(world.store.follow(STACK, LogFilter::default(), History::Nothing).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn lines_come_as_a_stream_that_ends() {
    let world = World::new().await;
    let follow = world.store.follow(STACK, LogFilter::default(), History::Nothing).await.unwrap();
    world.log(STACK, "f", "one");
    world.env.tasks().stop().await;
    let followed: Vec<_> = follow.into_stream().collect().await;
    assert!(matches!(&followed[..], [Ok(Followed::Line(line))] if line.message == "one"), "{followed:?}");
}
