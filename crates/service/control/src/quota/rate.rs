//! Rates of many, in memory.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use mu_env::Env;
use tokio::time::Instant;

use super::gcra::{Bucket, Rate, step};
use super::sharded::Sharded;

/// A bucket for each key that has used something lately. Full buckets are forgotten when there are too many; when that
/// is not enough, so are those that are nearest to full.
#[derive(Debug)]
pub struct RateLimiter<K> {
    env: Env,
    origin: Instant,
    buckets: Sharded<K, Bucket>,
    shard_keys_max: usize,
}

impl<K: Clone + Eq + Hash> RateLimiter<K> {
    /// A limiter that remembers about `keys_max` keys.
    #[must_use]
    pub fn new(env: Env, keys_max: usize) -> Self {
        let origin = env.clock().instant();
        Self { env, origin, buckets: Sharded::new(), shard_keys_max: Sharded::<K, Bucket>::share_of(keys_max) }
    }

    /// Takes `cost` out of the bucket of a key.
    ///
    /// # Errors
    /// How long to wait until it has that much.
    pub fn check(&self, key: &K, rate: Rate, cost: u32) -> Result<(), Duration> {
        let now = self.now_nanos();
        let mut buckets = self.buckets.of(key);
        if let Some(bucket) = buckets.get_mut(key) {
            let (after, result) = step(rate, *bucket, now, cost);
            *bucket = after;
            return result;
        }
        if buckets.len() >= self.shard_keys_max {
            make_room(&mut buckets, now);
        }
        let (after, result) = step(rate, Bucket::default(), now, cost);
        buckets.insert(key.clone(), after);
        result
    }

    fn now_nanos(&self) -> u64 {
        let elapsed = self.env.clock().instant().saturating_duration_since(self.origin);
        u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Forgets the full buckets; when few are full, a quarter of all, those that are full soonest.
fn make_room<K: Eq + Hash>(buckets: &mut HashMap<K, Bucket>, now_nanos: u64) {
    let before = buckets.len();
    buckets.retain(|_, bucket| !bucket.is_full(now_nanos));
    let forgotten = (before / 4).max(1);
    if before - buckets.len() < forgotten {
        let mut ordered: Vec<Bucket> = buckets.values().copied().collect();
        let at = (forgotten - 1).min(ordered.len() - 1);
        let (_, &mut last, _) = ordered.select_nth_unstable(at);
        buckets.retain(|_, bucket| *bucket > last);
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use mu_env::Timestamp;

    use super::*;

    fn limiter(keys_max: usize) -> RateLimiter<u32> {
        RateLimiter::new(Env::simulated(1, Timestamp::from_micros(0)), keys_max)
    }

    fn rate(per_second: u32) -> Rate {
        Rate::per_second(NonZeroU32::new(per_second).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn each_key_has_a_rate_of_its_own() {
        let limiter = limiter(1_000);
        for _ in 0..5 {
            assert_eq!((limiter.check(&1, rate(5), 1), limiter.check(&2, rate(5), 1)), (Ok(()), Ok(())));
        }
        assert_eq!(limiter.check(&1, rate(5), 1), Err(Duration::from_millis(200)));
        tokio::time::advance(Duration::from_millis(200)).await;
        assert_eq!(limiter.check(&1, rate(5), 1), Ok(()));
        assert!(limiter.check(&1, rate(5), 1).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn full_buckets_are_forgotten_and_empty_ones_kept() {
        let limiter = limiter(1_600);
        for _ in 0..5 {
            let _ = limiter.check(&0, rate(1), 1);
        }
        for key in 1..100_000 {
            assert_eq!(limiter.check(&key, rate(1_000), 1), Ok(()));
            if key % 100 == 0 {
                tokio::time::advance(Duration::from_micros(100)).await;
            }
            assert!(limiter.buckets.len() <= 1_600);
        }
        assert!(limiter.check(&0, rate(1), 1).is_err(), "whoever is over the limit stays so");
    }

    /// Many who all are over their limit make the limiter forget some, and not grow.
    #[tokio::test(start_paused = true)]
    async fn it_is_bounded_even_when_none_is_full() {
        let limiter = limiter(160);
        for key in 0..10_000 {
            let _ = limiter.check(&key, rate(1), 1);
            assert!(limiter.buckets.len() <= 160);
        }
    }
}
