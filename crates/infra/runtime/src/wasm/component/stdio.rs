//! A component's standard output and error: lines of the invocation's log.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use mu_telemetry::{InvocationLog, LogSource};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::lines::{Lines, to_log};

/// What a guest may write at once.
const WRITE_BYTES_MAX: usize = 64 << 10;

/// One standard stream of an instance, whichever call it works on.
#[derive(Clone)]
pub(super) struct LogStream(Arc<Mutex<Open>>);

struct Open {
    lines: Lines,
    log: Arc<InvocationLog>,
}

impl LogStream {
    pub(super) fn new(source: LogSource, log: Arc<InvocationLog>) -> Self {
        Self(Arc::new(Mutex::new(Open { lines: Lines::new(source), log })))
    }

    /// Lines from now on belong to another call.
    pub(super) fn redirect(&self, log: Arc<InvocationLog>) {
        self.with(|open| open.log = log);
    }

    /// Logs a line that has no end yet.
    pub(super) fn flush_line(&self) {
        self.with(|open| open.lines.flush(&mut to_log(&open.log)));
    }

    fn write_bytes(&self, data: &[u8]) {
        self.with(|open| open.lines.write(data, &mut to_log(&open.log)));
    }

    fn with<T>(&self, work: impl FnOnce(&mut Open) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl OutputStream for LogStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.write_bytes(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES_MAX)
    }
}

#[async_trait::async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}

impl AsyncWrite for LogStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let data = &data[..data.len().min(WRITE_BYTES_MAX)];
        self.write_bytes(data);
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
