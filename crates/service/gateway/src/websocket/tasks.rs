//! The tasks of open connections, and how they are told to end.

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;

/// Owns the tasks of a gateway's WebSocket connections.
#[derive(Clone, Debug)]
pub(crate) struct SocketTasks {
    tracker: TaskTracker,
    finish: CancellationToken,
    cut: CancellationToken,
}

impl SocketTasks {
    /// Tasks that are waited for together with the others of `tracker`.
    pub(crate) fn new(tracker: TaskTracker) -> Self {
        Self { tracker, finish: CancellationToken::new(), cut: CancellationToken::new() }
    }

    /// The tracker.
    pub(crate) fn tracker(&self) -> &TaskTracker {
        &self.tracker
    }

    /// Starts the task of a connection, which ends soon after it is told to finish.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let cut = self.cut.clone().cancelled_owned();
        self.tracker.spawn(async move {
            tokio::select! {
                () = task => {}
                () = cut => {}
            }
        });
    }

    /// Resolves when connections are to be ended.
    pub(super) fn finishing(&self) -> WaitForCancellationFutureOwned {
        self.finish.clone().cancelled_owned()
    }

    /// Tells all connections to end, and their functions that they have.
    pub(crate) fn finish(&self) {
        self.finish.cancel();
    }

    /// Ends all connections at once.
    pub(crate) fn cut(&self) {
        self.cut.cancel();
    }
}
