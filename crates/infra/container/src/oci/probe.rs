//! Whether a runtime does what it is told, on this machine: a container is started, and looked at from outside.
//!
//! Runtimes have been seen to ignore limits silently. So nothing is believed that cannot be read from the kernel.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::bundle::Plan;
use super::container::OciContainer;
use super::directory::lay_mount_points;
use super::launch::Launcher;
use super::root::Root;
use crate::cgroup::Cgroups;
use crate::limits::{USER, unenforceable};
use crate::{Container, ContainerLimits, RunnerError, io_error};

/// Something else than any default.
const LIMITS: ContainerLimits = ContainerLimits {
    memory_bytes: 48 << 20,
    tmp_bytes: 1 << 20,
    tmp_files: 16,
    pids: 7,
    open_files: 33,
    milli_cpus: Some(500),
};

/// How often, a millisecond apart, something is looked for that takes a moment.
const LOOKS: u32 = 3_000;

/// A loop that never ends, in machine code: a program that runs on any machine, for nothing of one is needed.
#[cfg(target_arch = "x86_64")]
const LOOP: (u16, &[u8]) = (62, &[0xeb, 0xfe]);
#[cfg(target_arch = "aarch64")]
const LOOP: (u16, &[u8]) = (183, &[0x00, 0x00, 0x00, 0x14]);
#[cfg(target_arch = "riscv64")]
const LOOP: (u16, &[u8]) = (243, &[0x6f, 0x00, 0x00, 0x00]);

/// Refuses a machine that lacks what limits are enforced by, whatever the runtime.
pub(super) fn check_controllers(cgroups: &Cgroups, allow_unenforced: bool) -> Result<(), RunnerError> {
    let controller = |name: &str| format!("the control group controller `{name}` is missing; enable it in the kernel");
    let swap = "the kernel does not account for swap; turn swap off, or boot with `swapaccount=1`".to_owned();
    for (is_there, limit, reason) in [
        (cgroups.limits_memory(), "the memory limit", controller("memory")),
        (cgroups.limits_swap() || !has_swap(), "the memory limit", swap),
        (cgroups.limits_pids(), "the limit of processes", controller("pids")),
        (cgroups.limits_cpu(), "the processor limit", controller("cpu")),
    ] {
        if !is_there {
            unenforceable(limit, &reason, allow_unenforced)?;
        }
    }
    Ok(())
}

/// Whether there is any at the moment.
fn has_swap() -> bool {
    fs::read_to_string("/proc/swaps").is_ok_and(|swaps| swaps.lines().count() > 1)
}

/// Starts a container and looks at it.
pub(super) async fn check(launcher: &Launcher, allow_unenforced: bool) -> Result<(), RunnerError> {
    let probing = || "preparing a container for a trial".to_owned();
    let root = launcher.directory.path().join("probe");
    lay_mount_points(&root).and_then(|()| write_program(&root.join("loop"))).map_err(io_error(probing))?;
    let plan = Plan {
        root: Arc::new(Root::directory(root)),
        args: vec!["/loop".to_owned()],
        env: Vec::new(),
        cwd: "/".to_owned(),
        limits: LIMITS,
        dial: None,
        label: "trial".to_owned(),
    };
    let container = launcher.start(plan).await?;
    let checked = look_at(launcher, &container, allow_unenforced).await;
    Box::new(container).remove().await?;
    checked
}

async fn look_at(launcher: &Launcher, container: &OciContainer, allow_unenforced: bool) -> Result<(), RunnerError> {
    let cgroups = &launcher.cgroups;
    let group = &cgroups.group(container.id());
    let failed = |reason: String| RunnerError::Runtime {
        runtime: launcher.runtime.name().to_owned(),
        action: "isolate the container",
        reason,
    };

    // The runtime may take a moment to leave it.
    if !eventually(|| cgroups.processes(group).len() == 1).await {
        return Err(failed("its process is not in the control group that was asked for".to_owned()));
    }
    let pid = cgroups.processes(group).pop_first().unwrap_or_default();
    let reading = || format!("looking at process {pid} of a trial");
    let isolation = isolation(pid).map_err(io_error(reading))?;
    if !isolation.is_empty() {
        return Err(failed(isolation.join(", ")));
    }

    let is = cgroups.enforced(group);
    for (limit, is_enforced) in [
        ("the memory limit", !cgroups.limits_memory() || is.memory_bytes == Some(LIMITS.memory_bytes)),
        (
            "the memory limit",
            !cgroups.limits_swap()
                || is.memory_and_swap_bytes.map_or_else(|| !has_swap(), |bytes| bytes == LIMITS.memory_bytes),
        ),
        ("the limit of processes", !cgroups.limits_pids() || is.pids == Some(LIMITS.pids)),
        (
            "the processor limit",
            !cgroups.limits_cpu() || is.cpu.is_some_and(|(quota, period)| quota.saturating_mul(2) == period),
        ),
    ] {
        if !is_enforced {
            let reason = format!("{} did not set it", launcher.runtime.name());
            unenforceable(limit, &reason, allow_unenforced)?;
        }
    }

    let spent = || container.cpu_time().unwrap_or_default();
    let start = spent();
    if !eventually(|| spent() > start).await {
        return Err(failed("its processor time is not counted".to_owned()));
    }
    container.freeze().await?;
    if !eventually(|| cgroups.is_frozen(group).unwrap_or_default()).await {
        return Err(failed("it cannot be frozen".to_owned()));
    }
    // What it did last may be counted after it was frozen.
    let (mut frozen, mut is_still) = (start, false);
    for _ in 0..LOOKS {
        let now = spent();
        is_still = now == frozen;
        if is_still {
            break;
        }
        frozen = now;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    if !is_still {
        return Err(failed("it goes on when it is frozen".to_owned()));
    }
    container.thaw().await?;
    if !eventually(|| spent() > frozen).await {
        return Err(failed("it does not go on after it was frozen".to_owned()));
    }
    Ok(())
}

/// What is wrong with the isolation of a process.
fn isolation(pid: i32) -> io::Result<Vec<String>> {
    let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}"));
    let (status, limits, mounts) = (read("status")?, read("limits")?, read("mountinfo")?);
    let mut wrong = Vec::new();
    let user = format!("{USER}\t{USER}\t{USER}\t{USER}");
    let nothing = "0000000000000000";
    for (name, expected) in [
        ("Uid", user.as_str()),
        ("Gid", &user),
        ("CapInh", nothing),
        ("CapPrm", nothing),
        ("CapEff", nothing),
        ("CapBnd", nothing),
        ("CapAmb", nothing),
        ("NoNewPrivs", "1"),
        ("Seccomp", "2"),
    ] {
        let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
        if value != Some(expected) {
            wrong.push(format!("{name} is {}", value.unwrap_or("unknown")));
        }
    }
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap_or_default();
    if !files.split_whitespace().take(2).all(|limit| limit == LIMITS.open_files.to_string()) {
        wrong.push(format!("open files are {}", files.trim()));
    }
    // `65 43 254:0 /a / ro,relatime - ext4 /dev/vda rw`
    let is_read_only = |line: &str| {
        let mut fields = line.split(' ').skip(4);
        fields.next() == Some("/") && fields.next().is_some_and(|options| options.split(',').any(|o| o == "ro"))
    };
    if !mounts.lines().any(is_read_only) {
        wrong.push("its root can be written".to_owned());
    }
    for namespace in ["cgroup", "ipc", "mnt", "net", "pid", "uts"] {
        let link = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/{namespace}"));
        if link(&pid.to_string())? == link("self")? {
            wrong.push(format!("its {namespace} namespace is the machine's"));
        }
    }
    Ok(wrong)
}

async fn eventually(mut is_so: impl FnMut() -> bool) -> bool {
    for _ in 0..LOOKS {
        if is_so() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    false
}

/// An ELF file of two headers and the loop.
fn write_program(path: &Path) -> io::Result<()> {
    const BASE: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    let (machine, code) = LOOP;
    let size = HEADERS + code.len() as u64;
    let mut file = Vec::from(*b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    let half = |values: &[u16]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>();
    let word = |value: u32| value.to_le_bytes();
    let long = |values: &[u64]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>();
    // An executable of version 1: where it begins, where the program header is, no sections; sizes of the headers.
    file.extend(half(&[2, machine]));
    file.extend(word(1));
    file.extend(long(&[BASE + HEADERS, 64, 0]));
    file.extend(word(0));
    file.extend(half(&[64, 56, 1, 64, 0, 0]));
    // All of the file is loaded, to be read and run.
    file.extend(word(1));
    file.extend(word(5));
    file.extend(long(&[0, BASE, BASE, size, size, 4096]));
    file.extend(code);
    let _ = fs::remove_file(path);
    fs::OpenOptions::new().write(true).create_new(true).mode(0o755).open(path)?.write_all(&file)
}
