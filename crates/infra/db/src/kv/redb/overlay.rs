//! A device that reads a file and keeps what is written to it in memory.
//!
//! redb cannot open a file that needs repair without writing to it, and any failed write ends all reading. On a full
//! disk the file is therefore opened through this: repair writes a few pages, which stay here and are forgotten when
//! the file is opened for writing again.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::{BackendError, StorageBackend};

const BLOCK_BYTES: usize = 4096;

pub(super) struct Overlay<D> {
    device: D,
    written: Mutex<Written>,
}

struct Written {
    /// The length as redb set it; `None` until it does.
    length: Option<u64>,
    /// Blocks that differ from the device, by index.
    blocks: HashMap<u64, Box<[u8; BLOCK_BYTES]>>,
}

impl<D: StorageBackend> Overlay<D> {
    pub(super) fn new(device: D) -> Self {
        Self { device, written: Mutex::new(Written { length: None, blocks: HashMap::new() }) }
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A block as the device has it, with zeros past its end.
    fn device_block(&self, index: u64) -> io::Result<Box<[u8; BLOCK_BYTES]>> {
        let mut block = Box::new([0; BLOCK_BYTES]);
        let start = index * BLOCK_BYTES as u64;
        let available = self.device.len()?.saturating_sub(start);
        let available = usize::try_from(available).unwrap_or(BLOCK_BYTES).min(BLOCK_BYTES);
        if available > 0 {
            self.device.read(start, &mut block[..available])?;
        }
        Ok(block)
    }

    fn length(&self, written: &Written) -> io::Result<u64> {
        written.length.map_or_else(|| self.device.len(), Ok)
    }
}

/// The parts of blocks that `length` bytes from `offset` cover: block index, first byte in it, number of bytes.
fn pieces(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let block = BLOCK_BYTES as u64;
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let first = usize::try_from(at % block).unwrap_or_default();
        let bytes = (BLOCK_BYTES - first).min(length - done);
        done += bytes;
        (bytes > 0).then_some((at / block, first, bytes))
    })
}

impl<D: StorageBackend> StorageBackend for Overlay<D> {
    fn len(&self) -> io::Result<u64> {
        self.length(&self.written())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let written = self.written();
        if offset + out.len() as u64 > self.length(&written)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut done = 0;
        for (index, first, bytes) in pieces(offset, out.len()) {
            let to = &mut out[done..done + bytes];
            match written.blocks.get(&index) {
                Some(block) => to.copy_from_slice(&block[first..first + bytes]),
                None => to.copy_from_slice(&self.device_block(index)?[first..first + bytes]),
            }
            done += bytes;
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut written = self.written();
        let old = self.length(&written)?;
        let block = BLOCK_BYTES as u64;
        if length < old {
            // What is cut off must read as zeros if the file grows again.
            for index in length / block..old.div_ceil(block) {
                let mut content = match written.blocks.remove(&index) {
                    Some(content) => content,
                    None => self.device_block(index)?,
                };
                let keep = usize::try_from(length.saturating_sub(index * block)).unwrap_or(BLOCK_BYTES);
                content[keep.min(BLOCK_BYTES)..].fill(0);
                written.blocks.insert(index, content);
            }
        }
        written.length = Some(length);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut written = self.written();
        let mut done = 0;
        for (index, first, bytes) in pieces(offset, data.len()) {
            let mut block = match written.blocks.remove(&index) {
                Some(block) => block,
                None => self.device_block(index)?,
            };
            block[first..first + bytes].copy_from_slice(&data[done..done + bytes]);
            written.blocks.insert(index, block);
            done += bytes;
        }
        let end = offset + data.len() as u64;
        written.length = Some(self.length(&written)?.max(end));
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.device.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.device.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.device.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.device.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.device.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.device.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.device.query_lock_range(start, end)
    }
}

impl<D> fmt::Debug for Overlay<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Overlay").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use redb::backends::InMemoryBackend;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Write(u64, Vec<u8>),
        Resize(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let bytes = proptest::collection::vec(1..=255_u8, 1..9000);
        prop_oneof![
            (0..20_000_u64, bytes).prop_map(|(at, bytes)| Step::Write(at, bytes)),
            (0..30_000_u64).prop_map(Step::Resize)
        ]
    }

    fn apply(device: &impl StorageBackend, step: &Step) {
        match step {
            Step::Write(at, bytes) => {
                let end = at + bytes.len() as u64;
                if device.len().unwrap() < end {
                    device.set_len(end).unwrap();
                }
                device.write(*at, bytes).unwrap();
            }
            Step::Resize(length) => device.set_len(*length).unwrap(),
        }
    }

    fn content(device: &impl StorageBackend) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(device.len().unwrap()).unwrap()];
        device.read(0, &mut bytes).unwrap();
        bytes
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn behaves_like_a_device_and_leaves_the_file_alone(
            before in proptest::collection::vec(step(), 0..4),
            steps in proptest::collection::vec(step(), 0..8),
        ) {
            let (file, expected) = (InMemoryBackend::new(), InMemoryBackend::new());
            for step in &before {
                apply(&file, step);
                apply(&expected, step);
            }
            let untouched = content(&file);
            let overlay = Overlay::new(file);
            for step in &steps {
                apply(&overlay, step);
                apply(&expected, step);
                prop_assert!(content(&overlay) == content(&expected));
            }
            prop_assert!(content(&overlay.device) == untouched);
        }
    }
}
