//! The quotas that operators have set.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use mu_db::keys::records as keys;
use mu_db::{Batch, Kv, KvError, Order, Scan, ScanLimit, Select};
use mu_env::Shutdown;

use super::{Quota, Subject, record};

/// Subjects that may have a quota of their own.
const QUOTAS_MAX: usize = 100_000;
/// Longest principal, in bytes.
const PRINCIPAL_BYTES_MAX: usize = 1_024;
/// How often quotas are read again, so that those set on another node count here.
const RELOAD_INTERVAL: Duration = Duration::from_secs(10);

/// What applies where a quota leaves something open, from the node's configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuotaDefaults {
    /// For clients.
    pub client: Quota,
    /// For stacks.
    pub stack: Quota,
}

/// The quotas of clients and stacks, in the database and in memory.
#[derive(Debug)]
pub struct QuotaBook {
    kv: Arc<dyn Kv>,
    defaults: QuotaDefaults,
    quotas: RwLock<BTreeMap<Subject, Quota>>,
    /// How often quotas were set or cleared here.
    changes: AtomicU64,
    /// Which kinds of limits anybody has.
    limited: AtomicU8,
}

/// Kinds of limits, by what is asked about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    /// Invocations: their rate, their number, their instructions.
    Invocations = 1,
    /// Bytes in tables and boxes.
    Bytes = 2,
    /// Requests to the management API.
    Requests = 4,
}

/// Quotas could not be set or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuotaError {
    /// The database failed.
    #[error("quotas: {0}")]
    Kv(#[from] KvError),
    /// A stored quota cannot be read.
    #[error("a stored quota cannot be read: it was written by a newer version of mu, or is damaged")]
    UnreadableRecord,
    /// Too many have a quota of their own.
    #[error(
        "{QUOTAS_MAX} clients and stacks have quotas of their own, and no more may: clear some, or set the default"
    )]
    TooMany,
    /// No principal is that long.
    #[error("the name of the client has {bytes} bytes; at most {PRINCIPAL_BYTES_MAX} are possible")]
    PrincipalTooLong {
        /// How long it is.
        bytes: usize,
    },
}

impl QuotaBook {
    /// Opens the quotas in `kv`. [`QuotaBook::run`] is to be spawned where several nodes share it.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn open(kv: Arc<dyn Kv>, defaults: QuotaDefaults) -> Result<Self, QuotaError> {
        let quotas = load(&*kv).await?;
        let limited = AtomicU8::new(limited(&defaults, &quotas));
        Ok(Self { kv, defaults, quotas: RwLock::new(quotas), changes: AtomicU64::new(0), limited })
    }

    /// Gives a client or a stack a quota, instead of the one it may have.
    ///
    /// # Errors
    /// When there are too many, or the database fails.
    pub async fn set(&self, subject: &Subject, quota: Quota) -> Result<(), QuotaError> {
        if let Subject::Client(principal) = subject
            && principal.len() > PRINCIPAL_BYTES_MAX
        {
            return Err(QuotaError::PrincipalTooLong { bytes: principal.len() });
        }
        if self.own(subject).is_none() && self.read().len() >= QUOTAS_MAX {
            return Err(QuotaError::TooMany);
        }
        let record = record::encode(&quota).ok_or(QuotaError::UnreadableRecord)?;
        self.kv.commit(Batch::new().put(record::key(subject), record)).await?;
        self.changed(|quotas| {
            quotas.insert(subject.clone(), quota);
        });
        Ok(())
    }

    /// Takes the quota of a client or a stack away: the defaults apply.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn clear(&self, subject: &Subject) -> Result<(), QuotaError> {
        self.kv.commit(Batch::new().delete(record::key(subject))).await?;
        self.changed(|quotas| {
            quotas.remove(subject);
        });
        Ok(())
    }

    /// The quota that was set for a client or a stack.
    #[must_use]
    pub fn own(&self, subject: &Subject) -> Option<Quota> {
        self.read().get(subject).copied()
    }

    /// The limits of a client or a stack, with those of the defaults.
    #[must_use]
    pub fn effective(&self, subject: &Subject) -> Quota {
        let defaults = match subject {
            Subject::Client(_) => &self.defaults.client,
            Subject::Stack(_) => &self.defaults.stack,
        };
        self.own(subject).unwrap_or_default().or(defaults)
    }

    /// Whether anybody has a limit of a kind, by a quota or by default.
    #[must_use]
    pub fn has_limits(&self, kind: Limited) -> bool {
        self.limited.load(Ordering::Relaxed) & kind as u8 != 0
    }

    /// The quotas that were set, of clients and then of stacks, after `after`.
    #[must_use]
    pub fn list(&self, after: Option<&Subject>, limit: usize) -> Vec<(Subject, Quota)> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let quotas = self.read();
        quotas.range((start, Bound::Unbounded)).take(limit).map(|(subject, quota)| (subject.clone(), *quota)).collect()
    }

    /// Reads again what is in the database.
    ///
    /// # Errors
    /// When it cannot be read; what was known stays.
    pub async fn reload(&self) -> Result<(), QuotaError> {
        let before = self.changes.load(Ordering::Relaxed);
        let read = load(&*self.kv).await?;
        let mut quotas = self.write();
        // What was read may be from before a change that was made here meanwhile; the next time tells.
        if self.changes.load(Ordering::Relaxed) == before {
            *quotas = read;
            self.limited.store(limited(&self.defaults, &quotas), Ordering::Relaxed);
        }
        Ok(())
    }

    /// Reads again every ten seconds, until shutdown is requested.
    pub async fn run(self: Arc<Self>, shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = shutdown.requested() => return,
                () = tokio::time::sleep(RELOAD_INTERVAL) => {}
            }
            if let Err(error) = self.reload().await {
                tracing::warn!(%error, "quotas are not read again: those that were known apply");
            }
        }
    }

    fn changed(&self, change: impl FnOnce(&mut BTreeMap<Subject, Quota>)) {
        let mut quotas = self.write();
        change(&mut quotas);
        self.limited.store(limited(&self.defaults, &quotas), Ordering::Relaxed);
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<Subject, Quota>> {
        self.quotas.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<Subject, Quota>> {
        self.quotas.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The kinds of limits that anybody has.
fn limited(defaults: &QuotaDefaults, quotas: &BTreeMap<Subject, Quota>) -> u8 {
    let kinds = |quota: &Quota| {
        let invocations = quota.invocations_per_second.is_some()
            || quota.concurrent_invocations.is_some()
            || quota.instructions_per_day.is_some();
        let bytes = quota.table_bytes.is_some() || quota.box_bytes.is_some();
        let kind = |kind: Limited, is_there: bool| if is_there { kind as u8 } else { 0 };
        kind(Limited::Invocations, invocations)
            | kind(Limited::Bytes, bytes)
            | kind(Limited::Requests, quota.requests_per_second.is_some())
    };
    quotas.values().chain([&defaults.client, &defaults.stack]).map(kinds).fold(0, |all, kinds| all | kinds)
}

async fn load(kv: &dyn Kv) -> Result<BTreeMap<Subject, Quota>, QuotaError> {
    let mut quotas = BTreeMap::new();
    let mut range = keys::quotas();
    loop {
        let limit = ScanLimit { rows: 1_024, bytes: 1 << 20 };
        let scan = Scan { range: range.clone(), order: Order::Ascending, limit, select: Select::Rows };
        let page = kv.scan(scan).await?;
        for row in &page.rows {
            let read = record::subject(&row.key).zip(record::decode(&row.value));
            quotas.extend([read.ok_or(QuotaError::UnreadableRecord)?]);
        }
        match page.rows.last() {
            Some(last) if page.cut.is_some() => range = range.after(&last.key),
            _ => return Ok(quotas),
        }
    }
}
