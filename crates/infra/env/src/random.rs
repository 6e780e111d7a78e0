//! Randomness that can be seeded.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};

/// Where random bytes come from. The system source is fit for keys; a seeded one is for tests only.
#[derive(Clone, Debug)]
pub struct Random(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Seeded(Arc<Mutex<u64>>),
}

/// Bytes fetched from the operating system at once: a system call for every id would cost more than the id.
const POOL_BYTES: usize = 512;

thread_local! {
    static POOL: RefCell<([u8; POOL_BYTES], usize)> = const { RefCell::new(([0; POOL_BYTES], POOL_BYTES)) };
}

impl Random {
    pub(crate) fn system() -> Self {
        Self(Source::System)
    }

    pub(crate) fn seeded(seed: u64) -> Self {
        Self(Source::Seeded(Arc::new(Mutex::new(seed))))
    }

    /// Fills `buffer` with random bytes fit for cryptographic keys (when the source is the system's).
    ///
    /// # Panics
    /// When the operating system has no randomness to give: nothing safe can be done without it.
    pub fn fill_secret(&self, buffer: &mut [u8]) {
        match &self.0 {
            Source::System => getrandom::fill(buffer).expect("the operating system gives random bytes"),
            Source::Seeded(_) => self.fill(buffer),
        }
    }

    /// Fills `buffer` with unpredictable bytes for ids and jitter; cheaper than [`Random::fill_secret`], because the
    /// bytes wait in memory of the process before they are used.
    pub fn fill(&self, buffer: &mut [u8]) {
        match &self.0 {
            Source::System if buffer.len() <= POOL_BYTES / 4 => fill_from_pool(buffer),
            Source::System => self.fill_secret(buffer),
            Source::Seeded(state) => {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                for chunk in buffer.chunks_mut(8) {
                    let bytes = split_mix(&mut state).to_le_bytes();
                    chunk.copy_from_slice(&bytes[..chunk.len()]);
                }
            }
        }
    }

    /// A random number.
    #[must_use]
    pub fn next_u64(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

fn fill_from_pool(buffer: &mut [u8]) {
    POOL.with_borrow_mut(|(pool, used)| {
        if *used + buffer.len() > POOL_BYTES {
            getrandom::fill(pool).expect("the operating system gives random bytes");
            *used = 0;
        }
        let taken = &mut pool[*used..*used + buffer.len()];
        buffer.copy_from_slice(taken);
        taken.fill(0);
        *used += buffer.len();
    });
}

/// SplitMix64 (Steele, Lea, Flood 2014): a full-period generator whose whole state is one word.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let (a, b) = (Random::seeded(1), Random::seeded(1));
        assert_eq!((a.next_u64(), a.next_u64()), (b.next_u64(), b.next_u64()));
        assert_ne!(a.next_u64(), Random::seeded(2).next_u64());
    }

    #[test]
    fn the_pool_never_repeats_bytes() {
        let random = Random::system();
        let mut seen = std::collections::HashSet::new();
        assert!((0..1_000).all(|_| seen.insert(random.next_u64())));
    }
}
