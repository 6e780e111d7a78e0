//! Time slices: how guests share threads with each other and with the node.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use super::Shared;

/// A guest that runs until it is done. Most are over within their first slice: those never leave the thread on which
/// they arrived. Others go on on the compute threads. Its output is `None` when the engine shuts down.
pub(super) struct InSlices<T> {
    place: Place<T>,
    slice: Slice,
    shared: Arc<Shared>,
}

enum Place<T> {
    /// On the thread of whoever polls it.
    Here(Pin<Box<dyn Future<Output = T> + Send>>),
    /// On the compute threads.
    Moved(Pin<Box<dyn Future<Output = Option<T>> + Send>>),
    /// Nowhere: it is over.
    Over,
}

impl<T: Send + 'static> InSlices<T> {
    pub(super) fn start(
        shared: Arc<Shared>,
        slice: Slice,
        execution: impl Future<Output = T> + Send + 'static,
    ) -> Self {
        let paced = Paced { execution, slice: slice.clone() };
        Self { place: Place::Here(Box::pin(paced)), slice, shared }
    }
}

impl<T: Send + 'static> Future for InSlices<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let this = &mut *self;
        if let Place::Here(execution) = &mut this.place {
            match execution.as_mut().poll(context) {
                Poll::Ready(done) => {
                    this.place = Place::Over;
                    return Poll::Ready(Some(done));
                }
                Poll::Pending if this.slice.is_waiting() => return Poll::Pending,
                Poll::Pending => {}
            }
            this.slice.mark_moved();
            if let Place::Here(execution) = std::mem::replace(&mut this.place, Place::Over) {
                let shared = Arc::clone(&this.shared);
                this.place = Place::Moved(Box::pin(async move { shared.compute.run(execution).await }));
            }
        }
        match &mut this.place {
            Place::Moved(moved) => moved.as_mut().poll(context),
            Place::Here(_) | Place::Over => Poll::Ready(None),
        }
    }
}

pin_project_lite::pin_project! {
    /// Notes whenever the guest had to be left, for whatever reason.
    struct Paced<F> {
        #[pin]
        execution: F,
        slice: Slice,
    }
}

impl<F: Future> Future for Paced<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let polled = this.execution.poll(context);
        if polled.is_pending() {
            this.slice.mark_pended();
        }
        polled
    }
}

/// A time slice, in instructions: about a millisecond of computing, after which others get their turn. What host
/// functions do for a guest fills slices as well, so none is much longer than another.
pub(super) const SLICE_INSTRUCTIONS: u64 = 2_000_000;

/// What whoever polls a guest and the guest's host functions tell each other about its time slices.
#[derive(Clone, Debug)]
pub(super) struct Slice(Arc<SliceFlags>);

#[derive(Debug)]
struct SliceFlags {
    /// Whether the guest, when it is pending, waits for the node; otherwise its time slice is used up. Set by the
    /// thread that polls the guest only.
    is_waiting: AtomicBool,
    /// Whether the guest has moved to the compute threads.
    has_moved: AtomicBool,
    /// Whether the guest was left and polled again later, since somebody last asked.
    has_pended: AtomicBool,
}

impl Slice {
    /// For a guest that has not begun, so that what is pending is the node.
    pub(super) fn new() -> Self {
        Self(Arc::new(SliceFlags {
            is_waiting: AtomicBool::new(true),
            has_moved: AtomicBool::new(false),
            has_pended: AtomicBool::new(false),
        }))
    }

    /// The guest begins to compute.
    pub(super) fn begin(&self) {
        self.set_waiting(false);
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.0.is_waiting.load(Ordering::Relaxed)
    }

    /// The guest goes on on the compute threads.
    pub(super) fn mark_moved(&self) {
        self.0.has_moved.store(true, Ordering::Relaxed);
    }

    fn mark_pended(&self) {
        self.0.has_pended.store(true, Ordering::Relaxed);
    }

    /// Whether the guest was left since this was last asked.
    pub(super) fn take_pended(&self) -> bool {
        // Set and read by the thread that polls the guest only.
        let has_pended = self.0.has_pended.load(Ordering::Relaxed);
        if has_pended {
            self.0.has_pended.store(false, Ordering::Relaxed);
        }
        has_pended
    }

    pub(super) fn has_moved(&self) -> bool {
        self.0.has_moved.load(Ordering::Relaxed)
    }

    /// Does something that the guest waits for.
    pub(super) async fn while_waiting<T>(self, work: impl Future<Output = T>) -> T {
        self.set_waiting(true);
        let done = work.await;
        self.set_waiting(false);
        done
    }

    pub(super) fn set_waiting(&self, is_waiting: bool) {
        self.0.is_waiting.store(is_waiting, Ordering::Relaxed);
    }
}
