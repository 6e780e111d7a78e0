//! What was done, by whom, when, from where, and with what outcome.
//!
//! Records are kept in the order of time, with a list per stack beside them. A change that must not happen without its
//! record takes it into its own commit with [`write_into`]; refusals, which change nothing, are written with
//! [`Audit::append`].

mod id;
mod stored;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mu_db::keys::access as keys;
use mu_db::{Batch, KeyRange, Kv, Order, Row, Select};
use mu_env::{Env, Timestamp};
use mu_stack::StackId;

use crate::access::paged::{self, PAGE_ROWS_MAX, Paged};
use crate::access::{AccessError, Action, Authenticated, Cleaned, How, Principal, TokenId};

pub use self::id::{AuditId, ParseAuditIdError};

/// Longest target, in bytes; what is longer is cut.
pub const TARGET_BYTES_MAX: usize = 1_024;
/// Longest address, request id and outcome code, in bytes; what is longer is cut.
pub const TEXT_BYTES_MAX: usize = 128;

/// Records that one call of [`Audit::read`] looks at. A filter that few of them pass gives short pages.
const READ_ROWS_MAX: usize = 10_000;
/// Records that one step of cleaning removes.
const CLEAN_STEP_ROWS: usize = 500;
/// Most bytes of the records of one page.
const RECORDS_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One thing that somebody did, or was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// By which it is named; holds the time.
    pub id: AuditId,
    /// Who.
    pub who: Principal,
    /// By which credentials.
    pub how: Credentials,
    /// What: the name of an [`Action`]. Old records may have names that are no longer used.
    pub action: String,
    /// On which stack, if on one.
    pub stack: Option<StackId>,
    /// To what of it: a version, the name of a secret, a principal. Never a secret's value.
    pub target: Option<String>,
    /// From which address.
    pub from: Option<String>,
    /// In which request.
    pub request_id: Option<String>,
    /// With what outcome.
    pub outcome: AuditOutcome,
}

/// By which credentials something was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// A signature.
    Signature,
    /// An API token.
    Token(TokenId),
    /// A token of an issuer.
    Oidc,
    /// The bootstrap token.
    Bootstrap,
    /// None.
    None,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditOutcome {
    /// It is being done, or the node ended before it was known how it went.
    Begun,
    /// It was done.
    Done,
    /// It may not be done by them, with the code of the error.
    Refused(String),
    /// It was tried, with the code of the error.
    Failed(String),
}

/// Which records are wanted.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Those about one stack.
    pub stack: Option<StackId>,
    /// Those about what somebody did.
    pub who: Option<Principal>,
    /// Those from this time on.
    pub from: Option<Timestamp>,
    /// Those before this time.
    pub until: Option<Timestamp>,
}

/// The audit records of a node.
#[derive(Clone, Debug)]
pub struct Audit {
    kv: Arc<dyn Kv>,
    env: Env,
}

/// Adds a record to what is committed together.
pub fn write_into(batch: &mut Batch, record: &AuditRecord) {
    let key = record.id.to_key();
    let mut with = std::mem::take(batch).put(keys::audit(&key), stored::encode(record));
    if let Some(stack) = &record.stack {
        with = with.put(keys::audit_by_stack(stack.key(), &key), stored::mark());
    }
    *batch = with;
}

// === impl AuditRecord ===

impl AuditRecord {
    /// A record of something that happens now and is done; the other fields are set with the methods below.
    #[must_use]
    pub fn new(env: &Env, who: &Authenticated, action: Action) -> Self {
        Self {
            id: AuditId::generate(env),
            who: who.subject.principal.clone(),
            how: who.how.into(),
            action: action.as_str().to_owned(),
            stack: None,
            target: None,
            from: None,
            request_id: None,
            outcome: AuditOutcome::Done,
        }
    }

    /// A record of a request that begins now. The same record, written again when its outcome is known, takes its place.
    #[must_use]
    pub fn begun(env: &Env, who: &Authenticated, request: &str) -> Self {
        Self {
            id: AuditId::generate(env),
            who: who.subject.principal.clone(),
            how: who.how.into(),
            action: cut(request.to_owned(), TEXT_BYTES_MAX),
            stack: None,
            target: None,
            from: None,
            request_id: None,
            outcome: AuditOutcome::Begun,
        }
    }

    /// What it is, now that it is known.
    #[must_use]
    pub fn doing(self, action: Action) -> Self {
        Self { action: action.as_str().to_owned(), ..self }
    }

    /// On which stack.
    #[must_use]
    pub fn on(self, stack: StackId) -> Self {
        Self { stack: Some(stack), ..self }
    }

    /// To what of it. Never a secret's value.
    #[must_use]
    pub fn to(self, target: impl Into<String>) -> Self {
        Self { target: Some(cut(target.into(), TARGET_BYTES_MAX)), ..self }
    }

    /// From where, and in which request.
    #[must_use]
    pub fn by_request(self, from: impl Into<String>, request_id: impl Into<String>) -> Self {
        let from = Some(cut(from.into(), TEXT_BYTES_MAX));
        Self { from, request_id: Some(cut(request_id.into(), TEXT_BYTES_MAX)), ..self }
    }

    /// With what outcome.
    #[must_use]
    pub fn with(self, outcome: AuditOutcome) -> Self {
        let outcome = match outcome {
            AuditOutcome::Begun => AuditOutcome::Begun,
            AuditOutcome::Done => AuditOutcome::Done,
            AuditOutcome::Refused(code) => AuditOutcome::Refused(cut(code, TEXT_BYTES_MAX)),
            AuditOutcome::Failed(code) => AuditOutcome::Failed(cut(code, TEXT_BYTES_MAX)),
        };
        Self { outcome, ..self }
    }

    /// When it happened.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.id.at()
    }
}

impl From<How> for Credentials {
    fn from(how: How) -> Self {
        match how {
            How::Signature => Self::Signature,
            How::Token(id) => Self::Token(id),
            How::Oidc => Self::Oidc,
            How::Bootstrap => Self::Bootstrap,
            How::Anonymous => Self::None,
        }
    }
}

fn cut(mut text: String, bytes_max: usize) -> String {
    text.truncate(text.floor_char_boundary(bytes_max));
    text
}

// === impl Audit ===

impl Audit {
    /// The records in this store.
    #[must_use]
    pub fn new(kv: Arc<dyn Kv>, env: Env) -> Self {
        Self { kv, env }
    }

    /// Writes a record on its own.
    ///
    /// # Errors
    /// [`AccessError::Store`]
    pub async fn append(&self, record: &AuditRecord) -> Result<(), AccessError> {
        let mut batch = Batch::new();
        write_into(&mut batch, record);
        self.kv.commit(batch).await?;
        Ok(())
    }

    /// The records that pass a filter, in the order of time, after one of them: after it in that order, so that with
    /// [`Order::Descending`] these are older ones.
    ///
    /// One call looks at 10 000 records at most. A page may be short, or empty, and still have a next one.
    ///
    /// # Errors
    /// [`AccessError::Unreadable`], [`AccessError::Store`]
    pub async fn read(
        &self,
        filter: &AuditFilter,
        order: Order,
        after: Option<AuditId>,
        rows_max: usize,
    ) -> Result<Paged<AuditRecord, AuditId>, AccessError> {
        let rows_max = rows_max.clamp(1, PAGE_ROWS_MAX);
        let (mut items, mut after, mut seen) = (Vec::new(), after, 0);
        loop {
            let page = self.page(filter, order, after).await?;
            seen += page.items.len();
            let full_at = rows_max - items.len();
            let mut passing = page.items.into_iter().filter(|record| passes(filter, record));
            items.extend(passing.by_ref().take(full_at));
            if passing.next().is_some() || (items.len() == rows_max && page.next.is_some()) {
                let next = items.last().map(|record: &AuditRecord| record.id);
                return Ok(Paged { items, next });
            }
            match page.next {
                Some(next) if seen < READ_ROWS_MAX => after = Some(next),
                next => return Ok(Paged { items, next }),
            }
        }
    }

    /// Removes some of the records that are older than this, the oldest first.
    ///
    /// # Errors
    /// [`AccessError::Store`]
    pub async fn clean_step(&self, retention: Duration) -> Result<Cleaned, AccessError> {
        let retention_micros = u64::try_from(retention.as_micros()).unwrap_or(u64::MAX);
        let end = self.env.now().as_micros().saturating_sub(retention_micros);
        let range = keys::audits(0, end);
        let old = paged::rows(&*self.kv, range, Order::Ascending, CLEAN_STEP_ROWS, Select::Rows).await?;
        let mut batch = Batch::new();
        for row in &old.rows {
            // What cannot be read goes as well; an entry of its stack that is left behind is passed over.
            if let (Some(key), Some(stack)) = (keys::parse_audit(&row.key), stored::stack_of(&row.value)) {
                batch = batch.delete(keys::audit_by_stack(stack.key(), &key));
            }
            batch = batch.delete(row.key.clone());
        }
        if !old.rows.is_empty() {
            self.kv.commit(batch).await?;
        }
        Ok(Cleaned { removed: old.rows.len(), has_more: old.is_cut })
    }

    /// The next records of the time and the stack, whoever they are about.
    async fn page(
        &self,
        filter: &AuditFilter,
        order: Order,
        after: Option<AuditId>,
    ) -> Result<Paged<AuditRecord, AuditId>, AccessError> {
        let from = filter.from.map_or(0, Timestamp::as_micros);
        let until = filter.until.map_or(u64::MAX, Timestamp::as_micros);
        match &filter.stack {
            None => {
                let range = beyond(keys::audits(from, until), order, after, |id| keys::audit(&id.to_key()));
                let page = paged::rows(&*self.kv, range, order, PAGE_ROWS_MAX, Select::Rows).await?;
                page.read(|row| record_of(&row), |record| record.id)
            }
            Some(stack) => {
                let entry = |id: AuditId| keys::audit_by_stack(stack.key(), &id.to_key());
                let range = beyond(keys::audits_by_stack(stack.key(), from, until), order, after, entry);
                let page = paged::rows(&*self.kv, range, order, PAGE_ROWS_MAX, Select::Keys).await?;
                self.records_of(stack, page).await
            }
        }
    }

    async fn records_of(&self, stack: &StackId, page: paged::Rows) -> Result<Paged<AuditRecord, AuditId>, AccessError> {
        let keys = page.rows.iter().filter_map(|row| keys::parse_audit_by_stack(stack.key(), &row.key));
        let ids: Vec<AuditId> = keys.map(AuditId::from_key).collect();
        let wanted: Vec<Bytes> = ids.iter().map(|id| keys::audit(&id.to_key())).collect();
        let records = self.kv.get_many(&wanted, RECORDS_BYTES_MAX).await?;
        let present = ids.iter().zip(records).filter_map(|(id, record)| Some((*id, record?)));
        let items = present.map(|(id, record)| stored::decode(id, &record)).collect::<Result<_, _>>()?;
        Ok(Paged { items, next: ids.last().copied().filter(|_| page.is_cut) })
    }
}

/// The part of a range that comes after a record, in this order.
fn beyond(range: KeyRange, order: Order, after: Option<AuditId>, key: impl Fn(AuditId) -> Bytes) -> KeyRange {
    match (after, order) {
        (None, _) => range,
        (Some(after), Order::Ascending) => range.after(&key(after)),
        (Some(after), Order::Descending) => range.before(&key(after)),
    }
}

fn passes(filter: &AuditFilter, record: &AuditRecord) -> bool {
    filter.who.as_ref().is_none_or(|who| record.who == *who)
}

fn record_of(row: &Row) -> Result<AuditRecord, AccessError> {
    let key = keys::parse_audit(&row.key).ok_or(stored::UNREADABLE)?;
    stored::decode(AuditId::from_key(key), &row.value)
}

#[cfg(test)]
mod tests;
