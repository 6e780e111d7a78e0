//! What the kernel says a process has used.

use std::process::Command;
use std::time::Duration;

use crate::failure::{Doing, Failure, Outcome};
use crate::process;

/// User and system time of all threads since the start, in the kernel's steps of 10 ms.
pub(super) fn cpu_time(process: u32) -> Outcome<Duration> {
    let file = format!("/proc/{process}/stat");
    let text = std::fs::read_to_string(&file).doing(format_args!("reading {file}"))?;
    let ticks = cpu_ticks(&text).ok_or_else(|| Failure::new(format!("{file} is not understood")))?;
    let per_second: u64 = process::capture(Command::new("getconf").arg("CLK_TCK"))?.parse().doing("CLK_TCK")?;
    Ok(Duration::from_micros(ticks * 1_000_000 / per_second.max(1)))
}

/// Memory in use now, in bytes.
pub(super) fn resident_bytes(process: u32) -> Outcome<u64> {
    status(process, "VmRSS:")
}

/// The most memory that was in use at once since the start or since [`forget_peak`], in bytes.
pub(super) fn resident_bytes_max(process: u32) -> Outcome<u64> {
    status(process, "VmHWM:")
}

/// Makes the memory in use now the most so far.
pub(super) fn forget_peak(process: u32) -> Outcome {
    let file = format!("/proc/{process}/clear_refs");
    std::fs::write(&file, "5").doing(format_args!("writing {file}"))
}

fn status(process: u32, field: &str) -> Outcome<u64> {
    let file = format!("/proc/{process}/status");
    let text = std::fs::read_to_string(&file).doing(format_args!("reading {file}"))?;
    bytes(&text, field).ok_or_else(|| Failure::new(format!("{file} is not understood")))
}

/// Fields 14 and 15 of `/proc/PID/stat`; the second field is a name in parentheses that may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn bytes(status: &str, field: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_says() {
        let stat = "42 (mu (run) x) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 4 0 12345 1000 200";
        assert_eq!(cpu_ticks(stat), Some(300));
        assert_eq!(cpu_ticks("42 mu"), None);
        let status = "Name:\tmu\nVmHWM:\t   50000 kB\nVmRSS:\t   42180 kB\n";
        assert_eq!(bytes(status, "VmRSS:"), Some(42180 * 1024));
        assert_eq!(bytes(status, "VmHWM:"), Some(50000 * 1024));
        assert_eq!(bytes("Name:\tmu\n", "VmRSS:"), None);
    }
}
