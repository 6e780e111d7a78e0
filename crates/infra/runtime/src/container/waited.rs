//! How long calls have waited for a container, all together.

use std::time::Duration;

use tokio::time::Instant;

/// The sum of the times that calls wait, kept up to date as their number changes. Starting a container pays when the
/// calls before have waited, together, as long as a start takes: whoever decides so never does worse than twice as bad
/// as somebody who knows the future.
#[derive(Debug)]
pub(super) struct Waited {
    total: Duration,
    calls: u32,
    since: Instant,
}

impl Waited {
    pub(super) fn new(now: Instant) -> Self {
        Self { total: Duration::ZERO, calls: 0, since: now }
    }

    /// Notes how many calls wait from now on.
    pub(super) fn set_calls(&mut self, calls: usize, now: Instant) {
        self.total = self.total(now);
        self.since = now;
        self.calls = u32::try_from(calls).unwrap_or(u32::MAX);
    }

    /// Begins anew: a container is started for those who wait.
    pub(super) fn forget(&mut self, now: Instant) {
        self.total = Duration::ZERO;
        self.since = now;
    }

    /// The sum until now.
    pub(super) fn total(&self, now: Instant) -> Duration {
        let waited = now.saturating_duration_since(self.since);
        self.total.saturating_add(waited.saturating_mul(self.calls))
    }

    /// When the sum will be `goal`, if nothing changes.
    pub(super) fn reaches(&self, goal: Duration, now: Instant) -> Option<Instant> {
        let missing = goal.saturating_sub(self.total(now));
        (self.calls > 0).then(|| now + missing / self.calls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_adds_up() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let ms = Duration::from_millis;
        let mut waited = Waited::new(start);
        assert_eq!(waited.reaches(ms(100), start), None);
        waited.set_calls(2, at(10));
        assert_eq!(waited.total(at(20)), ms(20));
        waited.set_calls(4, at(20));
        assert_eq!(waited.total(at(30)), ms(60));
        assert_eq!(waited.reaches(ms(100), at(30)), Some(at(40)));
        assert_eq!(waited.reaches(ms(10), at(30)), Some(at(30)));
        waited.forget(at(30));
        assert_eq!(waited.total(at(40)), ms(40));
        waited.set_calls(0, at(40));
        assert_eq!(waited.total(at(1_000)), ms(40));
    }
}
