//! Instances that serve several calls, one after the other.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use wasmtime::Store;

use super::execute::Handler;
use super::state::ComponentState;

/// Calls that an instance serves before it is replaced. Bounds what a leak in a function can grow to.
const CALLS_MAX: u32 = 10_000;

/// How long an instance waits for its next call.
const IDLE_TIME: Duration = Duration::from_secs(30);

/// The instances of one function that wait for a call, the one used last on top.
pub(super) struct IdleInstances {
    waiting: Mutex<Waiting>,
    /// Shared by all functions of the node: instances that wait take places of the pool from those that run.
    places: Arc<Semaphore>,
}

#[derive(Default)]
struct Waiting {
    instances: Vec<Idle>,
    is_swept: bool,
}

struct Idle {
    instance: Instance,
    since: Instant,
    _place: OwnedSemaphorePermit,
}

/// An instance that has served a call without failing.
pub(super) struct Instance {
    pub(super) store: Store<ComponentState>,
    pub(super) handler: Handler,
}

impl IdleInstances {
    pub(super) fn new(places: Arc<Semaphore>) -> Self {
        Self { waiting: Mutex::default(), places }
    }

    pub(super) fn take(&self) -> Option<Instance> {
        self.waiting().instances.pop().map(|idle| idle.instance)
    }

    /// Keeps an instance for a next call, unless it has served its time or too many wait already.
    pub(super) fn keep(self: &Arc<Self>, mut store: Store<ComponentState>, handler: Handler) {
        if store.data_mut().count_call() >= CALLS_MAX {
            return;
        }
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return };
        let idle = Idle { instance: Instance { store, handler }, since: Instant::now(), _place: place };
        let mut waiting = self.waiting();
        waiting.instances.push(idle);
        if !std::mem::replace(&mut waiting.is_swept, true) {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    /// Drops instances that have waited for too long; `false` when none is left.
    fn drop_old(&self) -> bool {
        let mut waiting = self.waiting();
        let old = waiting.instances.iter().take_while(|idle| idle.since.elapsed() >= IDLE_TIME).count();
        let dropped: Vec<Idle> = waiting.instances.drain(..old).collect();
        waiting.is_swept = !waiting.instances.is_empty();
        let is_swept = waiting.is_swept;
        drop(waiting);
        drop(dropped);
        is_swept
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends when no instance waits, or the function is gone.
async fn sweep(instances: Weak<IdleInstances>) {
    loop {
        tokio::time::sleep(IDLE_TIME).await;
        if !instances.upgrade().is_some_and(|instances| instances.drop_old()) {
            return;
        }
    }
}
