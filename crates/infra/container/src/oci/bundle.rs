//! What the runtime is told to do: `config.json` of the OCI's runtime specification.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::directory::{Directory, ETC};
use super::root::Root;
use crate::cgroup::Cgroups;
use crate::limits::{
    CPU_PERIOD_US, HOST_NAME, OOM_SCORE_ADJUSTMENT, SHM_BYTES, SHM_FILES, USER, cpu_quota_us, rlimits,
};
use crate::{ContainerId, ContainerLimits, Dial, SOCKET_DIR, seccomp};

/// Where programs are looked for if the image does not say, as daemons have it.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Devices that can be used: those that runtimes always add, and no others.
const NO_MORE_DEVICES: fn() -> Value = || json!([{ "allow": false, "access": "rwm" }]);

/// What tells of the machine, or changes it.
const MASKED: [&str; 11] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];
const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// A container before it has an id.
pub(super) struct Plan {
    pub(super) root: Arc<Root>,
    pub(super) args: Vec<String>,
    /// `NAME=value`.
    pub(super) env: Vec<String>,
    pub(super) cwd: String,
    pub(super) limits: ContainerLimits,
    pub(super) dial: Option<Arc<dyn Dial>>,
    pub(super) label: String,
}

/// The environment of a container: of its image, and `ours` over it.
pub(super) fn environment(image: &[(String, String)], ours: &[(String, String)]) -> Vec<String> {
    let is_given = |name: &str| ours.iter().any(|(given, _)| given == name);
    let default = [("PATH".to_owned(), PATH.to_owned())];
    let has_path = image.iter().chain(ours).any(|(name, _)| name == "PATH");
    let default = default.iter().filter(|_| !has_path);
    let all = default.chain(image.iter().filter(|(name, _)| !is_given(name))).chain(ours);
    all.map(|(name, value)| format!("{name}={value}")).collect()
}

/// The configuration of a container whose network is the namespace at `network`.
pub(super) fn config(plan: &Plan, id: &ContainerId, directory: &Directory, cgroups: &Cgroups, network: &Path) -> Value {
    json!({
        "ociVersion": "1.0.2",
        "hostname": HOST_NAME,
        "annotations": { "mu.label": plan.label },
        "root": { "path": plan.root.path(), "readonly": true },
        "process": {
            "user": { "uid": USER, "gid": USER, "umask": 0o022 },
            "args": plan.args,
            "env": plan.env,
            "cwd": plan.cwd,
            "noNewPrivileges": true,
            "oomScoreAdj": OOM_SCORE_ADJUSTMENT,
            "capabilities": { "bounding": [], "effective": [], "inheritable": [], "permitted": [], "ambient": [] },
            "rlimits": rlimits(plan.limits).map(|(name, value)| {
                json!({ "type": format!("RLIMIT_{name}"), "hard": value, "soft": value })
            }),
        },
        "mounts": mounts(plan.limits, id, directory),
        "linux": {
            "cgroupsPath": cgroups.group(id).absolute(),
            "resources": resources(plan.limits, cgroups),
            "namespaces": [
                { "type": "pid" }, { "type": "mount" }, { "type": "ipc" }, { "type": "uts" }, { "type": "cgroup" },
                { "type": "network", "path": network },
            ],
            "maskedPaths": MASKED,
            "readonlyPaths": READ_ONLY,
            "seccomp": seccomp::profile(),
        },
    })
}

fn mounts(limits: ContainerLimits, id: &ContainerId, directory: &Directory) -> Vec<Value> {
    let mount = |kind: &str, destination: &str, options: &[&str]| json!({ "type": kind, "source": kind, "destination": destination, "options": options });
    let bind = |source: &Path, destination: &str, options: &[&str]| json!({ "type": "bind", "source": source, "destination": destination, "options": options });
    let (shm_size, shm_files) = (format!("size={SHM_BYTES}"), format!("nr_inodes={SHM_FILES}"));
    let tmp_size = format!("size={}", limits.tmp_bytes);
    // The directory itself, and that of the socket, are not the function's.
    let tmp_files = format!("nr_inodes={}", limits.tmp_files.saturating_add(2));
    let mut mounts = vec![
        mount("proc", "/proc", &["nosuid", "noexec", "nodev"]),
        mount("tmpfs", "/dev", &["nosuid", "noexec", "strictatime", "mode=755", "size=64k", "nr_inodes=64"]),
        mount("tmpfs", "/dev/shm", &["nosuid", "noexec", "nodev", "mode=1777", &shm_size, &shm_files]),
        mount("sysfs", "/sys", &["nosuid", "noexec", "nodev", "ro"]),
        // Language runtimes look here for how much memory they may use.
        mount("cgroup", "/sys/fs/cgroup", &["nosuid", "noexec", "nodev", "ro"]),
        mount("tmpfs", "/tmp", &["nosuid", "nodev", "mode=1777", &tmp_size, &tmp_files]),
        bind(&directory.socket_dir(id), SOCKET_DIR, &["bind", "nosuid", "noexec", "nodev"]),
    ];
    mounts.extend(ETC.map(|(name, _)| {
        let options = ["bind", "ro", "nosuid", "noexec", "nodev"];
        bind(&directory.path().join(name), &format!("/etc/{name}"), &options)
    }));
    mounts
}

/// The limits that this machine can enforce; that it can enforce them all was found out before, or is not wanted.
fn resources(limits: ContainerLimits, cgroups: &Cgroups) -> Value {
    let mut resources = json!({ "devices": NO_MORE_DEVICES() });
    if cgroups.limits_memory() {
        resources["memory"] = json!({ "limit": limits.memory_bytes });
    }
    if cgroups.limits_swap() {
        // Together with memory: there is none beside it.
        resources["memory"]["swap"] = json!(limits.memory_bytes);
    }
    if cgroups.limits_pids() {
        resources["pids"] = json!({ "limit": limits.pids });
    }
    if let Some(quota) = cpu_quota_us(limits).filter(|_| cgroups.limits_cpu()) {
        resources["cpu"] = json!({ "quota": quota, "period": CPU_PERIOD_US });
    }
    resources
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_environment_is_over_that_of_the_image() {
        let pairs = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>()
        };
        let image = pairs(&[("PATH", "/bin"), ("A", "image"), ("B", "image")]);
        assert_eq!(environment(&image, &pairs(&[("A", "ours"), ("C", "")])), ["PATH=/bin", "B=image", "A=ours", "C="]);
        assert_eq!(environment(&[], &pairs(&[("PATH", "/x")])), ["PATH=/x"]);
        assert_eq!(environment(&[], &[]), [format!("PATH={PATH}")]);
    }
}
