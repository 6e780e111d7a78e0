//! Clock, randomness, ids, task ownership, shutdown: the determinism seam.
//!
//! Services never ask the operating system for the time, for randomness or for a task. They ask the [`Env`] they were
//! given, so that the same code runs under real time in a node and under seeded, simulated time in a test.

mod clock;
mod ids;
mod random;
mod tasks;

pub use clock::{Clock, ParseTimestampError, Timestamp};
pub use ids::{ConnectionId, InvalidConnectionId, InvalidInvocationId, InvocationId};
pub use random::Random;
pub use tasks::{Shutdown, Tasks};

/// Everything that would otherwise make a service nondeterministic, in one cheap handle.
#[derive(Clone, Debug)]
pub struct Env {
    clock: Clock,
    random: Random,
    tasks: Tasks,
}

impl Env {
    /// The machine's clock and the operating system's randomness.
    #[must_use]
    pub fn system() -> Self {
        Self { clock: Clock::system(), random: Random::system(), tasks: Tasks::new() }
    }

    /// A clock that starts at `start` and advances only with tokio's (pausable) time, and randomness derived from
    /// `seed`. The same seed gives the same ids in the same order.
    #[must_use]
    pub fn simulated(seed: u64, start: Timestamp) -> Self {
        Self { clock: Clock::simulated(start), random: Random::seeded(seed), tasks: Tasks::new() }
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The source of randomness.
    #[must_use]
    pub fn random(&self) -> &Random {
        &self.random
    }

    /// The owner of background tasks, and the signal that stops them.
    #[must_use]
    pub fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// The current time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A new id for an invocation: 48 bits of milliseconds, then 80 random bits.
    #[must_use]
    pub fn new_invocation_id(&self) -> InvocationId {
        InvocationId::new(self.now(), &self.random)
    }

    /// A new id for a WebSocket connection: 128 random bits.
    #[must_use]
    pub fn new_connection_id(&self) -> ConnectionId {
        ConnectionId::new(&self.random)
    }
}
