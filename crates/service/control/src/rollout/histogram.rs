//! How long requests took, in buckets.

use std::time::Duration;

/// Buckets of each power of two. A quantile is at most one of these too high: 1/16 of its value.
const SUB_BUCKETS: usize = 16;
/// log2 of [`SUB_BUCKETS`].
const SUB_BITS: u32 = SUB_BUCKETS.ilog2();
/// Latencies of 2^31 µs (36 minutes) and more are counted in the last bucket; no invocation takes as long.
const BITS: u32 = 31;

/// Counts of latencies in microseconds. Below 16 µs each has a bucket of its own; above, each power of two has 16 of
/// equal width. It takes no memory before something is counted, and at most 3.5 KB.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LatencyHistogram {
    /// Without the empty ones at the end.
    counts: Vec<u64>,
}

impl LatencyHistogram {
    /// How many buckets there are.
    pub const BUCKETS: usize = (BITS - SUB_BITS + 1) as usize * SUB_BUCKETS;

    /// Nothing counted.
    #[must_use]
    pub const fn new() -> Self {
        Self { counts: Vec::new() }
    }

    /// A histogram of what others counted in the buckets of [`LatencyHistogram::bucket`], such as atomics. What is
    /// beyond the last bucket does not count.
    #[must_use]
    pub fn from_counts(counts: impl IntoIterator<Item = u64>) -> Self {
        Self { counts: counts.into_iter().take(Self::BUCKETS).collect() }.trimmed()
    }

    /// The bucket of a latency.
    #[must_use]
    pub fn bucket(latency: Duration) -> usize {
        let micros = latency.as_micros().min((1 << BITS) - 1);
        let micros = u32::try_from(micros).expect("it was bounded to fewer bits");
        if micros < 1 << SUB_BITS {
            return micros as usize;
        }
        let shift = micros.ilog2() - SUB_BITS;
        // The leading bit of what is left after the shift is that of SUB_BUCKETS.
        shift as usize * SUB_BUCKETS + (micros >> shift) as usize
    }

    /// The largest latency of a bucket, to the microsecond.
    #[must_use]
    pub fn upper_bound(bucket: usize) -> Duration {
        let bucket = bucket.min(Self::BUCKETS - 1);
        if bucket < SUB_BUCKETS {
            return Duration::from_micros(bucket as u64);
        }
        let (shift, sub) = (bucket / SUB_BUCKETS - 1, bucket % SUB_BUCKETS + SUB_BUCKETS);
        Duration::from_micros((((sub + 1) as u64) << shift) - 1)
    }

    /// Counts a request.
    pub fn record(&mut self, latency: Duration) {
        let bucket = Self::bucket(latency);
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] = self.counts[bucket].saturating_add(1);
    }

    /// Counts all that the other one did.
    pub fn merge(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
    }

    /// What was counted since an earlier state of the same histogram. When it is not an earlier one, because counting
    /// began anew, buckets that have less count nothing.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let before = earlier.counts.iter().copied().chain(std::iter::repeat(0));
        let counts = self.counts.iter().zip(before).map(|(count, before)| count.saturating_sub(before));
        Self { counts: counts.collect() }.trimmed()
    }

    /// How many requests were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The buckets that are not empty, with their counts.
    pub fn buckets(&self) -> impl Iterator<Item = (usize, u64)> {
        self.counts.iter().copied().enumerate().filter(|(_, count)| *count > 0)
    }

    /// What so many percent of the requests stayed at or below, to the precision of a bucket; `None` without requests.
    #[must_use]
    pub fn quantile(&self, percent: u8) -> Option<Duration> {
        let count = u128::from(self.count());
        let rank = (count * u128::from(percent.min(100))).div_ceil(100).max(1);
        let mut seen = 0;
        self.buckets().find_map(|(bucket, count)| {
            seen += u128::from(count);
            (seen >= rank).then(|| Self::upper_bound(bucket))
        })
    }

    fn trimmed(mut self) -> Self {
        let used = self.counts.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
        self.counts.truncate(used);
        self
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(micros: &[u64]) -> LatencyHistogram {
        let mut histogram = LatencyHistogram::new();
        for &micros in micros {
            histogram.record(Duration::from_micros(micros));
        }
        histogram
    }

    #[test]
    fn buckets_are_where_they_were() {
        for (micros, bucket, upper) in [
            (0, 0, 0),
            (15, 15, 15),
            (16, 16, 16),
            (31, 31, 31),
            (32, 32, 33),
            (33, 32, 33),
            (34, 33, 35),
            (1_000, 111, 1_023),
            (1_000_000, 270, 1_015_807),
            ((1 << 31) - 1, 447, (1 << 31) - 1),
            (u64::MAX, 447, (1 << 31) - 1),
        ] {
            assert_eq!(LatencyHistogram::bucket(Duration::from_micros(micros)), bucket, "{micros}");
            assert_eq!(LatencyHistogram::upper_bound(bucket), Duration::from_micros(upper), "{micros}");
        }
        assert_eq!(LatencyHistogram::BUCKETS, 448);
    }

    #[test]
    fn quantiles_of_small_counts() {
        for (micros, percent, expected) in [
            (&[][..], 95, None),
            (&[7], 0, Some(7)),
            (&[7], 100, Some(7)),
            (&[1, 2, 3, 4], 50, Some(2)),
            (&[1, 2, 3, 4], 51, Some(3)),
            (&[1, 2, 3, 4], 255, Some(4)),
        ] {
            assert_eq!(of(micros).quantile(percent), expected.map(Duration::from_micros), "{percent} of {micros:?}");
        }
    }

    fn latencies() -> impl Strategy<Value = Vec<u64>> {
        proptest::collection::vec(prop_oneof![0..100_u64, 0..100_000_u64, 0..1_u64 << 31], 0..50)
    }

    proptest! {
        #[test]
        fn a_latency_is_in_its_bucket(micros in 0..1_u64 << 31) {
            let bucket = LatencyHistogram::bucket(Duration::from_micros(micros));
            let upper = LatencyHistogram::upper_bound(bucket).as_micros();
            prop_assert!(u128::from(micros) <= upper && upper <= u128::from(micros + micros / 16));
            if bucket > 0 {
                prop_assert!(LatencyHistogram::upper_bound(bucket - 1).as_micros() < u128::from(micros));
            }
        }

        #[test]
        fn quantiles_are_exact_to_a_bucket(micros in latencies(), percent in 0..=100_u8) {
            let mut sorted = micros.clone();
            sorted.sort_unstable();
            let rank = (sorted.len() * usize::from(percent)).div_ceil(100).max(1);
            let exact = sorted.get(rank - 1).map(|&micros| Duration::from_micros(micros));
            let expected = exact.map(|exact| LatencyHistogram::upper_bound(LatencyHistogram::bucket(exact)));
            prop_assert_eq!(of(&micros).quantile(percent), expected);
        }

        #[test]
        fn merging_and_taking_apart(first in latencies(), second in latencies()) {
            let mut merged = of(&first);
            merged.merge(&of(&second));
            prop_assert_eq!(&merged, &of(&[first.clone(), second.clone()].concat()));
            prop_assert_eq!(merged.since(&of(&first)), of(&second));
            prop_assert_eq!(merged.since(&merged), LatencyHistogram::new());
            prop_assert_eq!(of(&first).since(&merged), LatencyHistogram::new(), "counting began anew");
            prop_assert_eq!(merged.count(), (first.len() + second.len()) as u64);
            let mut counts = [0; LatencyHistogram::BUCKETS];
            merged.buckets().for_each(|(bucket, count)| counts[bucket] = count);
            prop_assert_eq!(LatencyHistogram::from_counts(counts), merged);
        }
    }
}
