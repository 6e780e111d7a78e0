//! What the layers of an image may take, counted while they are read.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::LayerError;

/// What is left for the layers of one image, which are unpacked at the same time.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes: AtomicU64,
    files: AtomicU64,
    bytes_max: u64,
    files_max: u64,
}

impl Budget {
    pub(crate) fn new(bytes_max: u64, files_max: u64) -> Self {
        Self { bytes: AtomicU64::new(bytes_max), files: AtomicU64::new(files_max), bytes_max, files_max }
    }

    pub(crate) fn take_bytes(&self, count: u64) -> Result<(), LayerError> {
        take(&self.bytes, count)
            .ok_or_else(|| LayerError::TooLarge(format!("unpacked, it is larger than {} bytes", self.bytes_max)))
    }

    pub(crate) fn take_file(&self) -> Result<(), LayerError> {
        take(&self.files, 1).ok_or_else(|| LayerError::TooLarge(format!("it has more than {} files", self.files_max)))
    }
}

fn take(left: &AtomicU64, count: u64) -> Option<()> {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(count)).ok().map(drop)
}

/// Tells work on a thread of its own that nobody waits for it any more: when the last [`StopOnDrop`] is gone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

/// Held by who waits.
#[derive(Debug)]
pub(crate) struct StopOnDrop(Stop);

impl Stop {
    pub(crate) fn on_drop(&self) -> StopOnDrop {
        StopOnDrop(self.clone())
    }

    pub(crate) fn is_asked_for(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// Takes what is read from a budget, and ends when it is asked to.
pub(super) struct Metered<'a, R> {
    inner: R,
    budget: &'a Budget,
    stop: &'a Stop,
}

impl<'a, R> Metered<'a, R> {
    pub(super) fn new(inner: R, budget: &'a Budget, stop: &'a Stop) -> Self {
        Self { inner, budget, stop }
    }
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.is_asked_for() {
            return Err(io::Error::other(LayerError::Stopped));
        }
        let count = self.inner.read(buffer)?;
        self.budget.take_bytes(count as u64).map_err(io::Error::other)?;
        Ok(count)
    }
}
