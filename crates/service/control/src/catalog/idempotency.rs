//! Requests that are sent again are not done again.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use mu_db::{Batch, KeyRange, Kv, KvError, Order, Outcome, Scan, ScanLimit, Select, keys};
use mu_env::{Env, Timestamp};
use serde::{Deserialize, Serialize};

use super::limits::{
    ATTEMPTS_MAX, IDEMPOTENCY_AGE_MAX, IDEMPOTENCY_KEY_BYTES_MAX, IDEMPOTENCY_KEYS_MAX, IDEMPOTENT_REQUEST_LEASE,
    IDEMPOTENT_RESPONSE_BYTES_MAX, PRINCIPAL_BYTES_MAX,
};
use super::stored::{self, RecordError, Stored, encode, micros};

/// Rows looked at in one step.
const CHUNK_ROWS: usize = 1_000;

/// Remembers requests by the key that their sender gave them, and what was answered. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Idempotency {
    kv: Arc<dyn Kv>,
    env: Env,
    keys_max: usize,
}

/// What to do with a request.
#[derive(Debug)]
pub enum Begun {
    /// Do it, and say how it ended.
    Run(Ticket),
    /// It was done before: answer the same.
    Replay(Bytes),
}

/// A request that is under way. Without word of its end, its key is free again after [`IDEMPOTENT_REQUEST_LEASE`].
#[derive(Debug)]
#[must_use = "a request that has begun has to be finished or abandoned"]
pub struct Ticket {
    key: Bytes,
    raw: Bytes,
    record: IdempotencyRecord,
}

/// A request cannot be done under its idempotency key.
#[derive(Debug, thiserror::Error)]
pub enum IdempotencyError {
    /// The database failed, or a record in it cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The key cannot be one.
    #[error("an idempotency key is 1 to {IDEMPOTENCY_KEY_BYTES_MAX} printable ASCII characters")]
    InvalidKey,
    /// The same key came with another request before.
    #[error("the idempotency key was used for another request: use a new key for every request")]
    OtherRequest,
    /// The request is being worked on.
    #[error("a request with this idempotency key is under way: ask again in {retry_after_seconds} s")]
    UnderWay {
        /// When to ask again.
        retry_after_seconds: u64,
    },
    /// The principal has used too many keys.
    #[error("more than {limit} idempotency keys in a day: leave the key out, or send less")]
    TooManyKeys {
        /// How many are kept.
        limit: usize,
    },
    /// A response is too large to be kept.
    #[error("a response of {bytes} bytes cannot be kept for its idempotency key: {IDEMPOTENT_RESPONSE_BYTES_MAX} can")]
    ResponseTooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Word of the request's end came so late that another one with its key may have run.
    #[error("the request took longer than it had said: another one with its idempotency key may have run")]
    Lost,
}

/// What is stored of a request.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct IdempotencyRecord {
    /// The hash of the request.
    request: String,
    /// Which attempt at it: tells one from the next that takes over.
    attempt: u64,
    /// Until then it is under way, or its response is kept.
    #[serde(with = "micros")]
    until: Timestamp,
    /// What was answered, in base64; nothing while it is under way.
    response: Option<String>,
}

impl Idempotency {
    /// Keys that are kept in this database.
    #[must_use]
    pub fn new(kv: Arc<dyn Kv>, env: Env) -> Self {
        Self { kv, env, keys_max: IDEMPOTENCY_KEYS_MAX }
    }

    /// The same with another limit on the keys of one principal.
    #[must_use]
    pub fn with_keys_max(self, keys_max: usize) -> Self {
        Self { keys_max, ..self }
    }

    /// Begins a request of a principal. `request` is everything that makes it what it is: method, path and body.
    ///
    /// # Errors
    /// [`IdempotencyError::InvalidKey`], [`IdempotencyError::OtherRequest`], [`IdempotencyError::UnderWay`],
    /// [`IdempotencyError::TooManyKeys`], [`IdempotencyError::Record`].
    pub async fn begin(&self, principal: &str, key: &str, request: &[u8]) -> Result<Begun, IdempotencyError> {
        let is_key = (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
        if !is_key || principal.len() > PRINCIPAL_BYTES_MAX {
            return Err(IdempotencyError::InvalidKey);
        }
        let request = blake3::hash(request).to_hex().to_string();
        let row = keys::catalog::idempotency(principal, key);
        for _ in 0..ATTEMPTS_MAX {
            let now = self.env.now();
            let old = self.read(&row).await?;
            let mut attempt = 1;
            match old.as_ref().map(|old| &old.value) {
                Some(old) if old.until > now && old.request != request => return Err(IdempotencyError::OtherRequest),
                Some(IdempotencyRecord { until, response: None, .. }) if *until > now => {
                    let left = until.as_micros().saturating_sub(now.as_micros());
                    return Err(IdempotencyError::UnderWay { retry_after_seconds: left.div_ceil(1_000_000).min(5) });
                }
                Some(IdempotencyRecord { until, response: Some(response), .. }) if *until > now => {
                    let what = || RecordError::Unreadable { what: "a response".to_owned() };
                    let response = STANDARD.decode(response).map_err(|_| what())?;
                    return Ok(Begun::Replay(response.into()));
                }
                Some(expired) => attempt = expired.attempt + 1,
                None => self.make_room(principal).await?,
            }
            let until = now.plus(IDEMPOTENT_REQUEST_LEASE);
            let record = IdempotencyRecord { request: request.clone(), attempt, until, response: None };
            let raw = encode(&record);
            let batch = Batch::new().expect(row.clone(), old.map(|old| old.raw())).put(row.clone(), raw.clone());
            if self.kv.commit(batch).await? == Outcome::Committed {
                return Ok(Begun::Run(Ticket { key: row, raw, record }));
            }
        }
        Err(IdempotencyError::UnderWay { retry_after_seconds: 1 })
    }

    /// Says that a request is still under way, for those that take longer than [`IDEMPOTENT_REQUEST_LEASE`].
    ///
    /// # Errors
    /// [`IdempotencyError::Lost`], [`IdempotencyError::Record`].
    pub async fn renew(&self, ticket: &mut Ticket) -> Result<(), IdempotencyError> {
        let record =
            IdempotencyRecord { until: self.env.now().plus(IDEMPOTENT_REQUEST_LEASE), ..ticket.record.clone() };
        let raw = encode(&record);
        self.replace(ticket, Some(raw.clone())).await?;
        (ticket.raw, ticket.record) = (raw, record);
        Ok(())
    }

    /// Keeps the response to a request for [`IDEMPOTENCY_AGE_MAX`].
    ///
    /// # Errors
    /// [`IdempotencyError::ResponseTooLarge`], [`IdempotencyError::Lost`], [`IdempotencyError::Record`].
    pub async fn finish(&self, ticket: Ticket, response: &[u8]) -> Result<(), IdempotencyError> {
        if response.len() > IDEMPOTENT_RESPONSE_BYTES_MAX {
            return Err(IdempotencyError::ResponseTooLarge { bytes: response.len() });
        }
        let until = self.env.now().plus(IDEMPOTENCY_AGE_MAX);
        let record = IdempotencyRecord { until, response: Some(STANDARD.encode(response)), ..ticket.record.clone() };
        self.replace(&ticket, Some(encode(&record))).await
    }

    /// Frees the key of a request that changed nothing, so that it can be tried again.
    ///
    /// # Errors
    /// [`IdempotencyError::Lost`], [`IdempotencyError::Record`].
    pub async fn abandon(&self, ticket: Ticket) -> Result<(), IdempotencyError> {
        self.replace(&ticket, None).await
    }

    /// Removes what is too old. Answers how many keys went.
    ///
    /// # Errors
    /// [`IdempotencyError::Record`].
    pub async fn collect(&self) -> Result<u64, IdempotencyError> {
        self.sweep(KeyRange::prefix(keys::catalog::idempotency_all())).await
    }

    async fn replace(&self, ticket: &Ticket, raw: Option<Bytes>) -> Result<(), IdempotencyError> {
        let batch = Batch::new().expect_value(ticket.key.clone(), ticket.raw.clone());
        let batch = match raw {
            Some(raw) => batch.put(ticket.key.clone(), raw),
            None => batch.delete(ticket.key.clone()),
        };
        match self.kv.commit(batch).await? {
            Outcome::Committed => Ok(()),
            Outcome::Conflict(_) => Err(IdempotencyError::Lost),
        }
    }

    async fn make_room(&self, principal: &str) -> Result<(), IdempotencyError> {
        let range = KeyRange::prefix(keys::catalog::idempotency_of(principal));
        if self.is_full(range.clone()).await? {
            self.sweep(range.clone()).await?;
            if self.is_full(range).await? {
                return Err(IdempotencyError::TooManyKeys { limit: self.keys_max });
            }
        }
        Ok(())
    }

    async fn is_full(&self, range: KeyRange) -> Result<bool, IdempotencyError> {
        let limit = ScanLimit { rows: self.keys_max, bytes: usize::MAX };
        let page = self.kv.scan(Scan { range, order: Order::Ascending, limit, select: Select::Keys }).await?;
        Ok(page.rows.len() >= self.keys_max)
    }

    async fn sweep(&self, mut range: KeyRange) -> Result<u64, IdempotencyError> {
        let mut swept = 0;
        let now = self.env.now();
        loop {
            let limit = ScanLimit { rows: CHUNK_ROWS, bytes: 8 << 20 };
            let scan = Scan { range: range.clone(), order: Order::Ascending, limit, select: Select::Rows };
            let page = self.kv.scan(scan).await?;
            for row in &page.rows {
                let record: IdempotencyRecord = stored::decode(&row.value, what)?;
                if record.until <= now {
                    let batch = Batch::new().expect_value(row.key.clone(), row.value.clone()).delete(row.key.clone());
                    swept += u64::from(self.kv.commit(batch).await? == Outcome::Committed);
                }
            }
            let Some(last) = page.rows.last().filter(|_| page.cut.is_some()) else { return Ok(swept) };
            range = range.after(&last.key);
        }
    }

    async fn read(&self, row: &[u8]) -> Result<Option<Stored<IdempotencyRecord>>, RecordError> {
        stored::read(&*self.kv, row, what).await
    }
}

fn what() -> String {
    "a request with an idempotency key".to_owned()
}

impl fmt::Debug for IdempotencyRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Responses may hold what is shown only once.
        f.debug_struct("IdempotencyRecord").field("attempt", &self.attempt).finish_non_exhaustive()
    }
}

impl From<KvError> for IdempotencyError {
    fn from(error: KvError) -> Self {
        Self::Record(error.into())
    }
}

#[cfg(test)]
mod tests {
    use mu_db::MemKv;

    use super::*;

    fn idempotency() -> Idempotency {
        Idempotency::new(Arc::new(MemKv::new()), Env::simulated(1, Timestamp::from_micros(7)))
    }

    async fn run(idempotency: &Idempotency, key: &str, request: &[u8]) -> Ticket {
        match idempotency.begin("k_a", key, request).await.unwrap() {
            Begun::Run(ticket) => ticket,
            Begun::Replay(response) => panic!("{response:?} was answered before"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_is_given_again_for_a_day() {
        let idempotency = idempotency();
        let ticket = run(&idempotency, "x", b"POST /a").await;
        idempotency.finish(ticket, b"created").await.unwrap();
        for request in [&b"POST /a"[..], b"POST /b"] {
            match (idempotency.begin("k_a", "x", request).await, request) {
                (Ok(Begun::Replay(response)), b"POST /a") => assert_eq!(response, "created"),
                (Err(IdempotencyError::OtherRequest), b"POST /b") => {}
                (other, _) => panic!("{other:?}"),
            }
        }
        assert!(matches!(idempotency.begin("k_b", "x", b"POST /b").await, Ok(Begun::Run(_))), "keys are the sender's");
        tokio::time::advance(IDEMPOTENCY_AGE_MAX).await;
        let _ = run(&idempotency, "x", b"POST /b").await;
    }

    #[tokio::test(start_paused = true)]
    async fn one_request_runs_at_a_time() {
        let idempotency = idempotency();
        let ticket = run(&idempotency, "x", b"POST /a").await;
        let again = idempotency.begin("k_a", "x", b"POST /a").await;
        assert!(matches!(again, Err(IdempotencyError::UnderWay { retry_after_seconds: 5 })), "{again:?}");
        let other = idempotency.begin("k_a", "x", b"POST /b").await;
        assert!(matches!(other, Err(IdempotencyError::OtherRequest)), "{other:?}");
        idempotency.abandon(ticket).await.unwrap();
        let _ = run(&idempotency, "x", b"POST /b").await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_request_is_taken_over() {
        let idempotency = idempotency();
        let mut slow = run(&idempotency, "x", b"POST /a").await;
        tokio::time::advance(IDEMPOTENT_REQUEST_LEASE / 2).await;
        idempotency.renew(&mut slow).await.unwrap();
        tokio::time::advance(IDEMPOTENT_REQUEST_LEASE / 2).await;
        assert!(matches!(idempotency.begin("k_a", "x", b"POST /a").await, Err(IdempotencyError::UnderWay { .. })));
        tokio::time::advance(IDEMPOTENT_REQUEST_LEASE).await;
        let next = run(&idempotency, "x", b"POST /a").await;
        assert!(matches!(idempotency.renew(&mut slow).await, Err(IdempotencyError::Lost)));
        assert!(matches!(idempotency.finish(slow, b"slow").await, Err(IdempotencyError::Lost)));
        idempotency.finish(next, b"next").await.unwrap();
        assert!(matches!(idempotency.begin("k_a", "x", b"POST /a").await, Ok(Begun::Replay(r)) if r == "next"));
    }

    #[tokio::test(start_paused = true)]
    async fn keys_and_responses_are_bounded() {
        let idempotency = idempotency().with_keys_max(10);
        for key in ["", "a b", "é", "a\n", &"x".repeat(256)] {
            let refused = idempotency.begin("k_a", key, b"").await;
            assert!(matches!(refused, Err(IdempotencyError::InvalidKey)), "{key:?}");
        }
        let ticket = run(&idempotency, &"x".repeat(255), b"").await;
        let refused = idempotency.finish(ticket, &[0; IDEMPOTENT_RESPONSE_BYTES_MAX + 1]).await;
        assert!(matches!(refused, Err(IdempotencyError::ResponseTooLarge { .. })));
        for key in 1..10 {
            let _ = run(&idempotency, &key.to_string(), b"").await;
        }
        assert!(matches!(
            idempotency.begin("k_a", "more", b"").await,
            Err(IdempotencyError::TooManyKeys { limit: 10 })
        ));
        assert!(matches!(idempotency.begin("k_b", "more", b"").await, Ok(Begun::Run(_))));
        tokio::time::advance(IDEMPOTENT_REQUEST_LEASE).await;
        let _ = run(&idempotency, "more", b"").await;
        assert_eq!(idempotency.collect().await.unwrap(), 1, "those of the first were swept when it had too many");
    }

    /// Changing this forgets the requests of a day.
    #[test]
    fn golden() {
        let record = IdempotencyRecord {
            request: "ab".into(),
            attempt: 1,
            until: Timestamp::from_micros(5),
            response: Some(STANDARD.encode("ok")),
        };
        let expected = b"\x01{\"request\":\"ab\",\"attempt\":1,\"until\":5,\"response\":\"b2s=\"}";
        assert_eq!(encode(&record), &expected[..]);
        assert_eq!(stored::decode::<IdempotencyRecord>(expected, what).unwrap(), record);
    }
}
