//! How many messages per second a client may have read.

use std::time::Duration;

use tokio::time::Instant;

/// A token bucket that holds two seconds' worth.
#[derive(Debug)]
pub(super) struct Rate {
    per_second: u32,
    /// Tokens there are, in billionths.
    nanotokens: u64,
    filled: Instant,
}

const TOKEN: u64 = 1_000_000_000;

impl Rate {
    pub(super) fn new(per_second: u32, now: Instant) -> Self {
        Self { per_second, nanotokens: Self::most(per_second), filled: now }
    }

    /// Whether there is a token.
    pub(super) fn has_token(&mut self, now: Instant) -> bool {
        self.fill(now);
        self.nanotokens >= TOKEN
    }

    /// Takes a token, if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let is_there = self.has_token(now);
        if is_there {
            self.nanotokens -= TOKEN;
        }
        is_there
    }

    /// When there will be a token; `None` when there is one now.
    pub(super) fn next(&self) -> Option<Instant> {
        let missing = TOKEN.saturating_sub(self.nanotokens);
        (missing > 0).then(|| self.filled + Duration::from_nanos(missing.div_ceil(u64::from(self.per_second))))
    }

    fn fill(&mut self, now: Instant) {
        let nanos = now.saturating_duration_since(self.filled).as_nanos();
        let gained = nanos.saturating_mul(u128::from(self.per_second));
        let gained = u64::try_from(gained).unwrap_or(u64::MAX);
        self.nanotokens = self.nanotokens.saturating_add(gained).min(Self::most(self.per_second));
        self.filled = now;
    }

    fn most(per_second: u32) -> u64 {
        2 * u64::from(per_second) * TOKEN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_twice_the_rate_and_then_the_rate() {
        let start = Instant::now();
        let mut rate = Rate::new(10, start);
        let mut burst = |now| std::iter::from_fn(|| rate.take(now).then_some(())).count();
        assert_eq!(burst(start), 20);
        assert_eq!(burst(start + Duration::from_millis(99)), 0);
        assert_eq!(burst(start + Duration::from_millis(100)), 1);
        assert_eq!(burst(start + Duration::from_millis(1_100)), 10);
        assert_eq!(burst(start + Duration::from_secs(3_600)), 20);
        assert_eq!(rate.next(), Some(start + Duration::from_millis(3_600_100)));
    }

    #[test]
    fn a_slow_rate_has_a_next_token_as_well() {
        let start = Instant::now();
        let mut rate = Rate::new(1, start);
        assert_eq!(rate.next(), None);
        assert!(rate.take(start) && rate.take(start) && !rate.take(start));
        assert_eq!(rate.next(), Some(start + Duration::from_secs(1)));
    }
}
