//! Who has a container, and who waits for one.

use std::fmt;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::{Pool, Slot};
use crate::Failure;
use crate::container::instance::{Instance, StartFailure};

/// A container for one call. Dropped before its call has begun, or after it has ended well, it goes back; otherwise it is
/// removed.
pub(in crate::container) struct Lease {
    pool: Arc<Pool>,
    pub(super) slot: Option<Slot>,
    is_in_call: bool,
}

/// A place in the queue, left when dropped.
pub(super) struct Waiting<'p> {
    pub(super) pool: &'p Arc<Pool>,
    pub(super) receiver: oneshot::Receiver<Result<Lease, StartFailure>>,
}

impl Waiting<'_> {
    pub(super) async fn receive(mut self) -> Result<Lease, StartFailure> {
        match (&mut self.receiver).await {
            Ok(received) => received,
            Err(_) => Err(Failure::Internal("the function's containers were given up".to_owned()).into()),
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.receiver.close();
        let mut state = self.pool.state();
        state.waiting.retain(|waiter| !waiter.sender.is_closed());
        state.note_waiting();
    }
}

impl Lease {
    pub(super) fn new(pool: &Arc<Pool>, slot: Slot) -> Self {
        Self { pool: Arc::clone(pool), slot: Some(slot), is_in_call: false }
    }

    pub(in crate::container) fn instance(&mut self) -> &mut Instance {
        &mut self.slot.as_mut().expect("it is there until it is dropped").instance
    }

    /// From now on it is not good for another call, until [`Lease::call_ended`].
    pub(in crate::container) fn call_begins(&mut self) {
        self.is_in_call = true;
    }

    /// The call was answered: the container is as good as before.
    pub(in crate::container) fn call_ended(&mut self) {
        self.is_in_call = false;
    }

    pub(super) fn discard(mut self) {
        self.is_in_call = true;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(slot) = self.slot.take() else { return };
        if self.is_in_call {
            self.pool.remove(slot);
        } else {
            self.pool.give_back(slot);
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("is_in_call", &self.is_in_call).finish_non_exhaustive()
    }
}
