//! What the node has for containers: memory and processors, reserved before a container is started.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// An amount of what containers need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) memory_bytes: u64,
    pub(super) milli_cpus: u64,
}

/// What is there, and what of it is free.
pub(super) struct Reserve {
    all: Room,
    free: Mutex<Room>,
    freed: Notify,
}

/// A part of the reserve, until dropped.
pub(super) struct Reservation {
    reserve: Arc<Reserve>,
    room: Room,
}

impl Room {
    fn minus(self, other: Self) -> Option<Self> {
        Some(Self {
            memory_bytes: self.memory_bytes.checked_sub(other.memory_bytes)?,
            milli_cpus: self.milli_cpus.checked_sub(other.milli_cpus)?,
        })
    }
}

impl Reserve {
    pub(super) fn new(all: Room) -> Self {
        Self { all, free: Mutex::new(all), freed: Notify::new() }
    }

    /// All that there is.
    pub(super) fn all(&self) -> Room {
        self.all
    }

    /// What of it is not free.
    pub(super) fn taken(&self) -> Room {
        self.all.minus(*self.free()).unwrap_or_default()
    }

    /// Whether so much is there at all, free or not.
    pub(super) fn could_hold(&self, room: Room) -> bool {
        self.all.minus(room).is_some()
    }

    /// A part of it, if so much is free.
    pub(super) fn try_take(self: &Arc<Self>, room: Room) -> Option<Reservation> {
        let mut free = self.free();
        *free = free.minus(room)?;
        Some(Reservation { reserve: Arc::clone(self), room })
    }

    /// Resolves when something has become free since it was first polled.
    pub(super) async fn freed(&self) {
        self.freed.notified().await;
    }

    fn free(&self) -> MutexGuard<'_, Room> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut free = self.reserve.free();
        free.memory_bytes += self.room.memory_bytes;
        free.milli_cpus += self.room.milli_cpus;
        drop(free);
        self.reserve.freed.notify_waiters();
    }
}

impl fmt::Debug for Reserve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reserve").field("all", &self.all).field("free", &*self.free()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.room, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_given_than_there_is() {
        let room = |memory_bytes, milli_cpus| Room { memory_bytes, milli_cpus };
        let reserve = Arc::new(Reserve::new(room(100, 1_000)));
        assert!(reserve.could_hold(room(100, 1_000)));
        assert!(!reserve.could_hold(room(101, 0)));
        let first = reserve.try_take(room(60, 100)).unwrap();
        assert!(reserve.try_take(room(60, 100)).is_none());
        assert!(reserve.try_take(room(0, 901)).is_none());
        let second = reserve.try_take(room(40, 900)).unwrap();
        drop(first);
        assert!(reserve.try_take(room(60, 101)).is_none());
        drop(second);
        assert!(reserve.try_take(room(100, 1_000)).is_some());
    }
}
