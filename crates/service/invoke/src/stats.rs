//! How one version of a stack does: what decides whether it may have more of the requests.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::StatusCode;

use crate::error::code;
use crate::receipt::Verdict;

/// Buckets of each doubling of the time: a bucket's bounds are at most an eighth apart.
const STEPS: usize = 8;
const STEP_BITS: u32 = STEPS.trailing_zeros();

/// Buckets in all. The last one begins at 2^29 microseconds, nine minutes, which is more than any call may take.
const BUCKETS: usize = STEPS * 27 + 1;

/// Counts the invocations of one version: how many there were, how many failed, how long they took. Counting takes one
/// or two additions that wait for nobody.
///
/// A failure is an answer with a status of 500 and more, and an invocation that ended without an answer, or found no
/// place, unless its caller is at fault. Invocations that the [`Gatekeeper`](crate::Gatekeeper) turned away are not
/// counted: they say nothing about the version.
#[derive(Debug, Default)]
pub struct VersionStats {
    failures: AtomicU64,
    /// Made by the first invocation, so that what nobody calls takes no memory.
    durations: OnceLock<Box<[AtomicU64]>>,
}

/// What was counted until a moment. Those of several nodes add up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatsSnapshot {
    failures: u64,
    durations: Box<[u64]>,
}

impl VersionStats {
    /// Counts one invocation.
    pub(crate) fn record(&self, verdict: Verdict, duration: Duration) {
        if matches!(verdict, Verdict::Refused(_)) {
            return;
        }
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let durations = self.durations.get_or_init(|| (0..BUCKETS).map(|_| AtomicU64::new(0)).collect());
        durations[bucket(micros)].fetch_add(1, Ordering::Relaxed);
        if is_failure(verdict) {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What was counted so far.
    #[must_use]
    pub fn snapshot(&self) -> StatsSnapshot {
        // Failures first: an invocation that is counted meanwhile must not make them more than there are invocations.
        let failures = self.failures.load(Ordering::Acquire);
        let durations = self.durations.get();
        let durations = durations.map(|all| all.iter().map(|count| count.load(Ordering::Relaxed)).collect());
        StatsSnapshot { failures, ..durations.map_or_else(StatsSnapshot::default, StatsSnapshot::of) }
    }
}

impl StatsSnapshot {
    /// Invocations, the failed ones included.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.durations.iter().sum()
    }

    /// Invocations that failed.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures
    }

    /// How long at most the fastest `part` of all invocations took, like 0.95; `None` when there was none. Rounded up to
    /// the end of a bucket, by an eighth at most.
    #[must_use]
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        let requests = self.requests();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank among counts, which is bounded below"
        )]
        let rank = ((requests as f64 * part).ceil() as u64).clamp(1, requests.max(1));
        let mut seen = 0;
        let found = self.durations.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        found.map(end_of)
    }

    /// The buckets that are not empty: invocations that took less than this and no less than the bucket before.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> {
        let counts = self.durations.iter().enumerate().filter(|(_, count)| **count > 0);
        counts.map(|(index, count)| (end_of(index), *count))
    }

    /// Adds what was counted elsewhere.
    pub fn merge(&mut self, other: &Self) {
        self.failures += other.failures;
        for (count, other) in self.durations.iter_mut().zip(&other.durations) {
            *count += other;
        }
    }

    /// What was counted since an earlier moment.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let durations = self.durations.iter().zip(&earlier.durations).map(|(now, then)| now.saturating_sub(*then));
        Self { failures: self.failures.saturating_sub(earlier.failures), durations: durations.collect() }
    }

    fn of(durations: Box<[u64]>) -> Self {
        Self { failures: 0, durations }
    }
}

impl Default for StatsSnapshot {
    fn default() -> Self {
        Self { failures: 0, durations: vec![0; BUCKETS].into() }
    }
}

fn is_failure(verdict: Verdict) -> bool {
    match verdict {
        Verdict::Answered(status) => status >= StatusCode::INTERNAL_SERVER_ERROR,
        Verdict::Failed(code) => !matches!(code, code::REQUEST_TOO_LARGE | code::REQUEST_BROKEN),
        Verdict::Rejected(_) => true,
        Verdict::Refused(_) | Verdict::Abandoned => false,
    }
}

/// The bucket of a time: below 8 us one for each, then eight for each doubling.
fn bucket(micros: u64) -> usize {
    let index = match micros.checked_ilog2() {
        Some(log) if log >= STEP_BITS => {
            let step = (micros >> (log - STEP_BITS)) & (STEPS as u64 - 1);
            u64::from(log - STEP_BITS + 1) * STEPS as u64 + step
        }
        _ => micros,
    };
    usize::try_from(index).unwrap_or(usize::MAX).min(BUCKETS - 1)
}

/// The time at which a bucket ends; of the last one, at which it begins.
fn end_of(index: usize) -> Duration {
    let next = (index + 1).min(BUCKETS - 1);
    let (doublings, step) = ((next / STEPS).saturating_sub(1), next % STEPS);
    let micros = if next < STEPS { next as u64 } else { (STEPS as u64 + step as u64) << doublings };
    Duration::from_micros(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    #[test]
    fn times_fall_into_buckets_an_eighth_apart() {
        let mut last = 0;
        for time in (0..100_000).chain((17..40).map(|exponent| 1 << exponent)).chain([u64::MAX]) {
            let index = bucket(time);
            assert!(index < BUCKETS);
            if index == BUCKETS - 1 {
                continue;
            }
            let end = u64::try_from(end_of(index).as_micros()).unwrap();
            assert!(time < end && end - time <= (time / 8).max(1), "{time} {end}");
            if time < 100_000 {
                assert!(index == last || index == last + 1, "{time}");
                last = index;
            }
        }
        // The longest call that there is fits.
        assert!(bucket(300_000_000) < BUCKETS - 1);
    }

    #[test]
    fn failures_are_those_of_the_version() {
        for (verdict, requests, failures) in [
            (Verdict::Answered(StatusCode::OK), 1, 0),
            (Verdict::Answered(StatusCode::NOT_FOUND), 1, 0),
            (Verdict::Answered(StatusCode::INTERNAL_SERVER_ERROR), 1, 1),
            (Verdict::Failed("function_trapped"), 1, 1),
            (Verdict::Failed("timed_out"), 1, 1),
            (Verdict::Failed("internal"), 1, 1),
            (Verdict::Failed("request_too_large"), 1, 0),
            (Verdict::Failed("request_broken"), 1, 0),
            (Verdict::Rejected("queue_full"), 1, 1),
            (Verdict::Refused("rate_limited"), 0, 0),
            (Verdict::Abandoned, 1, 0),
        ] {
            let stats = VersionStats::default();
            stats.record(verdict, micros(1));
            let snapshot = stats.snapshot();
            assert_eq!((snapshot.requests(), snapshot.failures()), (requests, failures), "{verdict:?}");
        }
    }

    #[test]
    fn quantiles_are_found_and_snapshots_add_up() {
        let (stats, ok) = (VersionStats::default(), Verdict::Answered(StatusCode::OK));
        assert_eq!(stats.snapshot().quantile(0.95), None);
        for time in 1..=1_000 {
            stats.record(ok, micros(time * 100));
        }
        let snapshot = stats.snapshot();
        for (part, exact) in [(0.0, 100), (0.5, 50_000), (0.95, 95_000), (1.0, 100_000)] {
            let found = snapshot.quantile(part).unwrap();
            assert!(found > micros(exact) && found <= micros(exact + exact / 8 + 1), "{part}: {found:?}");
        }
        stats.record(Verdict::Failed("timed_out"), micros(5));
        let later = stats.snapshot().since(&snapshot);
        assert_eq!((later.requests(), later.failures()), (1, 1));
        assert_eq!(later.buckets().collect::<Vec<_>>(), [(micros(6), 1)]);
        let mut sum = snapshot.clone();
        sum.merge(&later);
        assert_eq!(sum, stats.snapshot());
    }
}
