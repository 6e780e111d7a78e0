//! What is not counted here as it happens, but looked at when metrics are read.

use std::sync::Arc;

/// What a node has at the moment, and what its parts have counted by themselves since it started.
#[derive(Clone, Debug, Default)]
pub struct Readings {
    /// What the gateways of stacks have used.
    pub traffic: Vec<StackTraffic>,
    /// Invocations under way, of functions that have any. A function may stand here several times.
    pub in_flight: Vec<InFlight>,
    /// Stacks that are deployed.
    pub stacks: u64,
    /// Those of them that are loaded.
    pub stacks_loaded: u64,
    /// Open WebSocket connections.
    pub websockets: u64,
    /// Lines of functions' logs that were stored.
    pub log_lines_stored: u64,
    /// Lines of functions' logs that were dropped.
    pub log_lines_dropped: u64,
    /// Bytes of all lines that are stored now.
    pub log_stored_bytes: u64,
    /// Who follows logs.
    pub log_followers: u64,
    /// Records of usage that wait, or waited, in memory.
    pub usage_records_delayed: u64,
    /// Records of usage that were not counted.
    pub usage_records_lost: u64,
    /// Containers of functions.
    pub containers: ContainerReadings,
}

/// The containers of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContainerReadings {
    /// Those that do not listen yet.
    pub starting: u64,
    /// Those in a call.
    pub busy: u64,
    /// Those without a call that are not frozen.
    pub idle: u64,
    /// Those without a call that are frozen.
    pub frozen: u64,
    /// Calls that wait for one.
    pub waiting_calls: u64,
    /// Those that ever listened.
    pub started: u64,
    /// Those that ended before they listened.
    pub failed_starts: u64,
    /// Idle ones that were removed because others needed their room.
    pub evicted: u64,
    /// Connections that they wanted to make, and for which there was no place.
    pub refused_connections: u64,
    /// Memory that is reserved for them, in bytes.
    pub reserved_bytes: u64,
    /// Memory that can be reserved, in bytes.
    pub reservable_bytes: u64,
}

/// What the gateways and public boxes of a stack have used.
#[derive(Clone, Debug)]
pub struct StackTraffic {
    /// The stack's id.
    pub stack_id: String,
    /// The stack's name.
    pub stack: Arc<str>,
    /// Requests.
    pub requests: u64,
    /// Bytes in both directions.
    pub bytes: u64,
}

/// Invocations of a function that run or wait.
#[derive(Clone, Debug)]
pub struct InFlight {
    /// The stack's id.
    pub stack_id: String,
    /// The stack's name.
    pub stack: Arc<str>,
    /// The function's name.
    pub function: Arc<str>,
    /// How many.
    pub invocations: u64,
}

impl Readings {
    /// Leaves the traffic of at most so many stacks, of those that have the most, in the order of their names.
    pub(super) fn keep_traffic(&mut self, stacks_max: usize) {
        self.traffic.sort_by_key(|traffic| std::cmp::Reverse(traffic.bytes));
        self.traffic.truncate(stacks_max);
        self.traffic.sort_by(|a, b| (&a.stack, &a.stack_id).cmp(&(&b.stack, &b.stack_id)));
    }
}
