//! Whether so many more bytes fit, decided from what was measured last and what was written since.
//!
//! To know exactly what is stored, all of it has to be looked at. So it is measured now and then, and what is written
//! in between counts in full, also where it replaces something: the estimate is never too low, apart from what is on
//! its way while it is measured. Near the limit, it is measured more often, but for no more than a tenth of the time.
//! Before the first measurement has ended, what was written before counts as nothing.

use std::time::Duration;

/// A measurement that is older is made again.
const FRESH: Duration = Duration::from_secs(60);
/// How long after a measurement the next is made at the earliest.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// How much longer than the measurement itself took; at most as long as [`FRESH`].
const PAUSE_FACTOR: u32 = 10;

/// What is known about the bytes of something. Times are those of any clock that only goes forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// Bytes written in all, as far as this knows.
    written: u64,
    last: Option<Last>,
    /// When the next measurement may be made.
    not_before: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Last {
    bytes: u64,
    /// What had been written in all when it began.
    written: u64,
    ended: Duration,
}

/// A measurement that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measuring {
    written: u64,
    began: Duration,
}

impl Measured {
    /// Whether `bytes` more fit, when there may be `limit` in all.
    #[must_use]
    pub fn fits(&self, limit: u64, bytes: u64) -> bool {
        let measured = self.last.map_or(0, |last| last.bytes);
        measured.saturating_add(self.written_since()).saturating_add(bytes) <= limit
    }

    /// Whether it should be measured now, when `bytes` more are to be written: nothing is known, or what is known is
    /// old, or half of the room that was found is used up.
    #[must_use]
    pub fn is_due(&self, now: Duration, limit: u64, bytes: u64) -> bool {
        if now < self.not_before {
            return false;
        }
        let Some(last) = self.last else { return true };
        let room = limit.saturating_sub(last.bytes);
        now.saturating_sub(last.ended) > FRESH || self.written_since().saturating_add(bytes) > room / 2
    }

    /// Counts a write that was allowed.
    pub fn wrote(&mut self, bytes: u64) {
        // Starting over at zero would make the difference wrong; it takes 500 years at 1 GB/s.
        self.written = self.written.saturating_add(bytes);
    }

    /// Begins a measurement: what is written from now on counts besides it.
    #[must_use]
    pub fn begin(&self, now: Duration) -> Measuring {
        Measuring { written: self.written, began: now }
    }

    /// Takes what was measured; `None` when that failed.
    pub fn end(&mut self, measuring: Measuring, now: Duration, bytes: Option<u64>) {
        let took = now.saturating_sub(measuring.began);
        self.not_before = now + took.saturating_mul(PAUSE_FACTOR).clamp(PAUSE_MIN, FRESH);
        if let Some(bytes) = bytes {
            self.last = Some(Last { bytes, written: measuring.written, ended: now });
        }
    }

    fn written_since(&self) -> u64 {
        self.written - self.last.map_or(0, |last| last.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn measured(bytes: u64, began: u64, ended: u64) -> Measured {
        let mut measured = Measured::default();
        let measuring = measured.begin(ms(began));
        measured.end(measuring, ms(ended), Some(bytes));
        measured
    }

    #[test]
    fn before_the_first_measurement_what_is_written_counts_alone() {
        let mut bytes = Measured::default();
        assert!(bytes.is_due(ms(0), u64::MAX, 0));
        assert!(bytes.fits(100, 100) && !bytes.fits(100, 101));
        bytes.wrote(60);
        assert!(bytes.fits(100, 40) && !bytes.fits(100, 41));
        // It fails, and is not tried again at once.
        let measuring = bytes.begin(ms(0));
        bytes.end(measuring, ms(100), None);
        assert!(!bytes.is_due(ms(1_099), 100, 1) && bytes.is_due(ms(1_100), 100, 1));
        assert!(bytes.fits(100, 40) && !bytes.fits(100, 41));
    }

    #[test]
    fn it_is_measured_when_it_matters_and_at_most_a_tenth_of_the_time() {
        // 60 bytes of 100, found by a measurement that ended at 1 s.
        for (took, now, bytes, expected) in [
            (0, 1_000, 40, false),
            (0, 1_999, 40, false),
            (0, 2_000, 20, false),
            (0, 2_000, 21, true),
            (0, 2_000, u64::MAX, true),
            (0, 61_000, 1, false),
            (0, 61_001, 1, true),
            (500, 5_999, 41, false),
            (500, 6_000, 41, true),
            (1_000, 10_999, 41, false),
            (1_000, 11_000, 41, true),
        ] {
            let measured = measured(60, 1_000 - took, 1_000);
            assert_eq!(measured.is_due(ms(now), 100, bytes), expected, "{took} {now} {bytes}");
            assert_eq!(measured.fits(100, bytes), bytes <= 40);
        }
        let long = measured(60, 0, 100_000);
        assert!(long.is_due(ms(160_000), 100, 41), "a long one is made again after a minute");
    }

    #[test]
    fn what_was_written_since_counts_in_full() {
        let mut bytes = measured(60, 0, 0);
        bytes.wrote(30);
        assert!(bytes.fits(100, 10) && !bytes.fits(100, 11));
        // Written while it is measured: it may have been seen or not.
        let measuring = bytes.begin(ms(2_000));
        bytes.wrote(5);
        bytes.end(measuring, ms(2_000), Some(70));
        assert!(bytes.fits(100, 25) && !bytes.fits(100, 26));
    }

    /// Writes that replace each other seem to fill a table, until it is measured.
    #[test]
    fn it_corrects_itself() {
        let mut bytes = measured(50, 0, 0);
        let mut measurements = 0;
        for write in 0..1_000_u64 {
            let now = ms(write * 100);
            if bytes.is_due(now, 100, 10) {
                let measuring = bytes.begin(now);
                bytes.end(measuring, now, Some(50));
                measurements += 1;
            }
            if bytes.fits(100, 10) {
                bytes.wrote(10);
            }
        }
        assert!((90..=100).contains(&measurements), "once a second: {measurements}");
    }
}
