//! Content on its way to and from a box. The node holds it whole, so what one instance holds is bounded.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

/// Bytes of values that are being written, together, of one instance; also the largest object that can be written.
const WRITTEN_BYTES_MAX: usize = 64 << 20;

/// Bytes of values that were read and not yet consumed, together, of one instance: nothing more is read above it.
const READ_BYTES_MAX: usize = 64 << 20;

/// What a guest may write at once.
const WRITE_BYTES_MAX: usize = 1 << 20;

/// What the node holds for one instance.
#[derive(Default)]
pub(in super::super) struct HeldValues {
    written: Arc<AtomicUsize>,
    read: Arc<AtomicUsize>,
}

/// Where a value goes when it is finished.
#[derive(Clone)]
pub(super) struct Destination {
    pub(super) container: Arc<str>,
    pub(super) name: String,
}

/// A value that the guest makes.
pub(super) struct OutgoingValue {
    content: Arc<Mutex<Written>>,
    pub(super) destination: Option<Destination>,
    is_body_taken: bool,
}

/// What was written of a value.
struct Written {
    data: Vec<u8>,
    state: Writing,
    held: Arc<AtomicUsize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Writing {
    Open,
    /// It wanted to be larger than can be held, and its stream has yet to say so.
    TooLarge,
    /// The same, told.
    Broken,
    /// It was taken, or dropped.
    Closed,
}

/// A value that was read from a box.
pub(super) struct IncomingValue {
    data: Bytes,
    held: Held,
}

/// Gives back, when it is dropped, what it counted.
struct Held {
    bytes: usize,
    count: Arc<AtomicUsize>,
}

// === impl HeldValues ===

impl HeldValues {
    pub(super) fn outgoing(&self) -> OutgoingValue {
        let written = Written { data: Vec::new(), state: Writing::Open, held: Arc::clone(&self.written) };
        OutgoingValue { content: Arc::new(Mutex::new(written)), destination: None, is_body_taken: false }
    }

    /// Whether another value can be read.
    pub(super) fn check_read(&self) -> Result<(), String> {
        if self.read.load(Ordering::Relaxed) < READ_BYTES_MAX {
            return Ok(());
        }
        Err(format!("{READ_BYTES_MAX} bytes were read and are not consumed: consume or drop values before others"))
    }

    pub(super) fn incoming(&self, data: Vec<u8>) -> IncomingValue {
        let (bytes, count) = (data.len(), Arc::clone(&self.read));
        count.fetch_add(bytes, Ordering::Relaxed);
        IncomingValue { data: data.into(), held: Held { bytes, count } }
    }
}

// === impl OutgoingValue ===

impl OutgoingValue {
    /// The stream that writes it, once.
    pub(super) fn take_body(&mut self) -> Option<impl OutputStream + use<>> {
        if std::mem::replace(&mut self.is_body_taken, true) {
            return None;
        }
        Some(ValueWriter(Arc::clone(&self.content)))
    }

    /// What was written, if all of it was.
    pub(super) fn finish(self) -> Result<Vec<u8>, String> {
        let mut content = lock(&self.content);
        let state = std::mem::replace(&mut content.state, Writing::Closed);
        let data = content.take();
        if state == Writing::Open { Ok(data) } else { Err(too_large()) }
    }
}

impl Drop for OutgoingValue {
    /// Its stream may live longer.
    fn drop(&mut self) {
        let mut content = lock(&self.content);
        content.state = Writing::Closed;
        content.take();
    }
}

impl Written {
    fn take(&mut self) -> Vec<u8> {
        self.held.fetch_sub(self.data.len(), Ordering::Relaxed);
        std::mem::take(&mut self.data)
    }

    fn room(&self) -> usize {
        WRITTEN_BYTES_MAX.saturating_sub(self.held.load(Ordering::Relaxed))
    }

    /// Forgets a value that nobody can finish any more.
    fn fail(&mut self) {
        self.state = Writing::TooLarge;
        self.take();
    }

    /// Whether it can still be written. That it grew too large is told once; then it is closed.
    fn check(&mut self) -> StreamResult<()> {
        match self.state {
            Writing::Open => Ok(()),
            Writing::TooLarge => {
                self.state = Writing::Broken;
                Err(StreamError::LastOperationFailed(wasmtime::format_err!("{}", too_large())))
            }
            Writing::Broken | Writing::Closed => Err(StreamError::Closed),
        }
    }
}

/// The stream into an [`OutgoingValue`].
struct ValueWriter(Arc<Mutex<Written>>);

impl OutputStream for ValueWriter {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut content = lock(&self.0);
        content.check()?;
        if bytes.len() > content.room() {
            content.fail();
            return content.check();
        }
        content.held.fetch_add(bytes.len(), Ordering::Relaxed);
        content.data.extend_from_slice(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        lock(&self.0).check()
    }

    /// At the limit a byte more is allowed, and only writing it fails: a value may end right there.
    fn check_write(&mut self) -> StreamResult<usize> {
        let mut content = lock(&self.0);
        content.check()?;
        Ok(content.room().clamp(1, WRITE_BYTES_MAX))
    }
}

#[async_trait::async_trait]
impl Pollable for ValueWriter {
    async fn ready(&mut self) {}
}

// === impl IncomingValue ===

impl IncomingValue {
    pub(super) fn size_bytes(&self) -> u64 {
        self.data.len() as u64
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.data.into()
    }

    pub(super) fn into_stream(self) -> impl InputStream {
        ValueReader { data: self.data, _held: self.held }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.count.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

struct ValueReader {
    data: Bytes,
    _held: Held,
}

impl InputStream for ValueReader {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if self.data.is_empty() {
            return Err(StreamError::Closed);
        }
        Ok(self.data.split_to(size.min(self.data.len())))
    }
}

#[async_trait::async_trait]
impl Pollable for ValueReader {
    async fn ready(&mut self) {}
}

fn lock(content: &Mutex<Written>) -> std::sync::MutexGuard<'_, Written> {
    content.lock().unwrap_or_else(PoisonError::into_inner)
}

fn too_large() -> String {
    format!("values that are not finished have more than {WRITTEN_BYTES_MAX} bytes: write smaller objects")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_bounded_together() {
        let held = HeldValues::default();
        let (mut full, mut late) = (held.outgoing(), held.outgoing());
        let (mut writer, mut late_writer) =
            (full.take_body().expect("it is the first"), late.take_body().expect("it is the first"));
        assert!(full.take_body().is_none());
        for _ in 0..WRITTEN_BYTES_MAX / WRITE_BYTES_MAX {
            let room = writer.check_write().expect("there is room");
            assert_eq!(room, WRITE_BYTES_MAX);
            writer.write(vec![7; room].into()).expect("there is room");
        }
        assert!(matches!(late_writer.write(Bytes::from_static(b"x")), Err(StreamError::LastOperationFailed(_))));
        assert!(matches!(late_writer.check_write(), Err(StreamError::Closed)));
        assert!(late.finish().unwrap_err().contains("more than 67108864 bytes"));
        assert_eq!(full.finish().map(|data| data.len()), Ok(WRITTEN_BYTES_MAX), "it may be as large as that");
        assert!(matches!(writer.write(Bytes::from_static(b"x")), Err(StreamError::Closed)));

        let mut dropped = held.outgoing();
        let mut writer = dropped.take_body().expect("it is the first");
        writer.write(Bytes::from_static(b"abc")).expect("there is room again");
        drop(dropped);
        assert_eq!(held.written.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_was_read_counts_until_it_is_consumed() {
        let held = HeldValues::default();
        let whole = held.incoming(vec![1; READ_BYTES_MAX]);
        assert!(held.check_read().unwrap_err().starts_with("67108864 bytes were read"));
        let mut stream = whole.into_stream();
        assert_eq!(stream.read(10).expect("there is more").len(), 10);
        assert!(held.check_read().is_err());
        drop(stream);
        assert_eq!(held.check_read(), Ok(()));
        assert_eq!(held.incoming(b"abc".to_vec()).into_bytes(), b"abc");
        assert_eq!(held.read.load(Ordering::Relaxed), 0);
    }
}
