//! Shifting traffic to a new version by itself: a pure decision.
//!
//! A [`Rollout`] is kept with the routing that it made. Now and then, whoever runs the stack tells [`Rollout::step`]
//! what the two versions did since that routing began, and does what it answers. The state changes only together with
//! the routing: a process that ends and starts again goes on with the step it was at, and only has to gather requests
//! anew.

mod histogram;

use std::any::Any;
use std::sync::Weak;
use std::time::Duration;

use mu_env::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::histogram::LatencyHistogram;
use crate::catalog::VersionNumber;
use crate::catalog::stored::micros;

/// Most steps of a rollout.
pub const STEPS_MAX: usize = 20;
/// Longest time between two steps.
pub const INTERVAL_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Differences of latency that don't count unless it is said otherwise: those of a machine that is busy with something
/// else.
const LATENCY_SLACK: Duration = Duration::from_millis(10);

/// How traffic is shifted, and what makes it go back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub struct RolloutConfig {
    steps: Vec<u8>,
    interval: Duration,
    requests_min: u64,
    failures_margin_permille: u32,
    latency_factor_percent: u32,
    latency_slack: Duration,
}

/// A rollout that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    /// How it goes.
    pub config: RolloutConfig,
    /// The version that gets more and more.
    pub new: VersionNumber,
    /// The version that it replaces, and that it goes back to.
    pub old: VersionNumber,
    /// Which of the steps it is at.
    step: usize,
    /// Since when.
    #[serde(with = "micros")]
    since: Timestamp,
}

/// What the two versions did since the present step began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// The version that is replaced.
    pub old: Sample,
    /// The version that replaces it.
    pub new: Sample,
}

/// What one version has done since it was loaded.
#[derive(Clone, Debug)]
pub struct Counts {
    /// What was loaded, by which later counts are known to be of the same. A version that is loaded anew, because
    /// something beside it has changed, is counted anew.
    pub loaded: Weak<dyn Any + Send + Sync>,
    /// Requests that failed, by the fault of the function.
    pub failures: u64,
    /// How long all requests took, the failed ones included.
    pub latencies: LatencyHistogram,
}

/// What one version did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Requests that ended.
    pub requests: u64,
    /// Those among them that failed, by the fault of the function.
    pub failures: u64,
    /// The latency that 95 % of the requests stayed below; `None` without requests.
    pub p95: Option<Duration>,
}

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RolloutAction {
    /// Nothing; ask again later.
    Wait,
    /// Give the new version this part of the traffic, in percent.
    SetWeight(u8),
    /// Give the new version everything. The rollout is over.
    Complete,
    /// Give the old version everything. The rollout is over.
    RollBack {
        /// Why, for people.
        reason: String,
    },
}

/// A rollout cannot be configured so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRollout {
    /// The steps don't lead to 100 %.
    #[error("the steps of a rollout are 1 to {STEPS_MAX} rising percentages, and the last one is 100, like 10,50,100")]
    Steps,
    /// The time between steps is out of bounds.
    #[error("the interval of a rollout is 1 s to 24 h")]
    Interval,
    /// The new version would have to be faster than the old one.
    #[error("the factor of latencies is at least 1")]
    Factor,
    /// Nothing would be a failure.
    #[error("the margin of failures is less than 100 percentage points")]
    Margin,
}

impl Counts {
    /// What was done since an earlier look at the version; all that is counted when it was loaded after that.
    #[must_use]
    pub fn since(&self, earlier: Option<&Self>) -> Sample {
        let earlier = earlier.filter(|earlier| earlier.loaded.ptr_eq(&self.loaded));
        let latencies = earlier.map(|earlier| self.latencies.since(&earlier.latencies));
        let latencies = latencies.as_ref().unwrap_or(&self.latencies);
        let failures = self.failures.saturating_sub(earlier.map_or(0, |earlier| earlier.failures));
        Sample { requests: latencies.count(), failures, p95: latencies.quantile(95) }
    }
}

impl RolloutConfig {
    /// 10 %, 50 %, 100 %, a minute apart and with at least 50 requests each; back when the new version fails 1
    /// percentage point more often, or is slower than one and a half times the old one and by more than 10 ms.
    #[must_use]
    pub fn new() -> Self {
        Self {
            steps: vec![10, 50, 100],
            interval: Duration::from_secs(60),
            requests_min: 50,
            failures_margin_permille: 10,
            latency_factor_percent: 150,
            latency_slack: LATENCY_SLACK,
        }
    }

    /// Other steps: rising percentages, the last of which is 100.
    ///
    /// # Errors
    /// [`InvalidRollout::Steps`].
    pub fn with_steps(self, steps: Vec<u8>) -> Result<Self, InvalidRollout> {
        let rises = steps.first() > Some(&0) && steps.is_sorted_by(|a, b| a < b) && steps.last() == Some(&100);
        if rises && steps.len() <= STEPS_MAX { Ok(Self { steps, ..self }) } else { Err(InvalidRollout::Steps) }
    }

    /// How long a step takes at least: 1 s to 24 h.
    ///
    /// # Errors
    /// [`InvalidRollout::Interval`].
    pub fn with_interval(self, interval: Duration) -> Result<Self, InvalidRollout> {
        let is_fine = (Duration::from_secs(1)..=INTERVAL_MAX).contains(&interval);
        if is_fine { Ok(Self { interval, ..self }) } else { Err(InvalidRollout::Interval) }
    }

    /// How many requests the new version gets at least before a step ends. Until a stack without traffic has had as
    /// many, its rollout stays where it is.
    #[must_use]
    pub fn with_requests_min(self, requests_min: u64) -> Self {
        Self { requests_min, ..self }
    }

    /// How much more often than the old version the new one may fail, in tenths of a percentage point: 10 is 1 % more of
    /// all requests.
    ///
    /// # Errors
    /// [`InvalidRollout::Margin`].
    pub fn with_failures_margin_permille(self, permille: u32) -> Result<Self, InvalidRollout> {
        if permille < 1_000 {
            Ok(Self { failures_margin_permille: permille, ..self })
        } else {
            Err(InvalidRollout::Margin)
        }
    }

    /// How much slower than the old version the new one may be: its p95 in percent of the other one's. A difference of
    /// up to 10 ms never counts.
    ///
    /// # Errors
    /// [`InvalidRollout::Factor`].
    pub fn with_latency_factor_percent(self, percent: u32) -> Result<Self, InvalidRollout> {
        if percent < 100 {
            return Err(InvalidRollout::Factor);
        }
        Ok(Self { latency_factor_percent: percent, ..self })
    }
}

impl Default for RolloutConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl Rollout {
    /// Begins to replace a version, and says which part of the traffic the new one gets first.
    #[must_use]
    pub fn start(
        config: RolloutConfig,
        old: VersionNumber,
        new: VersionNumber,
        now: Timestamp,
    ) -> (Self, RolloutAction) {
        let first = Self { config, new, old, step: 0, since: now };
        let action = first.set_weight();
        (first, action)
    }

    /// What to do, given what happened since the present step began. With [`RolloutAction::SetWeight`] a new step begins;
    /// with every other action the state stays.
    #[must_use]
    pub fn step(&self, observed: &Observation, now: Timestamp) -> (Self, RolloutAction) {
        if let Some(reason) = self.fault(observed) {
            return (self.clone(), RolloutAction::RollBack { reason });
        }
        let is_due = now >= self.since.plus(self.config.interval);
        if !is_due || observed.new.requests < self.config.requests_min {
            return (self.clone(), RolloutAction::Wait);
        }
        let next = Self { step: self.step + 1, since: now, ..self.clone() };
        let action = next.set_weight();
        if action == RolloutAction::Complete { (self.clone(), action) } else { (next, action) }
    }

    /// The part of the traffic that the new version has now, in percent.
    #[must_use]
    pub fn percent(&self) -> u8 {
        self.config.steps.get(self.step).copied().unwrap_or(100)
    }

    fn set_weight(&self) -> RolloutAction {
        match self.percent() {
            100.. => RolloutAction::Complete,
            percent => RolloutAction::SetWeight(percent),
        }
    }

    /// What is wrong with the new version.
    fn fault(&self, observed: &Observation) -> Option<String> {
        let (old, new) = (&observed.old, &observed.new);
        let fails = self.fails_too_often(old, new);
        if fails {
            return Some(format!(
                "version {} failed {} of {} requests, version {} {} of {}",
                self.new, new.failures, new.requests, self.old, old.failures, old.requests
            ));
        }
        let (old_p95, new_p95) = (old.p95?, new.p95?);
        let enough = old.requests.min(new.requests) >= self.config.requests_min;
        let bound = old_p95.as_micros() * u128::from(self.config.latency_factor_percent) / 100;
        let is_slow = new_p95.as_micros() > bound && new_p95 > old_p95.saturating_add(self.config.latency_slack);
        (enough && is_slow).then(|| {
            format!(
                "95 % of the requests took version {} up to {:.1} ms, and version {} up to {:.1} ms",
                self.new,
                new_p95.as_secs_f64() * 1e3,
                self.old,
                old_p95.as_secs_f64() * 1e3
            )
        })
    }

    /// Whether the new version fails more often than it may. While it has had too few requests, as if those that are
    /// missing were to succeed: what is too much even then needs no more of them.
    fn fails_too_often(&self, old: &Sample, new: &Sample) -> bool {
        let new_requests = new.requests.max(self.config.requests_min).max(1);
        let old_requests = old.requests.max(1);
        let margin = u128::from(self.config.failures_margin_permille);
        let wide = |a: u64, b: u64| u128::from(a) * u128::from(b);
        // new.failures / new_requests > old.failures / old_requests + margin / 1000, without rounding; the factors are
        // bounded to 2^42, so that nothing overflows.
        let [new_failures, new_requests] = scaled(new.failures, new_requests);
        let [old_failures, old_requests] = scaled(old.failures.min(old_requests), old_requests);
        wide(new_failures, old_requests) * 1_000
            > wide(old_failures, new_requests) * 1_000 + margin * wide(new_requests, old_requests)
    }
}

/// A fraction with both parts below 2^42.
fn scaled(part: u64, whole: u64) -> [u64; 2] {
    let shift = 22_u32.saturating_sub(part.max(whole).leading_zeros());
    [part >> shift, (whole >> shift).max(1)]
}

/// A configuration as it is stored.
#[derive(Serialize, Deserialize)]
struct Fields {
    steps: Vec<u8>,
    interval_ms: u64,
    requests_min: u64,
    failures_margin_permille: u32,
    latency_factor_percent: u32,
    latency_slack_ms: u64,
}

impl TryFrom<Fields> for RolloutConfig {
    type Error = InvalidRollout;

    fn try_from(fields: Fields) -> Result<Self, InvalidRollout> {
        let config = Self::new().with_steps(fields.steps)?.with_interval(Duration::from_millis(fields.interval_ms))?;
        let config = config.with_requests_min(fields.requests_min);
        let config = config.with_failures_margin_permille(fields.failures_margin_permille)?;
        let config = config.with_latency_factor_percent(fields.latency_factor_percent)?;
        Ok(Self { latency_slack: Duration::from_millis(fields.latency_slack_ms), ..config })
    }
}

impl From<RolloutConfig> for Fields {
    fn from(config: RolloutConfig) -> Self {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self {
            interval_ms: millis(config.interval),
            latency_slack_ms: millis(config.latency_slack),
            steps: config.steps,
            requests_min: config.requests_min,
            failures_margin_permille: config.failures_margin_permille,
            latency_factor_percent: config.latency_factor_percent,
        }
    }
}

#[cfg(test)]
mod tests;
