//! No signature is accepted twice.
//!
//! The mark of a used nonce is a key that must be absent when it is written, so that of two requests with one signature
//! one wins, on whichever nodes of a region they arrive. Marks sort by the time after which their signature would be
//! refused for its age alone, and are removed from that end.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mu_db::keys::access as keys;
use mu_db::{Batch, Kv, Order, Outcome, Select};
use mu_env::Env;

use super::signature::{SKEW, VerifiedSignature};
use super::{AccessError, paged, record};

/// A mark outlives its signature by this much, because the clocks of nodes differ and are set back at times.
const CLOCK_MARGIN: Duration = Duration::from_secs(10 * 60);
/// Marks removed by one step of cleaning.
pub const CLEAN_STEP_ROWS: usize = 500;

/// Which signatures were used.
#[derive(Clone, Debug)]
pub struct Nonces {
    kv: Arc<dyn Kv>,
    env: Env,
}

/// What one step of cleaning did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cleaned {
    /// What it removed.
    pub removed: usize,
    /// Whether there may be more to remove.
    pub has_more: bool,
}

impl Nonces {
    /// The marks in this store.
    #[must_use]
    pub fn new(kv: Arc<dyn Kv>, env: Env) -> Self {
        Self { kv, env }
    }

    /// Marks a signature as used, durably.
    ///
    /// # Errors
    /// [`AccessError::Replayed`] when it was used before, [`AccessError::Store`]. When the store fails the mark may have
    /// been made: the request must be signed anew.
    pub async fn spend(&self, signature: &VerifiedSignature) -> Result<(), AccessError> {
        let until_secs = signature.created_secs.saturating_add(SKEW.as_secs());
        let key = keys::nonce(until_secs, signature.client.as_bytes(), &signature.nonce);
        let mark = Batch::new().expect_absent(key.clone()).put(key, record::encode_bytes(&[]));
        match self.kv.commit(mark).await? {
            Outcome::Committed => Ok(()),
            Outcome::Conflict(_) => Err(AccessError::Replayed),
        }
    }

    /// Removes some of the marks that are no longer needed: [`CLEAN_STEP_ROWS`] at most.
    ///
    /// # Errors
    /// [`AccessError::Store`]
    pub async fn clean_step(&self) -> Result<Cleaned, AccessError> {
        let now_secs = self.env.now().as_millis() / 1_000;
        let range = keys::nonces_before(now_secs.saturating_sub(CLOCK_MARGIN.as_secs()));
        let old = paged::rows(&*self.kv, range, Order::Ascending, CLEAN_STEP_ROWS, Select::Keys).await?;
        let marks: Vec<Bytes> = old.rows.into_iter().map(|row| row.key).collect();
        let removed = marks.len();
        if removed > 0 {
            self.kv.commit(marks.into_iter().fold(Batch::new(), Batch::delete)).await?;
        }
        Ok(Cleaned { removed, has_more: old.is_cut })
    }
}

#[cfg(test)]
mod tests {
    use mu_db::{KeyRange, MemKv, RedbKv, RedbOptions};
    use mu_env::Timestamp;

    use super::super::ClientKey;
    use super::super::signature::ExpectedBody;
    use super::*;

    const START_SECS: u64 = 1_700_000_000;

    fn env() -> Env {
        Env::simulated(1, Timestamp::from_micros(START_SECS * 1_000_000))
    }

    fn signature(client: u8, nonce: &str) -> VerifiedSignature {
        let client = ClientKey::new([client; 32]);
        VerifiedSignature { client, created_secs: START_SECS, nonce: nonce.into(), body: ExpectedBody::Empty }
    }

    async fn marks(kv: &Arc<dyn Kv>) -> usize {
        let all = paged::rows(&**kv, KeyRange::all(), Order::Ascending, 1_000, Select::Keys).await.unwrap();
        all.rows.len()
    }

    #[tokio::test(start_paused = true)]
    async fn a_signature_is_used_once() {
        let nonces = Nonces::new(Arc::new(MemKv::new()), env());
        assert_eq!(nonces.spend(&signature(1, "0123456789abcdef")).await, Ok(()));
        assert_eq!(nonces.spend(&signature(1, "0123456789abcdef")).await, Err(AccessError::Replayed));
        // Another client may come upon the same nonce.
        assert_eq!(nonces.spend(&signature(2, "0123456789abcdef")).await, Ok(()));
        assert_eq!(nonces.spend(&signature(1, "0123456789abcdeg")).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_at_once_one_wins() {
        let nonces = Nonces::new(Arc::new(MemKv::new()), env());
        let signature = signature(1, "0123456789abcdef");
        let all = futures_util::future::join_all((0..16).map(|_| nonces.spend(&signature))).await;
        assert_eq!(all.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn marks_survive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mu.redb");
        for expected in [Ok(()), Err(AccessError::Replayed)] {
            let store = Arc::new(RedbKv::open(&path, &RedbOptions::default()).unwrap());
            let nonces = Nonces::new(Arc::<RedbKv>::clone(&store), env());
            assert_eq!(nonces.spend(&signature(1, "0123456789abcdef")).await, expected);
            store.close().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn old_marks_are_removed_in_steps() {
        let kv: Arc<dyn Kv> = Arc::new(MemKv::new());
        let nonces = Nonces::new(Arc::clone(&kv), env());
        for nonce in 0..CLEAN_STEP_ROWS + 3 {
            nonces.spend(&signature(1, &format!("{nonce:016}"))).await.unwrap();
        }
        let kept = CLEAN_STEP_ROWS + 3;
        let nothing = Cleaned { removed: 0, has_more: false };
        assert_eq!(nonces.clean_step().await, Ok(nothing));
        tokio::time::advance(SKEW + CLOCK_MARGIN).await;
        assert_eq!(nonces.clean_step().await, Ok(nothing));
        assert_eq!(marks(&kv).await, kept);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(nonces.clean_step().await, Ok(Cleaned { removed: CLEAN_STEP_ROWS, has_more: true }));
        assert_eq!(nonces.clean_step().await, Ok(Cleaned { removed: 3, has_more: false }));
        assert_eq!(marks(&kv).await, 0);
    }
}
