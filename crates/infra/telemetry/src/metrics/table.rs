//! The one place where metrics are named: the text, and the page in the documentation, are made from this table.

use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

/// A metric.
pub(super) struct Family {
    /// The name without its unit, and without what the text format adds (`_total`, `_bucket`).
    pub(super) name: &'static str,
    pub(super) kind: MetricType,
    pub(super) unit: Option<Unit>,
    pub(super) labels: &'static [&'static str],
    /// One sentence.
    pub(super) help: &'static str,
}

const STACK: &[&str] = &["stack", "stack_id"];
const FUNCTION: &[&str] = &["stack", "stack_id", "function"];
const FUNCTION_OUTCOME: &[&str] = &["stack", "stack_id", "function", "outcome"];
const FUNCTION_OPERATION: &[&str] = &["stack", "stack_id", "function", "operation"];

pub(super) const INVOCATIONS: Family = Family {
    name: "mu_invocations",
    kind: MetricType::Counter,
    unit: None,
    labels: FUNCTION_OUTCOME,
    help: "Invocations that ended, by how they ended.",
};
pub(super) const DURATION: Family = Family {
    name: "mu_invocation_duration",
    kind: MetricType::Histogram,
    unit: Some(Unit::Seconds),
    labels: FUNCTION,
    help: "Time from when an invocation was asked for to its end, waiting included.",
};
pub(super) const WAIT: Family = Family {
    name: "mu_invocation_wait",
    kind: MetricType::Histogram,
    unit: Some(Unit::Seconds),
    labels: FUNCTION,
    help: "Time that an invocation waited for a place to run in.",
};
pub(super) const IN_FLIGHT: Family = Family {
    name: "mu_invocations_in_flight",
    kind: MetricType::Gauge,
    unit: None,
    labels: FUNCTION,
    help: "Invocations that run or wait at the moment, of versions that are served.",
};
pub(super) const INSTRUCTIONS: Family = Family {
    name: "mu_instructions",
    kind: MetricType::Counter,
    unit: None,
    labels: FUNCTION,
    help: "WebAssembly instructions that were executed.",
};
pub(super) const DATABASE_OPERATIONS: Family = Family {
    name: "mu_database_operations",
    kind: MetricType::Counter,
    unit: None,
    labels: FUNCTION_OPERATION,
    help: "Keys of tables that were read or written; an atomic write counts twice.",
};
pub(super) const STORAGE_OPERATIONS: Family = Family {
    name: "mu_storage_operations",
    kind: MetricType::Counter,
    unit: None,
    labels: FUNCTION_OPERATION,
    help: "Objects of boxes that were read or written.",
};
pub(super) const STORAGE_TRANSFER: Family = Family {
    name: "mu_storage_transfer",
    kind: MetricType::Counter,
    unit: Some(Unit::Bytes),
    labels: FUNCTION_OPERATION,
    help: "Bytes of objects that were read or written.",
};
pub(super) const GATEWAY_REQUESTS: Family = Family {
    name: "mu_gateway_requests",
    kind: MetricType::Counter,
    unit: None,
    labels: STACK,
    help: "Requests to routes of a stack's gateways and to objects of its public boxes.",
};
pub(super) const GATEWAY_TRAFFIC: Family = Family {
    name: "mu_gateway_traffic",
    kind: MetricType::Counter,
    unit: Some(Unit::Bytes),
    labels: STACK,
    help: "Bytes of such requests and their answers, paths and headers included, and of WebSocket messages.",
};
pub(super) const LIMIT_HITS: Family = Family {
    name: "mu_limit_hits",
    kind: MetricType::Counter,
    unit: None,
    labels: &["limit"],
    help: "How often something was refused, cut or ended because of a limit.",
};
pub(super) const API_REQUESTS: Family = Family {
    name: "mu_api_request_duration",
    kind: MetricType::Histogram,
    unit: Some(Unit::Seconds),
    labels: &["outcome"],
    help: "Time until a request to the management API was answered.",
};
pub(super) const STACKS: Family =
    Family { name: "mu_stacks", kind: MetricType::Gauge, unit: None, labels: &[], help: "Stacks that are deployed." };
pub(super) const STACKS_LOADED: Family = Family {
    name: "mu_stacks_loaded",
    kind: MetricType::Gauge,
    unit: None,
    labels: &[],
    help: "Stacks that are loaded; the others are when something asks for them.",
};
pub(super) const WEBSOCKETS: Family = Family {
    name: "mu_websockets",
    kind: MetricType::Gauge,
    unit: None,
    labels: &[],
    help: "Open WebSocket connections.",
};
pub(super) const LOG_LINES_STORED: Family = Family {
    name: "mu_log_lines_stored",
    kind: MetricType::Counter,
    unit: None,
    labels: &[],
    help: "Lines of functions' logs that were stored.",
};
pub(super) const LOG_LINES_DROPPED: Family = Family {
    name: "mu_log_lines_dropped",
    kind: MetricType::Counter,
    unit: None,
    labels: &[],
    help: "Lines of functions' logs that are kept nowhere, because they came faster than they can be stored.",
};
pub(super) const LOG_STORED: Family = Family {
    name: "mu_log_stored",
    kind: MetricType::Gauge,
    unit: Some(Unit::Bytes),
    labels: &[],
    help: "Bytes of functions' logs that are stored at the moment.",
};
pub(super) const LOG_FOLLOWERS: Family = Family {
    name: "mu_log_followers",
    kind: MetricType::Gauge,
    unit: None,
    labels: &[],
    help: "Who follows the logs of stacks.",
};
pub(super) const USAGE_DELAYED: Family = Family {
    name: "mu_usage_records_delayed",
    kind: MetricType::Counter,
    unit: None,
    labels: &[],
    help: "Records of usage that waited in memory, because the journal did not take them.",
};
pub(super) const USAGE_LOST: Family = Family {
    name: "mu_usage_records_lost",
    kind: MetricType::Counter,
    unit: None,
    labels: &[],
    help: "Records of usage that were not counted, because too many waited.",
};
pub(super) const CONTAINERS: Family = Family {
    name: "mu_containers",
    kind: MetricType::Gauge,
    unit: None,
    labels: &["state"],
    help: "Containers of functions: `starting`, `busy` with a call, `idle`, or `frozen` because they are idle.",
};
pub(super) const CONTAINER_WAITING: Family = Family {
    name: "mu_container_waiting_calls",
    kind: MetricType::Gauge,
    unit: None,
    labels: &[],
    help: "Calls that wait for a container.",
};
pub(super) const CONTAINER_STARTS: Family = Family {
    name: "mu_container_starts",
    kind: MetricType::Counter,
    unit: None,
    labels: &[],
    help: "Containers that were started and listened.",
};
pub(super) const CONTAINER_FAILED_STARTS: Family = Family {
    name: "mu_container_failed_starts",
    kind: MetricType::Counter,
    unit: None,
    labels: &[],
    help: "Containers that could not be started, or ended before they listened.",
};
pub(super) const CONTAINER_EVICTIONS: Family = Family {
    name: "mu_container_evictions",
    kind: MetricType::Counter,
    unit: None,
    labels: &[],
    help: "Idle containers that were removed because others needed their room.",
};
pub(super) const CONTAINER_REFUSED_CONNECTIONS: Family = Family {
    name: "mu_container_refused_connections",
    kind: MetricType::Counter,
    unit: None,
    labels: &[],
    help: "Connections to the outside that containers were refused because all together had too many.",
};
pub(super) const CONTAINER_RESERVED: Family = Family {
    name: "mu_container_reserved_memory",
    kind: MetricType::Gauge,
    unit: Some(Unit::Bytes),
    labels: &[],
    help: "Memory that is reserved for containers.",
};
pub(super) const CONTAINER_RESERVABLE: Family = Family {
    name: "mu_container_reservable_memory",
    kind: MetricType::Gauge,
    unit: Some(Unit::Bytes),
    labels: &[],
    help: "Memory that containers may have reserved together; 0 before the first container function is loaded.",
};
pub(super) const BUILD: Family =
    Family { name: "mu_build", kind: MetricType::Info, unit: None, labels: &["version"], help: "The program." };
pub(super) const PROCESS_CPU: Family = Family {
    name: "process_cpu",
    kind: MetricType::Counter,
    unit: Some(Unit::Seconds),
    labels: &[],
    help: "Time on processors, in the kernel and outside of it.",
};
pub(super) const PROCESS_RESIDENT: Family = Family {
    name: "process_resident_memory",
    kind: MetricType::Gauge,
    unit: Some(Unit::Bytes),
    labels: &[],
    help: "Memory that the process has in use.",
};
pub(super) const PROCESS_OPEN_FILES: Family = Family {
    name: "process_open_fds",
    kind: MetricType::Gauge,
    unit: None,
    labels: &[],
    help: "Open files and connections.",
};
pub(super) const PROCESS_OPEN_FILES_MAX: Family = Family {
    name: "process_max_fds",
    kind: MetricType::Gauge,
    unit: None,
    labels: &[],
    help: "The most files and connections that the process may have open.",
};
pub(super) const PROCESS_THREADS: Family = Family {
    name: "process_threads",
    kind: MetricType::Gauge,
    unit: None,
    labels: &[],
    help: "Threads of the process.",
};
pub(super) const PROCESS_START: Family = Family {
    name: "process_start_time",
    kind: MetricType::Gauge,
    unit: Some(Unit::Seconds),
    labels: &[],
    help: "When the process started, in seconds since 1970.",
};

/// The metrics in the order of the text, by what they are about.
pub(super) const TABLE: [(&str, &[&Family]); 5] = [
    (
        "Functions",
        &[
            &INVOCATIONS,
            &DURATION,
            &WAIT,
            &IN_FLIGHT,
            &INSTRUCTIONS,
            &DATABASE_OPERATIONS,
            &STORAGE_OPERATIONS,
            &STORAGE_TRANSFER,
        ],
    ),
    ("Stacks", &[&GATEWAY_REQUESTS, &GATEWAY_TRAFFIC]),
    (
        "The node",
        &[
            &LIMIT_HITS,
            &API_REQUESTS,
            &STACKS,
            &STACKS_LOADED,
            &WEBSOCKETS,
            &LOG_LINES_STORED,
            &LOG_LINES_DROPPED,
            &LOG_STORED,
            &LOG_FOLLOWERS,
            &USAGE_DELAYED,
            &USAGE_LOST,
            &BUILD,
        ],
    ),
    (
        "Containers",
        &[
            &CONTAINERS,
            &CONTAINER_WAITING,
            &CONTAINER_STARTS,
            &CONTAINER_FAILED_STARTS,
            &CONTAINER_EVICTIONS,
            &CONTAINER_REFUSED_CONNECTIONS,
            &CONTAINER_RESERVED,
            &CONTAINER_RESERVABLE,
        ],
    ),
    (
        "The process",
        &[
            &PROCESS_CPU,
            &PROCESS_RESIDENT,
            &PROCESS_OPEN_FILES,
            &PROCESS_OPEN_FILES_MAX,
            &PROCESS_THREADS,
            &PROCESS_START,
        ],
    ),
];

impl Family {
    /// The name as queries use it, without what a histogram's parts add.
    pub(super) fn full_name(&self) -> String {
        let unit = self.unit.as_ref().map(|unit| format!("_{}", unit.as_str())).unwrap_or_default();
        let end = match self.kind {
            MetricType::Counter => "_total",
            MetricType::Info => "_info",
            MetricType::Gauge | MetricType::Histogram | MetricType::Unknown => "",
        };
        format!("{}{unit}{end}", self.name)
    }
}
