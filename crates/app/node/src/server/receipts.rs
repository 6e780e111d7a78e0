//! What becomes of receipts: usage is counted, metrics are told.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mu_control::usage::{Counts, UsageEntry, UsageLedger};
use mu_invoke::{Receipt, ReceiptSink, Verdict};
use mu_pricing::Usage;
use mu_stack::StackId;
use mu_telemetry::{FunctionMetrics, FunctionParams, Metrics};

use crate::receipt_metrics::record_receipt;

/// Functions whose metrics are kept at hand; when there are more, they are looked up anew.
const FUNCTIONS_MAX: usize = 10_000;

/// The [`ReceiptSink`] of a server.
pub(super) struct Receipts {
    usage: Arc<UsageLedger>,
    metrics: Metrics,
    functions: Mutex<HashMap<FunctionKey, Arc<FunctionMetrics>>>,
}

/// A stack, and the name of a function of it.
type FunctionKey = (StackId, Arc<str>);

impl Receipts {
    pub(super) fn new(usage: Arc<UsageLedger>, metrics: Metrics) -> Self {
        Self { usage, metrics, functions: Mutex::default() }
    }

    /// Lets go of the metrics of all other stacks, whose lines end with that.
    pub(super) fn keep_only(&self, stacks: &HashSet<StackId>) {
        self.functions().retain(|(stack, _), _| stacks.contains(stack));
    }

    fn function(&self, receipt: &Receipt) -> Arc<FunctionMetrics> {
        let mut functions = self.functions();
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

    fn functions(&self) -> MutexGuard<'_, HashMap<FunctionKey, Arc<FunctionMetrics>>> {
        self.functions.lock().unwrap_or_else(PoisonError::into_inner)
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;
    use mu_db::{Kv, MemJournal, MemKv};
    use mu_env::{Env, Timestamp};
    use mu_invoke::Cause;
    use mu_telemetry::{MetricsParams, Readings};

    use super::*;

    #[tokio::test]
    async fn the_lines_of_a_stack_end_with_it() {
        let env = Env::simulated(1, Timestamp::from_micros(0));
        let kv: Arc<dyn Kv> = Arc::new(MemKv::new());
        let (usage, _) = UsageLedger::open(Arc::new(MemJournal::new([3; 16])), kv, env.clone()).await.unwrap();
        let metrics = Metrics::new(MetricsParams { version: "1", functions_max: 10 });
        let receipts = Receipts::new(usage, metrics.clone());
        let stacks = [StackId::new([1; 32]), StackId::new([2; 32])];
        for stack_id in stacks {
            receipts.accept(Receipt {
                invocation: env.new_invocation_id(),
                stack_id,
                stack: "shop".into(),
                version: 1,
                function: "till".into(),
                handler: "pay".into(),
                cause: Cause::CommandLine,
                started: env.now(),
                waited: Duration::ZERO,
                duration: Duration::ZERO,
                verdict: Verdict::Answered(StatusCode::OK),
                usage: Usage::default(),
                memory_bytes_max: 0,
            });
        }
        let are_told = || {
            let text = metrics.encode(Readings::default());
            stacks.map(|stack| text.contains(&format!("stack_id=\"{stack}\"")))
        };
        assert_eq!(are_told(), [true, true]);
        receipts.keep_only(&HashSet::from([stacks[1]]));
        assert_eq!(are_told(), [false, true]);
    }
}
