//! What becomes of receipts: usage is counted, metrics are told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use mu_control::usage::{Counts, UsageEntry, UsageLedger};
use mu_invoke::{Receipt, ReceiptSink, Verdict};
use mu_pricing::Usage;
use mu_stack::StackId;
use mu_telemetry::{FunctionMetrics, FunctionParams, Metrics};

use crate::receipt_metrics::record_receipt;

/// Functions whose metrics are kept at hand; when there are more, they are looked up anew.
const FUNCTIONS_MAX: usize = 10_000;

type Functions = HashMap<(StackId, Arc<str>), Arc<FunctionMetrics>>;

/// The [`ReceiptSink`] of a server.
pub(super) struct Receipts {
    usage: Arc<UsageLedger>,
    metrics: Metrics,
    functions: Mutex<Functions>,
}

impl Receipts {
    pub(super) fn new(usage: Arc<UsageLedger>, metrics: Metrics) -> Self {
        Self { usage, metrics, functions: Mutex::default() }
    }

    fn function(&self, receipt: &Receipt) -> Arc<FunctionMetrics> {
        let mut functions = self.functions.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (receipt.stack_id, Arc::clone(&receipt.function));
        if let Some(known) = functions.get(&key) {
            return Arc::clone(known);
        }
        if functions.len() >= FUNCTIONS_MAX {
            functions.clear();
        }
        let params = FunctionParams {
            stack_id: &receipt.stack_id.to_string(),
            stack: &receipt.stack,
            function: &receipt.function,
        };
        let function = Arc::new(self.metrics.function(&params));
        functions.insert(key, Arc::clone(&function));
        function
    }
}

impl ReceiptSink for Receipts {
    fn accept(&self, receipt: Receipt) {
        let (invocations, failures, rejections) = match receipt.verdict {
            Verdict::Answered(_) => (1, 0, 0),
            Verdict::Failed(_) | Verdict::Abandoned => (1, 1, 0),
            Verdict::Rejected(_) | Verdict::Refused(_) => (0, 0, 1),
        };
        let memory_bytes_max = receipt.memory_bytes_max;
        let counts = Counts { invocations, failures, rejections, usage: receipt.usage, memory_bytes_max };
        self.usage.record(&UsageEntry { stack: receipt.stack_id, function: Some(&receipt.function), counts });
        record_receipt(&self.metrics, &self.function(&receipt), &receipt);
    }

    fn traffic(&self, stack: StackId, usage: &Usage) {
        let counts = Counts { usage: *usage, ..Counts::default() };
        self.usage.record(&UsageEntry { stack, function: None, counts });
    }
}
