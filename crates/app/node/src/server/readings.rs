//! What the parts of a node know of themselves, for whoever reads the metrics.

use std::collections::HashSet;
use std::sync::Arc;

use mu_control::logs::LogStore;
use mu_control::usage::UsageLedger;
use mu_invoke::{Invoker, KnownStack};
use mu_telemetry::{InFlight, Readings, StackTraffic};

use super::receipts::Receipts;
use crate::containers::Containers;

/// What is looked at.
pub(super) struct Gauges {
    pub(super) invoker: Arc<Invoker>,
    pub(super) receipts: Arc<Receipts>,
    pub(super) logs: Arc<LogStore>,
    pub(super) usage: Arc<UsageLedger>,
    pub(super) containers: Arc<Containers>,
}

impl Gauges {
    /// Takes a moment where there are thousands of stacks. Also ends the lines of stacks that are gone.
    pub(super) fn read(&self) -> Readings {
        let stacks = self.invoker.deployments().stacks();
        self.receipts.keep_only(&stacks.iter().map(|stack| stack.id).collect::<HashSet<_>>());
        let (logs, usage) = (self.logs.stats(), self.usage.stats());
        Readings {
            traffic: stacks.iter().filter_map(traffic).collect(),
            in_flight: stacks.iter().flat_map(in_flight).collect(),
            stacks: stacks.len() as u64,
            stacks_loaded: stacks.iter().filter(|stack| !stack.versions.is_empty()).count() as u64,
            websockets: self.invoker.sockets().count() as u64,
            log_lines_stored: logs.stored,
            log_lines_dropped: logs.dropped,
            log_stored_bytes: logs.stored_bytes,
            log_followers: logs.followers as u64,
            usage_records_delayed: usage.waited,
            usage_records_lost: usage.lost,
            containers: self.containers.readings(),
        }
    }
}

fn traffic(stack: &KnownStack) -> Option<StackTraffic> {
    let usage = stack.meter.totals().usage;
    let (requests, bytes) = (usage.gateway_requests, usage.gateway_traffic_bytes);
    let has_some = requests > 0 || bytes > 0;
    has_some.then(|| StackTraffic { stack_id: stack.id.to_string(), stack: Arc::clone(&stack.name), requests, bytes })
}

fn in_flight(stack: &KnownStack) -> impl Iterator<Item = InFlight> {
    let functions = stack.versions.iter().flat_map(|(version, _)| version.functions());
    functions.filter(|function| function.in_flight() > 0).map(|function| InFlight {
        stack_id: stack.id.to_string(),
        stack: Arc::clone(&stack.name),
        function: Arc::clone(function.name()),
        invocations: function.in_flight() as u64,
    })
}
