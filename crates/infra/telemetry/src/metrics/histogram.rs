//! A histogram of durations that is two atomic additions to record.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper bounds of the buckets: from half a millisecond, below which calls of small functions lie, to twice the
/// default timeout of a function.
const BOUNDS: [Duration; 16] = [
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(60),
];

/// How often durations of each size were seen. Recording needs no lock; reading while others record gives numbers that
/// may be one recording apart.
#[derive(Debug, Default)]
pub struct DurationHistogram {
    /// One per bound, and one for what is longer than all of them.
    counts: [AtomicU64; BOUNDS.len() + 1],
    sum_nanos: AtomicU64,
}

impl DurationHistogram {
    /// Records one duration.
    pub fn record(&self, duration: Duration) {
        let bucket = BOUNDS.partition_point(|bound| *bound < duration);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.sum_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// How many durations were recorded.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// The duration that this share of all recorded ones does not exceed: 0.95 for the p95. It is estimated within its
    /// bucket, as Prometheus does it, and is at most the largest bound; `None` when nothing was recorded.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let counts = self.counts.each_ref().map(|count| count.load(Ordering::Relaxed));
        let total: u64 = counts.iter().sum();
        if total == 0 {
            return None;
        }
        let rank = share.clamp(0.0, 1.0) * to_f64(total);
        let (mut below, mut lower) = (0, Duration::ZERO);
        for (count, upper) in counts.iter().zip(BOUNDS) {
            if to_f64(below + count) >= rank && *count > 0 {
                let part = (rank - to_f64(below)) / to_f64(*count);
                return Some(lower + (upper - lower).mul_f64(part.clamp(0.0, 1.0)));
            }
            below += count;
            lower = upper;
        }
        Some(lower)
    }

    /// Upper bounds in seconds, the last one infinite, each with how many durations lie between it and the bound
    /// before.
    pub(super) fn buckets(&self) -> [(f64, u64); BOUNDS.len() + 1] {
        std::array::from_fn(|at| {
            let bound = BOUNDS.get(at).map_or(f64::INFINITY, Duration::as_secs_f64);
            (bound, self.counts[at].load(Ordering::Relaxed))
        })
    }

    /// The sum of all recorded durations, in seconds.
    pub(super) fn sum_seconds(&self) -> f64 {
        Duration::from_nanos(self.sum_nanos.load(Ordering::Relaxed)).as_secs_f64()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share of more than 2^53 recordings need not be exact")]
const fn to_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_own_bucket() {
        let histogram = DurationHistogram::default();
        for micros in [0, 500, 501, 1_000, 60_000_000, 60_000_001] {
            histogram.record(Duration::from_micros(micros));
        }
        let filled: Vec<_> = histogram.buckets().into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(filled, [(0.0005, 2), (0.001, 2), (60.0, 1), (f64::INFINITY, 1)]);
        assert_eq!(histogram.count(), 6);
        assert!((histogram.sum_seconds() - 120.002_002).abs() < 1e-9);
    }

    #[test]
    fn quantiles_lie_in_the_bucket_that_has_them() {
        let histogram = DurationHistogram::default();
        assert_eq!(histogram.quantile(0.5), None);
        for _ in 0..95 {
            histogram.record(Duration::from_micros(800));
        }
        for _ in 0..5 {
            histogram.record(Duration::from_secs(3_600));
        }
        assert_eq!(histogram.quantile(0.95), Some(Duration::from_millis(1)));
        assert_eq!(histogram.quantile(0.0), Some(Duration::from_micros(500)));
        assert_eq!(histogram.quantile(1.0), Some(Duration::from_secs(60)));
    }
}
