//! A map that many read and few change.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

/// How many parts the map has. A change copies one of them: with ten thousand entries about forty of these.
const SHARDS: usize = 256;

/// A map in parts, each of which is replaced as a whole when it changes. Reading is lock-free, and costs the same as
/// with one map that is replaced; changing costs the 256th part of it. A map with a lock in each part would be cheaper
/// to change, but its locks would bounce between the cores that serve the same stack.
#[derive(Debug)]
pub(crate) struct Shards<K, V> {
    shards: Box<[ArcSwap<HashMap<K, V>>]>,
    hasher: RandomState,
    /// Serializes changes.
    changes: Mutex<()>,
}

/// What becomes of a key: its new value, or nothing.
pub(crate) type Change<K, V> = (K, Option<V>);

impl<K: Hash + Eq + Clone, V: Clone> Shards<K, V> {
    /// The value of a key.
    pub(crate) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.with(key, V::clone)
    }

    /// What `read` makes of the value of a key. Shorter than a clone, where the value is shared by many readers.
    pub(crate) fn with<Q: Hash + Eq + ?Sized, T>(&self, key: &Q, read: impl FnOnce(&V) -> T) -> Option<T>
    where
        K: Borrow<Q>,
    {
        self.shards[self.shard_of(key)].load().get(key).map(read)
    }

    /// Sets the value of one key.
    pub(crate) fn set(&self, key: K, value: V) {
        self.change(vec![(key, Some(value))]);
    }

    /// Takes a key out.
    pub(crate) fn remove(&self, key: K) {
        self.change(vec![(key, None)]);
    }

    /// Makes several changes, each part of the map being copied once. Readers may see some of them before others.
    pub(crate) fn change(&self, mut changes: Vec<Change<K, V>>) {
        let _one_at_a_time = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        changes.sort_by_cached_key(|(key, _)| self.shard_of(key));
        let mut changes = changes.into_iter().peekable();
        while let Some(first) = changes.next() {
            let index = self.shard_of(&first.0);
            let mut shard = HashMap::clone(&self.shards[index].load());
            apply(&mut shard, first);
            while let Some(next) = changes.next_if(|(key, _)| self.shard_of(key) == index) {
                apply(&mut shard, next);
            }
            self.shards[index].store(Arc::new(shard));
        }
    }

    /// All values, in no order.
    pub(crate) fn values(&self) -> Vec<V> {
        self.shards.iter().flat_map(|shard| shard.load().values().cloned().collect::<Vec<_>>()).collect()
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.load().len()).sum()
    }

    fn shard_of<Q: Hash + ?Sized>(&self, key: &Q) -> usize {
        // The highest bits choose the part; the maps inside use others of a hash of their own.
        usize::try_from(self.hasher.hash_one(key) >> 56).unwrap_or_default() % SHARDS
    }
}

impl<K, V> Default for Shards<K, V> {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| ArcSwap::default()).collect();
        Self { shards, hasher: RandomState::new(), changes: Mutex::new(()) }
    }
}

fn apply<K: Hash + Eq, V>(shard: &mut HashMap<K, V>, (key, value): Change<K, V>) {
    match value {
        Some(value) => drop(shard.insert(key, value)),
        None => drop(shard.remove(&key)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_made_in_their_order() {
        let map = Shards::default();
        map.change((0..1_000_u32).map(|key| (key, Some(key))).collect());
        assert_eq!((map.len(), map.get(&999)), (1_000, Some(999)));
        map.change(vec![(5, Some(1)), (5, None), (6, None), (6, Some(7)), (2_000, None)]);
        assert_eq!((map.get(&5), map.get(&6), map.len()), (None, Some(7), 999));
        map.set(5, 5);
        map.remove(6);
        let mut values = map.values();
        values.sort_unstable();
        assert_eq!(values, (0..1_000).filter(|&value| value != 6).collect::<Vec<_>>());
    }
}
