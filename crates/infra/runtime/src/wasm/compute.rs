//! Threads for guests that compute for longer than one time slice.

use std::future::Future;
use std::io;

use tokio::runtime::{Builder, Runtime};
use tokio_util::task::AbortOnDropHandle;

/// How much less than the node's own threads these are favoured by the operating system (0 to 19).
const NICENESS: i32 = 5;

/// A scheduler of its own, at a lower priority than the threads that serve requests.
pub(super) struct ComputePool {
    runtime: Option<Runtime>,
}

impl ComputePool {
    pub(super) fn start(threads: usize) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .thread_name("mu-compute")
            .on_thread_start(|| {
                // Lowering one's own priority is always permitted; where it is not supported, it is not needed either.
                let _ = rustix::process::nice(NICENESS);
            })
            .enable_all()
            .build()?;
        Ok(Self { runtime: Some(runtime) })
    }

    /// Runs `work` here until it is done; `None` when the engine shuts down. Dropping the returned future drops the
    /// work.
    ///
    /// # Panics
    /// When the work does.
    pub(super) async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Option<T> {
        let runtime = self.runtime.as_ref()?;
        match AbortOnDropHandle::new(runtime.spawn(work)).await {
            Ok(done) => Some(done),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => None,
            },
        }
    }
}

impl Drop for ComputePool {
    fn drop(&mut self) {
        // Dropping a runtime waits for its threads, which an async context may not do.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
