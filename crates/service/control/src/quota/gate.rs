//! Who may go on.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use mu_env::Env;

use super::gcra::Rate;
use super::{Concurrency, Exceeded, Limit, QuotaBook, RateLimiter, Running, Subject};
use crate::usage::Day;

/// Stacks and clients whose rates are remembered.
const KEYS_MAX: usize = 100_000;
/// How long to wait for one of the invocations that run to end: nobody knows.
const CONCURRENCY_WAIT: Duration = Duration::from_secs(1);
/// How long to wait where nothing is allowed at all.
const NOTHING_WAIT: Duration = Duration::from_secs(3_600);

/// Asked before each invocation and each request to the management API.
///
/// Rates and counts are those of this node since it started.
#[derive(Debug)]
pub struct Gate {
    book: Arc<QuotaBook>,
    env: Env,
    invocations: RateLimiter<Subject>,
    requests: RateLimiter<Subject>,
    running: Concurrency<Subject>,
}

/// An invocation that may run. It counts as running until this is dropped.
#[derive(Debug, Default)]
#[must_use = "the invocation counts as running as long as this lives"]
pub struct Admitted(Vec<Running<Subject>>);

impl Gate {
    /// A gate for the quotas of this book.
    #[must_use]
    pub fn new(book: Arc<QuotaBook>, env: Env) -> Self {
        Self {
            book,
            invocations: RateLimiter::new(env.clone(), KEYS_MAX),
            requests: RateLimiter::new(env.clone(), KEYS_MAX),
            running: Concurrency::new(),
            env,
        }
    }

    /// Admits an invocation, if it is within the limits of all of `subjects`: its stack, and the client that owns it.
    /// `instructions_today` is asked for what a subject has executed today, when that is limited.
    ///
    /// # Errors
    /// The first limit that it would exceed. Of the rates of subjects before that one it has taken its part.
    pub fn admit(
        &self,
        subjects: &[Subject],
        instructions_today: impl Fn(&Subject) -> u64,
    ) -> Result<Admitted, Exceeded> {
        let mut admitted = Vec::new();
        for subject in subjects {
            let quota = self.book.effective(subject);
            if let Some(allowed) = quota.instructions_per_day
                && instructions_today(subject) >= allowed
            {
                let wait = Day::time_left(self.env.now());
                return Err(refuse(subject, Limit::InstructionsPerDay, allowed, Some(wait)));
            }
            if let Some(allowed) = quota.concurrent_invocations {
                let running = self.running.enter(subject, allowed);
                let wait = if allowed == 0 { NOTHING_WAIT } else { CONCURRENCY_WAIT };
                let refuse = || refuse(subject, Limit::ConcurrentInvocations, allowed.into(), Some(wait));
                admitted.push(running.ok_or_else(refuse)?);
            }
            if let Some(allowed) = quota.invocations_per_second {
                check(&self.invocations, subject, allowed)
                    .map_err(|wait| refuse(subject, Limit::InvocationsPerSecond, allowed.into(), Some(wait)))?;
            }
        }
        Ok(Admitted(admitted))
    }

    /// Admits a request of a client to the management API.
    ///
    /// # Errors
    /// When it is over its rate.
    pub fn admit_request(&self, client: &Subject) -> Result<(), Exceeded> {
        let Some(allowed) = self.book.effective(client).requests_per_second else { return Ok(()) };
        check(&self.requests, client, allowed)
            .map_err(|wait| refuse(client, Limit::RequestsPerSecond, allowed.into(), Some(wait)))
    }
}

impl Admitted {
    /// Whether nothing is counted until it is dropped.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.0.is_empty()
    }
}

fn refuse(subject: &Subject, limit: Limit, allowed: u64, retry_after: Option<Duration>) -> Exceeded {
    Exceeded { subject: subject.clone(), limit, allowed, retry_after }
}

fn check(limiter: &RateLimiter<Subject>, subject: &Subject, per_second: u32) -> Result<(), Duration> {
    match NonZeroU32::new(per_second) {
        Some(per_second) => limiter.check(subject, Rate::per_second(per_second), 1),
        None => Err(NOTHING_WAIT),
    }
}
