//! What the kernel says of this process.

use std::time::{Duration, Instant};

/// Memory in use, in bytes: its own, and the pages of files that it has touched.
pub(super) fn resident_bytes() -> u64 {
    field("VmRSS:") * 1024
}

/// Waits until no thread has ended for a while, or for `max`.
pub(super) fn settle(max: Duration) {
    let start = Instant::now();
    let mut threads = 0;
    while threads != field("Threads:") && start.elapsed() < max {
        threads = field("Threads:");
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// A number of `/proc/self/status`.
fn field(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("the kernel tells of this process");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel tells this number");
    let number = line.split_whitespace().next().expect("a number follows");
    number.parse().expect("it is a number")
}
