//! Changes of one stack, one after the other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mu_stack::StackId;
use tokio::sync::OwnedMutexGuard;

/// Sees to it that a node is told of the changes of a stack one at a time: what it is told last is what the catalog says.
#[derive(Debug, Default)]
pub struct Turns(Mutex<HashMap<StackId, Arc<tokio::sync::Mutex<()>>>>);

impl Turns {
    /// Waits for the changes of a stack that are under way. The next one begins when the answer is dropped.
    pub(crate) async fn take(&self, stack: &StackId) -> OwnedMutexGuard<()> {
        let turn = Arc::clone(self.lock().entry(*stack).or_default());
        let guard = turn.lock_owned().await;
        // Nobody has a turn of these, or waits for one.
        self.lock().retain(|_, turn| Arc::strong_count(turn) > 1);
        guard
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<StackId, Arc<tokio::sync::Mutex<()>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn changes_of_a_stack_wait_for_each_other_and_for_no_other_stack() {
        let turns = Turns::default();
        let (one, other) = (StackId::new([1; 32]), StackId::new([2; 32]));
        let first = turns.take(&one).await;
        let mut second = Box::pin(turns.take(&one));
        assert!((&mut second).now_or_never().is_none());
        drop(turns.take(&other).await);
        assert!((&mut second).now_or_never().is_none());
        drop(first);
        drop(second.await);
        drop(turns.take(&other).await);
        assert_eq!(turns.lock().len(), 1, "those that nobody has are forgotten");
    }
}
