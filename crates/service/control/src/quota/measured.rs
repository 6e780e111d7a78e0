//! Whether so many more bytes fit, decided from what was measured last and what was written since.
//!
//! To know exactly what is stored, all of it has to be looked at. So it is measured now and then, and what is written
//! in between counts in full, also where it replaces something: the estimate is never too low, apart from what is on
//! its way while it is measured. Near the limit, it is measured more often, but for no more than a tenth of the time.

use std::time::Duration;

/// A measurement that is older is made again, after the write that noticed it.
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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Last {
    bytes: u64,
    /// What had been written in all when it began.
    written: u64,
    ended: Duration,
    took: Duration,
}

/// A measurement that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measuring {
    written: u64,
    began: Duration,
}

/// What to do with a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It fits.
    Allow,
    /// It fits; measure again when there is time.
    AllowAndMeasure,
    /// Nothing is known, or it does not fit as far as is known: measure and ask again.
    Measure,
    /// It does not fit, and it was measured just now: try again later.
    Refuse {
        /// When a new measurement may find room.
        retry_after: Duration,
    },
}

impl Measured {
    /// What to do with a write of `bytes`, when there may be `limit` in all.
    #[must_use]
    pub fn decide(&self, now: Duration, limit: u64, bytes: u64) -> Decision {
        let Some(last) = self.last else { return Decision::Measure };
        let age = now.saturating_sub(last.ended);
        let estimate = last.bytes.saturating_add(self.written - last.written);
        if estimate.saturating_add(bytes) <= limit {
            return if age > FRESH { Decision::AllowAndMeasure } else { Decision::Allow };
        }
        let pause = (last.took * PAUSE_FACTOR).clamp(PAUSE_MIN, FRESH);
        match pause.checked_sub(age) {
            Some(retry_after) if !retry_after.is_zero() => Decision::Refuse { retry_after },
            _ => Decision::Measure,
        }
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

    /// Takes what was measured.
    pub fn end(&mut self, measuring: Measuring, now: Duration, bytes: u64) {
        let took = now.saturating_sub(measuring.began);
        self.last = Some(Last { bytes, written: measuring.written, ended: now, took });
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
        measured.end(measuring, ms(ended), bytes);
        measured
    }

    #[test]
    fn nothing_is_known_at_first() {
        assert_eq!(Measured::default().decide(ms(0), u64::MAX, 0), Decision::Measure);
    }

    #[test]
    fn what_fits_is_allowed_and_the_rest_measured_at_most_a_tenth_of_the_time() {
        // 60 bytes, found by a measurement that ended at 1 s.
        for (took, now, bytes, expected) in [
            (0, 1_000, 40, Decision::Allow),
            (0, 61_000, 40, Decision::Allow),
            (0, 61_001, 40, Decision::AllowAndMeasure),
            (0, 1_000, 41, Decision::Refuse { retry_after: ms(1_000) }),
            (0, 1_999, 41, Decision::Refuse { retry_after: ms(1) }),
            (0, 2_000, 41, Decision::Measure),
            (500, 2_000, 41, Decision::Refuse { retry_after: ms(4_000) }),
            (500, 6_000, 41, Decision::Measure),
            (1_000, 10_999, 41, Decision::Refuse { retry_after: ms(1) }),
            (0, 90_000, 41, Decision::Measure),
            (0, 1_000, u64::MAX, Decision::Refuse { retry_after: ms(1_000) }),
        ] {
            let measured = measured(60, 1_000 - took, 1_000);
            assert_eq!(measured.decide(ms(now), 100, bytes), expected, "{took} {now} {bytes}");
        }
        let long = measured(60, 0, 100_000);
        assert_eq!(long.decide(ms(160_000), 100, 41), Decision::Measure, "a long one is made again after a minute");
    }

    #[test]
    fn what_was_written_since_counts_in_full() {
        let mut bytes = measured(60, 0, 0);
        bytes.wrote(30);
        assert_eq!(bytes.decide(ms(0), 100, 10), Decision::Allow);
        assert_eq!(bytes.decide(ms(0), 100, 11), Decision::Refuse { retry_after: ms(1_000) });
        // Written while it is measured: it may have been seen or not.
        let measuring = bytes.begin(ms(2_000));
        bytes.wrote(5);
        bytes.end(measuring, ms(2_000), 70);
        assert_eq!(bytes.decide(ms(2_000), 100, 25), Decision::Allow);
        assert_eq!(bytes.decide(ms(2_000), 100, 26), Decision::Refuse { retry_after: ms(1_000) });
    }

    /// Writes that replace each other seem to fill a table, until it is measured.
    #[test]
    fn it_corrects_itself() {
        let mut bytes = measured(50, 0, 0);
        let mut measurements = 0;
        for write in 0..1_000_u64 {
            let now = ms(write * 100);
            if bytes.decide(now, 100, 10) == Decision::Measure {
                let measuring = bytes.begin(now);
                bytes.end(measuring, now, 50);
                measurements += 1;
            }
            if bytes.decide(now, 100, 10) == Decision::Allow {
                bytes.wrote(10);
            }
        }
        assert!((90..=100).contains(&measurements), "once a second: {measurements}");
    }
}
