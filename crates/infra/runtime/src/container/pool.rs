//! The containers of one function: who has one, who waits for one, when there are more, when there are fewer.

mod lease;

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mu_container::{ContainerSpec, Runner};
use mu_telemetry::ContainerReadings;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(super) use self::lease::Lease;
use self::lease::Waiting;
use super::engine::{Eviction, Shared};
use super::instance::{Instance, StartFailure};
use super::reserve::{Reservation, Room};
use super::waited::Waited;

/// What a start is expected to take before there was one.
const START_COST_AT_FIRST: Duration = Duration::from_millis(150);

/// How long a call waits while all processors are busy, before another container is started all the same.
const STARVED_AFTER: Duration = Duration::from_secs(1);

/// How soon a start is tried again that there was no room for.
const TRY_AGAIN: Duration = Duration::from_millis(20);

/// How long nothing is started to be kept ready after a start has failed; doubled with every failure.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LAST: Duration = Duration::from_secs(60);

/// The containers of one function.
pub(super) struct Pool {
    shared: Arc<Shared>,
    runner: Arc<dyn Runner>,
    spec: ContainerSpec,
    room: Room,
    idle_timeout: Duration,
    /// Containers that are there whether or not they are called.
    ready_min: usize,
    state: Mutex<State>,
    /// Tells the keeper that something is due earlier than it knows.
    due: Notify,
    closed: CancellationToken,
}

struct State {
    /// The one that was used last is at the end.
    idle: Vec<Idle>,
    waiting: VecDeque<Waiter>,
    waited: Waited,
    /// Containers that exist, idle ones and those in calls.
    live: usize,
    starting: usize,
    /// Containers that were ever started.
    numbers: u64,
    /// What a start takes.
    start_cost: Duration,
    /// Starts that failed since one succeeded, and when to start one again that nobody waits for.
    failed_starts: u32,
    retry_at: Instant,
    /// When the keeper looks again; `None` when only when told.
    keeper_wakes: Option<Instant>,
}

struct Idle {
    slot: Slot,
    since: Instant,
}

struct Slot {
    instance: Instance,
    /// Which one it is, for whoever notices that it has ended.
    number: u64,
}

/// A call that waits for a container.
struct Waiter {
    since: Instant,
    sender: oneshot::Sender<Result<Lease, StartFailure>>,
}

/// Closes the pool when it is dropped.
pub(super) struct OpenPool(Arc<Pool>);

/// What a pool is made of.
pub(super) struct PoolParams {
    pub(super) shared: Arc<Shared>,
    pub(super) runner: Arc<dyn Runner>,
    pub(super) spec: ContainerSpec,
    pub(super) idle_timeout: Duration,
    pub(super) ready_min: usize,
}

impl Pool {
    /// A pool, and the task that keeps it.
    pub(super) fn open(params: PoolParams) -> OpenPool {
        let PoolParams { shared, runner, spec, idle_timeout, ready_min } = params;
        let now = Instant::now();
        let milli_cpus = spec.limits.milli_cpus.unwrap_or(shared.config().milli_cpus_reserved);
        let room = Room { memory_bytes: spec.limits.memory_bytes, milli_cpus };
        let state = State {
            idle: Vec::new(),
            waiting: VecDeque::new(),
            waited: Waited::new(now),
            live: 0,
            starting: 0,
            numbers: 0,
            start_cost: START_COST_AT_FIRST,
            failed_starts: 0,
            retry_at: now,
            keeper_wakes: None,
        };
        let pool = Arc::new(Self {
            shared,
            runner,
            spec,
            room,
            idle_timeout,
            ready_min,
            state: Mutex::new(state),
            due: Notify::new(),
            closed: CancellationToken::new(),
        });
        pool.shared.add(&pool);
        pool.shared.tasks().spawn(Arc::clone(&pool).keep());
        OpenPool(pool)
    }

    /// A container for a call: the one that was used last of those that are idle, or the next that is ready.
    /// Cancellation-safe.
    pub(super) async fn lease(self: &Arc<Self>) -> Result<Lease, StartFailure> {
        loop {
            let waiting = {
                let mut state = self.state();
                match state.idle.pop() {
                    Some(idle) => Ok(Lease::new(self, idle.slot)),
                    None => {
                        let (sender, receiver) = oneshot::channel();
                        state.waiting.push_back(Waiter { since: Instant::now(), sender });
                        state.note_waiting();
                        Err(receiver)
                    }
                }
            };
            let mut lease = match waiting {
                Ok(lease) => lease,
                Err(receiver) => {
                    self.consider();
                    let waiting = Waiting { pool: self, receiver };
                    waiting.receive().await?
                }
            };
            match lease.instance().wake().await {
                Ok(()) => return Ok(lease),
                // It ended, or its function stopped listening, while nobody looked: another one will do.
                Err(_) => lease.discard(),
            }
        }
    }

    /// Since when the container is idle that has been so for longest, unless it is to be kept ready.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let state = self.state();
        let oldest = state.idle.first()?;
        (state.live > self.ready_min).then_some(oldest.since)
    }

    /// Whether there is no container but those that are being started: who waits does so for a start, not for room.
    pub(super) fn is_starting(&self) -> bool {
        let state = self.state();
        state.live == 0 && state.starting > 0
    }

    /// How many processors its containers share.
    pub(super) fn processors(&self) -> u32 {
        u32::try_from(self.shared.machine().processors()).unwrap_or(u32::MAX)
    }

    /// Removes the container that has been idle for longest.
    pub(super) fn evict(self: &Arc<Self>) {
        let mut evicted = {
            let mut state = self.state();
            if state.idle.is_empty() || state.live <= self.ready_min {
                return;
            }
            state.live -= 1;
            state.idle.remove(0)
        };
        evicted.slot.instance.give_way(Eviction::begin(&self.shared));
        drop(evicted);
    }

    /// Adds its containers to the node's.
    pub(super) fn add_to(&self, readings: &mut ContainerReadings) {
        let state = self.state();
        let frozen = state.idle.iter().filter(|idle| idle.slot.instance.is_frozen()).count();
        readings.starting += state.starting as u64;
        readings.busy += state.live.saturating_sub(state.idle.len()) as u64;
        readings.idle += (state.idle.len() - frozen) as u64;
        readings.frozen += frozen as u64;
        readings.waiting_calls += state.waiting.len() as u64;
    }

    /// Removes what is idle, starts nothing any more, and keeps nothing that is given back.
    pub(super) fn close(&self) {
        self.closed.cancel();
    }

    /// Starts as many containers as are worth it and have room.
    fn consider(self: &Arc<Self>) {
        loop {
            let mut state = self.state();
            if !self.wants_another(&mut state) {
                break;
            }
            let Some(reservation) = self.shared.reserve().try_take(self.room) else {
                drop(state);
                self.shared.make_room();
                break;
            };
            state.starting += 1;
            state.waited.forget(Instant::now());
            drop(state);
            self.shared.tasks().spawn(Arc::clone(self).start(reservation));
        }
        self.wake_keeper();
    }

    /// Whether another container should be started now, if there is room for it.
    fn wants_another(&self, state: &mut State) -> bool {
        let (now, machine) = (Instant::now(), self.shared.machine());
        let there = state.live + state.starting;
        if self.closed.is_cancelled() || state.starting >= machine.processors() {
            return false;
        }
        state.forget_those_who_left();
        if state.waiting.len() > state.starting {
            let is_worth_it = state.waited.total(now) >= state.start_cost;
            let is_starved = state.waiting.front().is_some_and(|first| now >= first.since + STARVED_AFTER);
            // More containers than processors help only calls that wait for something else than a processor: which who has
            // waited for long is taken to do.
            let is_of_use = there < machine.processors() || is_starved || !machine.is_saturated();
            return there == 0 || (is_worth_it && is_of_use);
        }
        there < self.ready_min && now >= state.retry_at
    }

    async fn start(self: Arc<Self>, reservation: Reservation) {
        let begun = Instant::now();
        let (tasks, config) = (self.shared.tasks(), self.shared.config());
        let start = Instance::start(tasks, &*self.runner, self.spec.clone(), reservation, config.start_timeout);
        let Some(started) = self.closed.run_until_cancelled(start).await else { return };
        let mut state = self.state();
        state.starting -= 1;
        let counts = self.shared.counts();
        match started {
            Ok(instance) => {
                counts.started.fetch_add(1, Ordering::Relaxed);
                state.live += 1;
                state.start_cost = (state.start_cost + begun.elapsed()) / 2;
                state.failed_starts = 0;
                state.numbers += 1;
                let mut slot = Slot { instance, number: state.numbers };
                drop(state);
                self.watch(&mut slot);
                self.give_back(slot);
            }
            Err(failure) => {
                counts.failed_starts.fetch_add(1, Ordering::Relaxed);
                let delay = RETRY_FIRST.saturating_mul(1 << state.failed_starts.min(16)).min(RETRY_LAST);
                state.failed_starts = state.failed_starts.saturating_add(1);
                state.retry_at = Instant::now() + delay;
                tracing::debug!(container = self.spec.label, failure = %failure.failure, "a container did not start");
                let waiter = state.next_waiter();
                drop(state);
                // Whoever has waited longest is told; the others may have more luck.
                if let Some(waiter) = waiter {
                    let _ = waiter.sender.send(Err(failure));
                }
            }
        }
        self.consider();
    }

    fn watch(self: &Arc<Self>, slot: &mut Slot) {
        let (pool, number) = (Arc::downgrade(self), slot.number);
        slot.instance.watch(move || {
            let Some(pool) = pool.upgrade() else { return };
            let mut state = pool.state();
            // One that is in a call is its call's business.
            let Some(place) = state.idle.iter().position(|idle| idle.slot.number == number) else { return };
            let gone = state.idle.remove(place);
            state.live -= 1;
            drop(state);
            drop(gone);
            pool.consider();
        });
    }

    /// Passes a container on to who has waited longest, or keeps it for the next call.
    fn give_back(self: &Arc<Self>, mut slot: Slot) {
        loop {
            let mut state = self.state();
            if self.closed.is_cancelled() {
                state.live -= 1;
                return;
            }
            let Some(waiter) = state.next_waiter() else {
                state.idle.push(Idle { slot, since: Instant::now() });
                drop(state);
                self.wake_keeper();
                return;
            };
            drop(state);
            match waiter.sender.send(Ok(Lease::new(self, slot))) {
                Ok(()) => return,
                Err(Ok(mut lease)) => slot = lease.slot.take().expect("nobody has taken it"),
                Err(Err(_)) => return,
            }
        }
    }

    fn remove(self: &Arc<Self>, slot: Slot) {
        self.state().live -= 1;
        drop(slot);
        self.consider();
    }

    /// Does what time brings: freezes containers, removes them, and starts others, until the pool is closed.
    async fn keep(self: Arc<Self>) {
        self.consider();
        loop {
            let next = {
                let mut state = self.state();
                state.keeper_wakes = self.next_due(&state);
                state.keeper_wakes
            };
            let time = async {
                match next {
                    Some(next) => tokio::time::sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.closed.cancelled() => break,
                () = time => {}
                () = self.due.notified() => {}
                () = self.shared.reserve().freed(), if self.lacks_any() => {}
            }
            self.tend().await;
            self.consider();
        }
        let (idle, waiting) = {
            let mut state = self.state();
            (std::mem::take(&mut state.idle), std::mem::take(&mut state.waiting))
        };
        // Who waits is told that there is nothing to wait for.
        drop((idle, waiting));
    }

    /// Freezes and removes whose time has come.
    async fn tend(self: &Arc<Self>) {
        let now = Instant::now();
        let (expired, to_freeze) = {
            let mut state = self.state();
            let mut expired = Vec::new();
            while state.live > self.ready_min
                && state.idle.first().is_some_and(|oldest| now >= oldest.since + self.idle_timeout)
            {
                state.live -= 1;
                expired.push(state.idle.remove(0));
            }
            (expired, self.next_to_freeze(&mut state, now))
        };
        drop(expired);
        let mut next = to_freeze;
        while let Some(mut idle) = next.take() {
            // Meanwhile nobody finds it; a call that comes now waits for less than a millisecond.
            match idle.slot.instance.freeze().await {
                Ok(()) => self.put_back(idle),
                Err(failure) => {
                    tracing::warn!(container = self.spec.label, %failure, "an idle container could not be frozen");
                    self.remove(idle.slot);
                }
            }
            next = self.next_to_freeze(&mut self.state(), now);
        }
    }

    /// Takes out one that is idle long enough to be frozen.
    fn next_to_freeze(&self, state: &mut State, now: Instant) -> Option<Idle> {
        let freeze_after = self.shared.config().freeze_after?;
        let is_due = |idle: &Idle| !idle.slot.instance.is_frozen() && now >= idle.since + freeze_after;
        let place = state.idle.iter().position(is_due)?;
        Some(state.idle.remove(place))
    }

    /// Puts one back that was taken out for a moment, where it was.
    fn put_back(self: &Arc<Self>, idle: Idle) {
        let mut state = self.state();
        if state.waiting.is_empty() {
            let place = state.idle.partition_point(|other| other.since <= idle.since);
            state.idle.insert(place, idle);
        } else {
            drop(state);
            self.give_back(idle.slot);
        }
    }

    /// When there is something to do next, if nothing changes.
    fn next_due(&self, state: &State) -> Option<Instant> {
        let config = self.shared.config();
        let expires = || Some(state.idle.first()?.since + self.idle_timeout).filter(|_| state.live > self.ready_min);
        let freezes = || {
            let after = config.freeze_after?;
            state.idle.iter().filter(|idle| !idle.slot.instance.is_frozen()).map(|idle| idle.since + after).min()
        };
        let now = Instant::now();
        // What is due already, and was not done, found no room: it is tried again, but not all the time.
        let soon = now + TRY_AGAIN;
        let starts = || {
            let is_wanted = state.waiting.len() > state.starting;
            state.waited.reaches(state.start_cost, now).filter(|_| is_wanted).map(|at| at.max(soon))
        };
        let tops_up = || (state.live + state.starting < self.ready_min).then_some(state.retry_at.max(soon));
        [expires(), freezes(), starts(), tops_up()].into_iter().flatten().min()
    }

    /// Whether somebody waits for something that there may be no room for.
    fn lacks_any(&self) -> bool {
        let state = self.state();
        !state.waiting.is_empty() || state.live + state.starting < self.ready_min
    }

    /// Tells the keeper, if what is due next is due before it looks again.
    fn wake_keeper(&self) {
        let state = self.state();
        let (next, knows) = (self.next_due(&state), state.keeper_wakes);
        if next.is_some_and(|next| knows.is_none_or(|knows| next < knows)) {
            self.due.notify_one();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Who has waited longest, and still does.
    fn next_waiter(&mut self) -> Option<Waiter> {
        self.forget_those_who_left();
        let waiter = self.waiting.pop_front();
        self.note_waiting();
        waiter
    }

    fn forget_those_who_left(&mut self) {
        while self.waiting.front().is_some_and(|waiter| waiter.sender.is_closed()) {
            self.waiting.pop_front();
        }
        self.note_waiting();
    }

    fn note_waiting(&mut self) {
        self.waited.set_calls(self.waiting.len(), Instant::now());
    }
}

impl OpenPool {
    pub(super) fn pool(&self) -> &Arc<Pool> {
        &self.0
    }
}

impl Drop for OpenPool {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Pool").field("live", &state.live).field("idle", &state.idle.len()).finish_non_exhaustive()
    }
}
