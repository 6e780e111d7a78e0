//! Rates, by the generic cell rate algorithm: a bucket that is refilled steadily, in one number.
//!
//! The number is the time at which the bucket will be full again. What passes moves it on; what would move it further
//! ahead than the bucket is deep does not pass.

use std::num::NonZeroU32;
use std::time::Duration;

const SECOND_NANOS: u64 = 1_000_000_000;

/// So many per second, and so many at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many per second in the long run.
    pub per_second: NonZeroU32,
    /// How many at once.
    pub burst: NonZeroU32,
}

/// A bucket: when it is full again, in nanoseconds of whatever clock its caller has. The default is a full one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bucket(u64);

impl Rate {
    /// A rate with a burst of one second.
    #[must_use]
    pub const fn per_second(per_second: NonZeroU32) -> Self {
        Self { per_second, burst: per_second }
    }

    /// Nanoseconds in which `cost` are refilled, rounded up: the rate is never exceeded.
    fn refill_nanos(self, cost: u32) -> u64 {
        (u64::from(cost) * SECOND_NANOS).div_ceil(u64::from(self.per_second.get()))
    }
}

impl Bucket {
    /// Whether the bucket is full at a time: then it is as good as a new one.
    #[must_use]
    pub const fn is_full(self, now_nanos: u64) -> bool {
        self.0 <= now_nanos
    }
}

/// Takes `cost` out of a bucket, if it has that much; otherwise the bucket stays as it is, and the answer says after
/// which time it will have. What costs more than a whole bucket passes when the bucket is full.
///
/// # Errors
/// How long to wait.
pub fn step(rate: Rate, bucket: Bucket, now_nanos: u64, cost: u32) -> (Bucket, Result<(), Duration>) {
    let depth = rate.refill_nanos(rate.burst.get());
    let cost = rate.refill_nanos(cost.min(rate.burst.get()));
    let full_at = bucket.0.max(now_nanos).saturating_add(cost);
    match full_at.checked_sub(now_nanos.saturating_add(depth)) {
        Some(wait @ 1..) => (bucket, Err(Duration::from_nanos(wait))),
        _ => (Bucket(full_at), Ok(())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rate(per_second: u32, burst: u32) -> Rate {
        let number = |number| NonZeroU32::new(number).unwrap();
        Rate { per_second: number(per_second), burst: number(burst) }
    }

    #[test]
    fn a_burst_passes_and_then_one_by_one() {
        let rate = rate(10, 3);
        let mut bucket = Bucket::default();
        let start = 5 * SECOND_NANOS;
        for (millis, cost, expected) in [
            (0, 1, Ok(())),
            (0, 2, Ok(())),
            (0, 1, Err(100)),
            (99, 1, Err(1)),
            (100, 1, Ok(())),
            (100, 2, Err(200)),
            (150, 1, Err(50)),
            // Full again, and no fuller after a long time.
            (60_000, 3, Ok(())),
            (60_000, 1, Err(100)),
            // More than there ever is passes when the bucket is full.
            (60_299, 9, Err(1)),
            (60_300, 9, Ok(())),
            (60_300, 0, Ok(())),
        ] {
            let (after, result) = step(rate, bucket, start + millis * 1_000_000, cost);
            assert_eq!(result, expected.map_err(Duration::from_millis), "{cost} at {millis} ms");
            bucket = after;
        }
    }

    #[test]
    fn extremes_do_not_overflow() {
        for per_second in [1, 3, u32::MAX] {
            for now in [0, u64::MAX - 1, u64::MAX] {
                for cost in [0, 1, u32::MAX] {
                    let (bucket, result) = step(rate(per_second, u32::MAX), Bucket::default(), now, cost);
                    assert!(result.is_ok() && bucket.0 >= now);
                }
            }
        }
    }

    proptest! {
        /// In any time, what passes is at most a burst and what the rate gives in that time.
        #[test]
        fn the_rate_is_kept(
            per_second in 1_u32..2_000,
            burst in 1_u32..50,
            asks in proptest::collection::vec((0_u64..200_000_000, 1_u32..10), 1..200),
        ) {
            let rate = rate(per_second, burst);
            let (mut bucket, mut now) = (Bucket::default(), 1);
            let mut passed: Vec<(u64, u64)> = Vec::new();
            for (pause, cost) in asks {
                now += pause;
                let (after, result) = step(rate, bucket, now, cost);
                match result {
                    Ok(()) => passed.push((now, u64::from(cost.min(burst)))),
                    Err(wait) => {
                        prop_assert_eq!(after, bucket, "what does not pass costs nothing");
                        let later = now + u64::try_from(wait.as_nanos()).unwrap();
                        prop_assert!(step(rate, bucket, later, cost).1.is_ok(), "after the wait it passes");
                        prop_assert!(step(rate, bucket, later - 1, cost).1.is_err(), "and not before");
                    }
                }
                bucket = after;
            }
            for first in 0..passed.len() {
                let mut sum = 0;
                for (at, cost) in &passed[first..] {
                    sum += cost;
                    let nanos = u128::from(at - passed[first].0);
                    let refilled = nanos * u128::from(per_second) / u128::from(SECOND_NANOS);
                    prop_assert!(u128::from(sum) <= u128::from(burst) + refilled);
                }
            }
        }
    }
}
