//! Everything that a node asks about quotas, in one place.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use mu_db::Kv;
use mu_env::Env;
use mu_stack::StackId;
use mu_telemetry::Metrics;

use super::gcra::Rate;
use super::{
    Admitted, ByteLimit, Exceeded, Gate, Limited, Measure, Over, Owners, Quota, QuotaBook, QuotaDefaults, QuotaError,
    RateLimiter, Stored, StoredBytes, Subject,
};
use crate::usage::UsageLedger;

/// Requests of one address to the management API that have no credentials, or wrong ones.
const STRANGERS: Rate = Rate { per_second: NonZeroU32::new(20).unwrap(), burst: NonZeroU32::new(100).unwrap() };
/// Addresses that are remembered.
const STRANGERS_MAX: usize = 10_000;

/// Holds what stacks and clients use against their quotas, and counts refusals. Where nobody has a limit of a kind,
/// asking costs one load of an atomic number.
#[derive(Debug)]
pub struct Quotas {
    env: Env,
    book: Arc<QuotaBook>,
    gate: Gate,
    stored: StoredBytes,
    owners: Arc<Owners>,
    pub(super) usage: Arc<UsageLedger>,
    pub(super) metrics: Metrics,
    strangers: RateLimiter<IpAddr>,
}

/// What [`Quotas`] are made of.
pub struct QuotaParts {
    /// Time, and the owner of tasks.
    pub env: Env,
    /// Where quotas are kept.
    pub kv: Arc<dyn Kv>,
    /// What applies where no quota is set.
    pub defaults: QuotaDefaults,
    /// Whose the stacks are.
    pub owners: Owners,
    /// What stacks have executed.
    pub usage: Arc<UsageLedger>,
    /// Finds out how much is stored.
    pub measure: Arc<dyn Measure>,
    /// Where refusals are counted.
    pub metrics: Metrics,
}

impl Quotas {
    /// Opens the quotas. [`QuotaBook::run`] is to be spawned where several nodes share them.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn open(parts: QuotaParts) -> Result<Self, QuotaError> {
        let QuotaParts { env, kv, defaults, owners, usage, measure, metrics } = parts;
        let (book, owners) = (Arc::new(QuotaBook::open(kv, defaults).await?), Arc::new(owners));
        Ok(Self {
            gate: Gate::new(Arc::clone(&book), env.clone()),
            stored: StoredBytes::new(measure, Arc::clone(&owners), env.clone()),
            strangers: RateLimiter::new(env.clone(), STRANGERS_MAX),
            env,
            book,
            owners,
            usage,
            metrics,
        })
    }

    /// The quotas that were set.
    #[must_use]
    pub fn book(&self) -> &Arc<QuotaBook> {
        &self.book
    }

    /// Whose the stacks are.
    #[must_use]
    pub fn owners(&self) -> &Owners {
        &self.owners
    }

    /// Admits an invocation of a stack, if it is within the limits of the stack and of its owner.
    ///
    /// # Errors
    /// The first limit that it would exceed.
    pub fn admit(&self, stack: StackId, owner: Option<&Arc<str>>) -> Result<Admitted, Exceeded> {
        if !self.book.has_limits(Limited::Invocations) {
            return Ok(Admitted::default());
        }
        let instructions = |subject: &Subject| match subject {
            Subject::Stack(stack) => self.usage.instructions_today(stack),
            Subject::Client(client) => {
                let of_stack = |stack: &StackId| self.usage.instructions_today(stack);
                self.owners.instructions_today(client, self.env.now(), of_stack)
            }
        };
        let stack = Subject::Stack(stack);
        let admitted = match owner {
            Some(owner) => self.gate.admit(&[stack, Subject::Client(Arc::clone(owner))], instructions),
            None => self.gate.admit(&[stack], instructions),
        };
        admitted.map_err(|exceeded| self.counted(exceeded))
    }

    /// Admits a write of so many bytes, if the stack and its owner may have them.
    ///
    /// # Errors
    /// When they do not fit, as far as is known: [`Quotas::admit_bytes`] waits for what is being found out.
    pub fn admit_bytes_at_once(&self, stack: StackId, stored: Stored, bytes: u64) -> Result<(), Over> {
        let limits = self.byte_limits(stack, stored);
        if limits.is_empty() {
            return Ok(());
        }
        self.stored.admit_at_once(&limits, stored, bytes).inspect_err(|over| {
            if !over.may_fit() {
                self.metrics.limit_hit(over.exceeded.metric());
            }
        })
    }

    /// Admits a write of so many bytes, if the stack and its owner may have them. May wait some seconds until what there
    /// is has been measured.
    ///
    /// # Errors
    /// When they do not fit.
    pub async fn admit_bytes(&self, stack: StackId, stored: Stored, bytes: u64) -> Result<(), Exceeded> {
        let admitted = self.stored.admit(&self.byte_limits(stack, stored), stored, bytes).await;
        admitted.map_err(|exceeded| self.counted(exceeded))
    }

    /// Admits a request of a client to the management API.
    ///
    /// # Errors
    /// When it is over its rate.
    pub fn admit_request(&self, principal: &str) -> Result<(), Exceeded> {
        if !self.book.has_limits(Limited::Requests) {
            return Ok(());
        }
        let client = Subject::Client(principal.into());
        self.gate.admit_request(&client).map_err(|exceeded| self.counted(exceeded))
    }

    /// Admits a request to the management API of somebody unknown. The rate is fixed, and that of an address, of IPv6
    /// of a network of 64 bits.
    ///
    /// # Errors
    /// How long to wait.
    pub fn admit_stranger(&self, from: IpAddr) -> Result<(), Duration> {
        let key = match from.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
            v4 => v4,
        };
        self.strangers.check(&key, STRANGERS, 1).inspect_err(|_| {
            self.metrics.limit_hit(mu_telemetry::Limit::ClientRequestsPerSecond);
        })
    }

    /// Gives a client or a stack a quota; one without limits is none.
    ///
    /// # Errors
    /// See [`QuotaBook::set`].
    pub async fn set(&self, subject: &Subject, quota: Quota) -> Result<(), QuotaError> {
        if quota == Quota::default() { self.book.clear(subject).await } else { self.book.set(subject, quota).await }
    }

    /// Forgets a stack that is gone with its data.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_stack(&self, stack: &StackId) -> Result<(), QuotaError> {
        self.book.clear(&Subject::Stack(*stack)).await?;
        self.stored.forget(stack);
        self.owners.remove(stack);
        Ok(())
    }

    /// The limits that a write of a stack is held against: its own, then its owner's.
    fn byte_limits(&self, stack: StackId, stored: Stored) -> Vec<ByteLimit> {
        if !self.book.has_limits(Limited::Bytes) {
            return Vec::new();
        }
        let owner = self.owners.of(&stack).map(Subject::Client);
        let limit = |subject: Subject| {
            let quota = self.book.effective(&subject);
            let bytes = match stored {
                Stored::Tables => quota.table_bytes,
                Stored::Boxes => quota.box_bytes,
            };
            bytes.map(|bytes| ByteLimit { subject, bytes })
        };
        [Some(Subject::Stack(stack)), owner].into_iter().flatten().filter_map(limit).collect()
    }

    fn counted(&self, exceeded: Exceeded) -> Exceeded {
        self.metrics.limit_hit(exceeded.metric());
        exceeded
    }
}

impl std::fmt::Debug for QuotaParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QuotaParts").finish_non_exhaustive()
    }
}
