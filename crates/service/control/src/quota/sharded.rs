//! A map in several parts, each with a lock of its own, so that threads seldom wait for each other.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

const SHARDS: usize = 16;

#[derive(Debug)]
pub(super) struct Sharded<K, V> {
    hasher: RandomState,
    shards: [Mutex<HashMap<K, V>>; SHARDS],
}

impl<K: Eq + Hash, V> Sharded<K, V> {
    pub(super) fn new() -> Self {
        Self { hasher: RandomState::new(), shards: std::array::from_fn(|_| Mutex::default()) }
    }

    /// The part that has, or would have, this key.
    pub(super) fn of(&self, key: &K) -> MutexGuard<'_, HashMap<K, V>> {
        let shards = self.shards.len() as u64;
        let shard = usize::try_from(self.hasher.hash_one(key) % shards).unwrap_or_default();
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many keys a part may have when all together may have `keys_max`.
    pub(super) const fn share_of(keys_max: usize) -> usize {
        let share = keys_max / SHARDS;
        if share == 0 { 1 } else { share }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap().len()).sum()
    }
}
