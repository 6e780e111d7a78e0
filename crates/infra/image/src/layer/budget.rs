//! What the layers of an image may take, counted while they are read.

use std::cell::Cell;
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

/// What a layer took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) bytes: u64,
    pub(crate) files: u64,
}

impl Taken {
    /// What it takes on a disk, where a file of one byte takes a block.
    pub(crate) fn disk_bytes(self) -> u64 {
        const DISK_BLOCK_BYTES: u64 = 4096;
        self.bytes.saturating_add(self.files.saturating_mul(DISK_BLOCK_BYTES))
    }
}

impl Budget {
    pub(crate) fn new(bytes_max: u64, files_max: u64) -> Self {
        Self { bytes: AtomicU64::new(bytes_max), files: AtomicU64::new(files_max), bytes_max, files_max }
    }

    pub(crate) fn take(&self, taken: Taken) -> Result<(), LayerError> {
        take(&self.bytes, taken.bytes)
            .ok_or_else(|| LayerError::TooLarge(format!("unpacked, it is larger than {} bytes", self.bytes_max)))?;
        take(&self.files, taken.files)
            .ok_or_else(|| LayerError::TooLarge(format!("it has more than {} files", self.files_max)))
    }
}

fn take(left: &AtomicU64, count: u64) -> Option<()> {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(count)).ok().map(drop)
}

/// Takes what one layer takes, and knows how much that is.
pub(super) struct Meter<'a> {
    budget: &'a Budget,
    stop: &'a Stop,
    taken: Cell<Taken>,
}

impl<'a> Meter<'a> {
    pub(super) fn new(budget: &'a Budget, stop: &'a Stop) -> Self {
        Self { budget, stop, taken: Cell::default() }
    }

    pub(super) fn take_bytes(&self, bytes: u64) -> Result<(), LayerError> {
        self.take(Taken { bytes, files: 0 })
    }

    pub(super) fn take_file(&self) -> Result<(), LayerError> {
        self.take(Taken { bytes: 0, files: 1 })
    }

    pub(super) fn taken(&self) -> Taken {
        self.taken.get()
    }

    fn take(&self, more: Taken) -> Result<(), LayerError> {
        self.budget.take(more)?;
        let taken = self.taken.get();
        self.taken.set(Taken { bytes: taken.bytes + more.bytes, files: taken.files + more.files });
        Ok(())
    }
}

/// Tells work on a thread of its own that nobody waits for it any more: as soon as a [`StopOnDrop`] is gone.
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

/// Counts what is read, and ends when it is asked to.
pub(super) struct Metered<'a, R> {
    inner: R,
    meter: &'a Meter<'a>,
}

impl<'a, R> Metered<'a, R> {
    pub(super) fn new(inner: R, meter: &'a Meter<'a>) -> Self {
        Self { inner, meter }
    }
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.meter.stop.is_asked_for() {
            return Err(io::Error::other(LayerError::Stopped));
        }
        let count = self.inner.read(buffer)?;
        self.meter.take_bytes(count as u64).map_err(io::Error::other)?;
        Ok(count)
    }
}
