//! Every background task has an owner and a way to stop.

use std::future::Future;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Owns background tasks: [`Tasks::stop`] tells them to finish and waits until they have.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    shutdown: Shutdown,
}

impl Tasks {
    /// No tasks yet. Those that have to outlive the others of a process have an owner of their own.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a task that this owner waits for. The task should end soon after [`Shutdown::requested`] resolves.
    pub fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tracker.spawn(task);
    }

    /// The signal that tells tasks to finish.
    #[must_use]
    pub fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// Requests shutdown and waits for every task.
    pub async fn stop(&self) {
        self.shutdown.request();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

/// The request to finish: asked once, seen by everyone who holds a clone.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// Asks everything to finish.
    pub fn request(&self) {
        self.0.cancel();
    }

    /// Whether finishing was asked for.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Resolves when finishing is asked for. Cancellation-safe.
    pub async fn requested(&self) {
        self.0.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use crate::{Env, Timestamp};

    #[tokio::test]
    async fn stop_waits_for_tasks() {
        let env = Env::simulated(1, Timestamp::from_micros(0));
        let shutdown = env.tasks().shutdown().clone();
        let (sender, receiver) = tokio::sync::oneshot::channel();
        env.tasks().spawn(async move {
            shutdown.requested().await;
            let _ = sender.send(());
        });
        env.tasks().stop().await;
        assert!(receiver.await.is_ok());
    }
}
