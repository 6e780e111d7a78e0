//! What is the same for all containers, whoever starts them.

use crate::{ContainerLimits, RunnerError};

/// User and group of every container, whatever its image says.
pub(crate) const USER: u32 = 1000;

/// What a container is called inside. There is no more to it than the name: it is the same for all.
pub(crate) const HOST_NAME: &str = "function";

/// `/dev/shm`, which is memory of the container like `/tmp`: semaphores and small buffers of language runtimes.
pub(crate) const SHM_BYTES: u64 = 8 << 20;

/// Files and directories in it, itself among them.
pub(crate) const SHM_FILES: u64 = 256;

/// The kernel ends containers before the node when the machine's memory runs out.
pub(crate) const OOM_SCORE_ADJUSTMENT: i32 = 500;

/// A period in which processor time is measured out, in microseconds: the kernel's default.
pub(crate) const CPU_PERIOD_US: u64 = 100_000;

/// Processor time in each period; the kernel refuses less than a millisecond.
pub(crate) fn cpu_quota_us(limits: ContainerLimits) -> Option<u64> {
    Some((limits.milli_cpus?.saturating_mul(CPU_PERIOD_US) / 1_000).max(1_000))
}

/// Limits that each process has, soft and hard. What is pending of signals and lies in message queues counts for the user
/// whose it is, and so for all containers of the machine together. Those that are no setting are Project Fn's; memory dumps
/// would fill `/tmp`.
pub(crate) fn rlimits(limits: ContainerLimits) -> [(&'static str, u64); 5] {
    [("NOFILE", limits.open_files), ("MEMLOCK", 65_536), ("SIGPENDING", 5_000), ("MSGQUEUE", 819_200), ("CORE", 0)]
}

/// Refuses a machine that cannot enforce a limit, unless that is allowed.
pub(crate) fn unenforceable(limit: &'static str, reason: &str, is_allowed: bool) -> Result<(), RunnerError> {
    if is_allowed {
        tracing::warn!(reason, "{limit} of containers is not enforced");
        return Ok(());
    }
    Err(RunnerError::Unenforceable { limit, reason: format!("{reason}, or let the settings allow it") })
}
