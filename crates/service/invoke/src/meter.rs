//! What a stack has used on this node since the node started.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mu_pricing::Usage;
use mu_stack::StackId;

use crate::receipt::{Receipt, ReceiptSink, Verdict};

/// Adds up the usage of one stack, over all of its versions. Readable at any time.
pub struct Meter {
    stack: StackId,
    totals: Mutex<Totals>,
    receipts: Arc<dyn ReceiptSink>,
}

/// The totals of a [`Meter`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Invocations that were admitted.
    pub invocations: u64,
    /// Those among them that ended without a response.
    pub failures: u64,
    /// Invocations refused because there was no room.
    pub rejections: u64,
    /// Invocations refused because the stack, or its owner, had used what it may.
    pub refusals: u64,
    /// What the invocations used, and the traffic of the stack's gateways: requests that matched a handler or an
    /// object, and the bytes of path, query, headers and bodies of those requests and their responses.
    pub usage: Usage,
    /// The most linear memory that one invocation had, in bytes.
    pub memory_bytes_max: u64,
}

impl Meter {
    pub(crate) fn new(stack: StackId, receipts: Arc<dyn ReceiptSink>) -> Self {
        Self { stack, totals: Mutex::default(), receipts }
    }

    /// The totals so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        *self.lock()
    }

    /// Counts what was used outside of invocations: by a gateway.
    pub fn add(&self, usage: &Usage) {
        {
            let mut totals = self.lock();
            totals.usage = totals.usage.saturating_add(usage);
        }
        self.receipts.traffic(self.stack, usage);
    }

    pub(crate) fn add_receipt(&self, receipt: &Receipt) {
        let mut totals = self.lock();
        match receipt.verdict {
            Verdict::Answered(_) => totals.invocations += 1,
            Verdict::Failed(_) | Verdict::Abandoned => {
                totals.invocations += 1;
                totals.failures += 1;
            }
            Verdict::Rejected(_) => totals.rejections += 1,
            Verdict::Refused(_) => totals.refusals += 1,
        }
        totals.usage = totals.usage.saturating_add(&receipt.usage);
        totals.memory_bytes_max = totals.memory_bytes_max.max(receipt.memory_bytes_max);
    }

    fn lock(&self) -> MutexGuard<'_, Totals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter").field("totals", &self.totals()).finish_non_exhaustive()
    }
}
