//! How many of many run at the same time.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use super::sharded::Sharded;

/// Counts what runs, by key. It remembers those keys alone of which something runs.
#[derive(Debug)]
pub struct Concurrency<K>(Arc<Sharded<K, u32>>);

/// Something that runs, until this is dropped.
#[must_use = "it counts as long as this lives"]
pub struct Running<K: Eq + Hash> {
    key: K,
    counts: Arc<Sharded<K, u32>>,
}

impl<K: Clone + Eq + Hash> Concurrency<K> {
    /// Nothing runs.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Sharded::new()))
    }

    /// Counts one more, unless `limit` of the key run already.
    pub fn enter(&self, key: &K, limit: u32) -> Option<Running<K>> {
        let mut counts = self.0.of(key);
        match counts.get_mut(key) {
            _ if limit == 0 => return None,
            Some(count) if *count >= limit => return None,
            Some(count) => *count += 1,
            None => drop(counts.insert(key.clone(), 1)),
        }
        Some(Running { key: key.clone(), counts: Arc::clone(&self.0) })
    }
}

impl<K: Clone + Eq + Hash> Default for Concurrency<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Eq + Hash> Drop for Running<K> {
    fn drop(&mut self) {
        let mut counts = self.counts.of(&self.key);
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

impl<K: Eq + Hash + fmt::Debug> fmt::Debug for Running<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Running").field(&self.key).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_run_as_may() {
        let concurrency = Concurrency::new();
        let first = concurrency.enter(&"a", 2).unwrap();
        let second = concurrency.enter(&"a", 2).unwrap();
        assert!(concurrency.enter(&"a", 2).is_none());
        assert!(concurrency.enter(&"a", 3).is_some(), "a limit that was raised counts at once");
        let other = concurrency.enter(&"b", 1).unwrap();
        drop(first);
        assert!(concurrency.enter(&"a", 2).is_some());
        assert!(concurrency.enter(&"a", 0).is_none());
        drop((second, other));
        assert_eq!(concurrency.0.len(), 0, "nothing is remembered of what does not run");
        assert!(concurrency.enter(&"a", 0).is_none());
        assert_eq!(concurrency.0.len(), 0);
    }
}
