//! Who may run now, who waits, and who is sent away.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places of one function: some to run in, some to wait in.
#[derive(Debug)]
pub(crate) struct Admission {
    running: Arc<Semaphore>,
    running_max: usize,
    waiting: AtomicUsize,
    queue_max: usize,
}

/// Why there was no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// As many calls as may wait are waiting already.
    QueueFull,
    /// No place to run became free in time.
    TimedOut,
}

impl Admission {
    pub(crate) fn new(concurrency_max: usize, queue_max: usize) -> Self {
        let running_max = concurrency_max.min(Semaphore::MAX_PERMITS);
        Self { running: Arc::new(Semaphore::new(running_max)), running_max, waiting: AtomicUsize::new(0), queue_max }
    }

    /// How many run or wait, about: places are given while it is asked.
    pub(crate) fn in_flight(&self) -> usize {
        self.running_max.saturating_sub(self.running.available_permits()) + self.waiting.load(Ordering::Relaxed)
    }

    /// A place to run in, if one is free. Never overtakes who waits: freed places go to the queue first.
    pub(crate) fn try_admit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.running).try_acquire_owned().ok()
    }

    /// Waits at most `patience` for a place to run in, first come first served. Cancellation-safe.
    pub(crate) async fn admit(&self, patience: Duration) -> Result<OwnedSemaphorePermit, Refusal> {
        if let Some(place) = self.try_admit() {
            return Ok(place);
        }
        let _waiting = Waiting::enter(self)?;
        match tokio::time::timeout(patience, Arc::clone(&self.running).acquire_owned()).await {
            Ok(place) => Ok(place.expect("the semaphore is never closed")),
            Err(_) => Err(Refusal::TimedOut),
        }
    }
}

/// One place in the queue, left when dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(admission: &'a Admission) -> Result<Self, Refusal> {
        let waiting = Self(&admission.waiting);
        let before = admission.waiting.fetch_add(1, Ordering::Relaxed);
        if before < admission.queue_max { Ok(waiting) } else { Err(Refusal::QueueFull) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test(start_paused = true)]
    async fn one_runs_one_waits_and_the_third_is_sent_away() {
        let admission = Admission::new(1, 1);
        let patience = Duration::from_secs(30);
        let first = admission.admit(patience).await.unwrap();
        let mut second = pin!(admission.admit(patience));
        assert!(poll(second.as_mut()).is_pending());
        assert_eq!(admission.in_flight(), 2);
        assert_eq!(admission.admit(patience).await.unwrap_err(), Refusal::QueueFull);
        drop(first);
        let second = second.await.unwrap();
        // The queue is free again, but nobody leaves in time.
        assert_eq!(admission.admit(patience).await.unwrap_err(), Refusal::TimedOut);
        drop(second);
        assert_eq!(admission.in_flight(), 0);
        assert!(admission.admit(patience).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_waiting_leaves_the_queue() {
        let admission = Admission::new(1, 1);
        let first = admission.admit(Duration::MAX).await.unwrap();
        {
            let mut gives_up = pin!(admission.admit(Duration::MAX));
            assert!(poll(gives_up.as_mut()).is_pending());
        }
        let mut waits = pin!(admission.admit(Duration::MAX));
        assert!(poll(waits.as_mut()).is_pending());
        drop(first);
        assert!(waits.await.is_ok());
    }
}
