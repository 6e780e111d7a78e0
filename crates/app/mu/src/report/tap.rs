//! Copies what is reported about single calls for whoever made them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mu_env::InvocationId;
use mu_invoke::{Receipt, ReceiptSink};
use mu_telemetry::{LogRecord, LogSink};

use crate::report::Reporter;

/// Passes everything on to a [`Reporter`], if there is one, and keeps a copy of what belongs to the calls that were asked
/// for.
pub(crate) struct Tap {
    reporter: Option<Arc<Reporter>>,
    /// How many calls are captured: with none, which is the rule, the map needs no look.
    count: AtomicUsize,
    calls: Mutex<HashMap<InvocationId, Captured>>,
}

/// What was reported about a call. Its lines are bounded by the log limit of every call.
#[derive(Default)]
pub(crate) struct Captured {
    pub(crate) logs: Vec<LogRecord>,
    pub(crate) receipt: Option<Receipt>,
}

impl Tap {
    pub(crate) fn new(reporter: Option<Arc<Reporter>>) -> Self {
        Self { reporter, count: AtomicUsize::new(0), calls: Mutex::default() }
    }

    /// Keeps what is reported about `call` from now on, until the capture is dropped or taken.
    pub(crate) fn capture(&self, call: InvocationId) -> Capture<'_> {
        self.lock().insert(call, Captured::default());
        self.count.fetch_add(1, Ordering::Release);
        Capture { tap: self, call }
    }

    fn copy(&self, call: InvocationId, copy: impl FnOnce(&mut Captured)) {
        if self.count.load(Ordering::Acquire) > 0
            && let Some(captured) = self.lock().get_mut(&call)
        {
            copy(captured);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<InvocationId, Captured>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call being captured.
pub(crate) struct Capture<'a> {
    tap: &'a Tap,
    call: InvocationId,
}

impl Capture<'_> {
    /// What was reported so far.
    pub(crate) fn take(self) -> Captured {
        self.tap.lock().get_mut(&self.call).map(std::mem::take).unwrap_or_default()
    }
}

impl Drop for Capture<'_> {
    fn drop(&mut self) {
        self.tap.lock().remove(&self.call);
        self.tap.count.fetch_sub(1, Ordering::Release);
    }
}

impl LogSink for Tap {
    fn write(&self, record: LogRecord) {
        self.copy(record.invocation, |captured| captured.logs.push(record.clone()));
        if let Some(reporter) = &self.reporter {
            reporter.write(record);
        }
    }
}

impl ReceiptSink for Tap {
    fn accept(&self, receipt: Receipt) {
        self.copy(receipt.invocation, |captured| captured.receipt = Some(receipt.clone()));
        if let Some(reporter) = &self.reporter {
            reporter.accept(receipt);
        }
    }
}
