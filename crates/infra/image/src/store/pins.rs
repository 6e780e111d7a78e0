//! What must stay: images and layers that somebody uses, or is about to use.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::Digest;

/// Keeps an image or a layer from being collected as long as it, or a clone of it, lives.
pub(crate) type Pin = Arc<Pinned>;

#[derive(Debug, Default)]
pub(crate) struct Pinned {
    /// Held by who makes it, so that others wait and find it made.
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
}

/// The pins of a store.
#[derive(Debug, Default)]
pub(super) struct Pins(Mutex<HashMap<Digest, Weak<Pinned>>>);

impl Pins {
    /// Pins what is there, or may be soon. What is looked for after this stays.
    pub(super) fn pin(&self, digest: &Digest) -> Pin {
        let mut pins = self.lock();
        if let Some(pin) = pins.get(digest).and_then(Weak::upgrade) {
            return pin;
        }
        let pin = Pin::default();
        pins.insert(digest.clone(), Arc::downgrade(&pin));
        pin
    }

    /// Runs this, which has to be quick, if nobody has a pin; nobody gets one meanwhile.
    pub(super) fn unless_pinned<T>(&self, digest: &Digest, remove: impl FnOnce() -> T) -> Option<T> {
        let mut pins = self.lock();
        if pins.get(digest).is_some_and(|pin| pin.strong_count() > 0) {
            return None;
        }
        pins.remove(digest);
        Some(remove())
    }

    /// Forgets those that nobody has any more.
    pub(super) fn forget_unpinned(&self) {
        self.lock().retain(|_, pin| pin.strong_count() > 0);
    }

    pub(super) fn is_pinned(&self, digest: &Digest) -> bool {
        self.lock().get(digest).is_some_and(|pin| pin.strong_count() > 0)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Weak<Pinned>>> {
        // Every change is one call, so a panic elsewhere leaves the map whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pinned_stays() {
        let (pins, digest) = (Pins::default(), Digest::of(b"layer"));
        let first = pins.pin(&digest);
        let second = pins.pin(&digest);
        assert!(Arc::ptr_eq(&first, &second));
        drop(first);
        assert_eq!(pins.unless_pinned(&digest, || ()), None);
        pins.forget_unpinned();
        assert!(pins.is_pinned(&digest));
        drop(second);
        pins.forget_unpinned();
        assert!(pins.lock().is_empty());
        assert!(!pins.is_pinned(&digest));
        assert_eq!(pins.unless_pinned(&digest, || ()), Some(()));
    }
}
