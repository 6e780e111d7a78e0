//! Ten thousand functions that are deployed and idle: what each holds in memory, and how soon a random one answers.
//!
//! A process that has compiled ten thousand functions is not the one that an operator runs for months. So one process
//! compiles, and another, started with the same cache, deploys what is compiled and is measured.

mod client;
mod functions;
mod memory;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mu_invoke::{Receipt, ReceiptSink};
use mu_node::{GatewayPorts, Node, NodeConfig, Sinks};
use mu_stack::Runtime;
use mu_telemetry::{LogRecord, LogSink};
use tokio::runtime::Builder;

use crate::Effort;
use crate::row::{median, micros, print};
use client::Client;
use functions::{FUNCTIONS_PER_STACK, Functions};

/// The runtimes that are measured; WASI 0.3 shares everything here with 0.2.
const RUNTIMES: [Runtime; 2] = [Runtime::Wasi1, Runtime::WasiHttp];
const STACKS: usize = 40;
/// Functions that are called for the first time.
const CALLED: usize = 1_000;
/// How long threads that have loaded code may take to end.
const SETTLE_MAX: Duration = Duration::from_secs(10);

/// What the program is started with to be measured: this, the runtime, and the folder.
pub(crate) const ARGUMENT: &str = "--idle";

/// Starts the processes: each runtime has two.
pub(crate) fn run(effort: Effort) {
    for runtime in RUNTIMES {
        let folder = tempfile::tempdir().expect("a directory is made");
        Functions::write(folder.path(), runtime, stacks(effort));
        // The first one's rows would be about a process that has compiled.
        start(folder.path(), runtime, effort, Stdio::null());
        start(folder.path(), runtime, effort, Stdio::inherit());
    }
}

fn start(folder: &Path, runtime: Runtime, effort: Effort, rows: Stdio) {
    let mut command = Command::new(std::env::current_exe().expect("the program knows where it is"));
    command.args([ARGUMENT, runtime.as_str()]).arg(folder).stdout(rows);
    if effort == Effort::Quick {
        command.arg(crate::QUICK);
    }
    assert!(command.status().expect("the program starts once more").success(), "the measurement failed");
}

/// Deploys, measures and prints the rows of one runtime; `runtime` and `folder` are as [`run`] has given them.
pub(crate) fn measure(runtime: &str, folder: &Path, effort: Effort) {
    let runtime = RUNTIMES.into_iter().find(|known| known.as_str() == runtime).expect("a runtime that is measured");
    // Threads that load code end soon, so that their stacks aren't taken for the functions' memory.
    let keep_alive = Duration::from_millis(100);
    let tokio = Builder::new_multi_thread().thread_keep_alive(keep_alive).enable_all().build();
    let tokio = tokio.expect("the runtime starts");
    let functions = Functions::read(folder, runtime, stacks(effort));

    let (node, address) = tokio.block_on(async {
        let sinks = Sinks { logs: Arc::new(Nowhere), receipts: Arc::new(Nowhere) };
        let config = NodeConfig::new(folder.join("data"), folder.join("cache"));
        let node = Node::start(config, sinks).expect("the node starts");
        let gateway = node.listen(([127, 0, 0, 1], 0).into(), GatewayPorts::default()).expect("there is a free port");
        let address = gateway.address();
        node.serve(gateway);
        // What the node itself needs to serve is not the memory of the idle.
        node.deploy(functions.stack(0)).await.expect("the stack is deployed");
        (node, address)
    });
    let mut client = Client::connect(address);
    client.get(&functions.path(0, 0));
    memory::settle(SETTLE_MAX);
    let before = memory::resident_bytes();

    tokio.block_on(async {
        for number in 1..=stacks(effort) {
            node.deploy(functions.stack(number)).await.expect("the stack is deployed");
        }
    });
    memory::settle(SETTLE_MAX);
    let count = stacks(effort) * FUNCTIONS_PER_STACK;
    let each = memory::resident_bytes().saturating_sub(before) as f64 / count as f64;
    print(&format!("{count} idle functions, {runtime}: memory of each"), "KiB", each / 1024.0, None, None);

    let mut times: Vec<f64> = (0..effort.times(CALLED))
        .map(|index| {
            let (stack, function) = scattered(index, count);
            let path = functions.path(stack, function);
            let start = Instant::now();
            client.get(&path);
            micros(start.elapsed())
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let slow = times[times.len() * 99 / 100];
    print(&format!("{count} idle functions, {runtime}: first reply, median"), "us", median(times), None, None);
    print(&format!("{count} idle functions, {runtime}: first reply, 99 of 100"), "us", slow, None, None);
    tokio.block_on(node.stop());
}

fn stacks(effort: Effort) -> usize {
    if effort == Effort::Quick { 1 } else { STACKS }
}

/// The stack and function of a call, each at most once: neighbours in time were not deployed together.
fn scattered(index: usize, count: usize) -> (usize, usize) {
    // A prime that divides no number of functions here.
    let place = index * 7_919 % count;
    (1 + place / FUNCTIONS_PER_STACK, place % FUNCTIONS_PER_STACK)
}

struct Nowhere;

impl LogSink for Nowhere {
    fn write(&self, _record: LogRecord) {}
}

impl ReceiptSink for Nowhere {
    fn accept(&self, _receipt: Receipt) {}
}
