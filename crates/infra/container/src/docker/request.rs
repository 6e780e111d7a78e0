//! What the daemon is asked for: the same as a runtime is told in `config.json`.

use std::collections::HashMap;
use std::path::Path;

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig, Mount, MountType,
    ResourcesUlimits,
};
use bollard::query_parameters::RemoveContainerOptions;

use super::{Daemon, NODE_LABEL};
use crate::limits::{
    CPU_PERIOD_US, HOST_NAME, OOM_SCORE_ADJUSTMENT, SHM_BYTES, SHM_FILES, USER, cpu_quota_us, rlimits,
};
use crate::{ContainerSpec, SOCKET_DIR};

pub(super) fn body(daemon: &Daemon, spec: &ContainerSpec, socket_dir: &Path) -> ContainerCreateBody {
    let labels = [(NODE_LABEL, daemon.node.as_str()), ("mu.label", spec.label.as_str())];
    ContainerCreateBody {
        image: Some(daemon.image_name(spec.image.digest())),
        hostname: Some(HOST_NAME.to_owned()),
        user: Some(format!("{USER}:{USER}")),
        // Those of the image are added by the daemon.
        env: Some(spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        network_disabled: Some(true),
        healthcheck: Some(HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() }),
        labels: Some(labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into()),
        host_config: Some(host_config(daemon, spec, socket_dir)),
        ..ContainerCreateBody::default()
    }
}

/// Removes a running container as well.
pub(super) fn removal() -> RemoveContainerOptions {
    RemoveContainerOptions { force: true, v: true, ..RemoveContainerOptions::default() }
}

fn host_config(daemon: &Daemon, spec: &ContainerSpec, socket_dir: &Path) -> HostConfig {
    let limits = spec.limits;
    let number = |value: u64| Some(i64::try_from(value).unwrap_or(i64::MAX));
    // Podman takes no container that asks for it.
    let files = |most: u64| if daemon.limits_files { format!(",nr_inodes={most}") } else { String::new() };
    let (size, tmp_files) = (limits.tmp_bytes, files(limits.tmp_files.saturating_add(2)));
    let tmp = format!("rw,nosuid,nodev,exec,mode=1777,size={size}{tmp_files}");
    // Instead of what daemons mount there, which has no limit of files.
    let shm = format!("rw,nosuid,nodev,noexec,mode=1777,size={SHM_BYTES}{}", files(SHM_FILES));
    let ulimits = rlimits(limits).map(|(name, value)| ResourcesUlimits {
        name: Some(name.to_lowercase()),
        soft: number(value),
        hard: number(value),
    });
    HostConfig {
        readonly_rootfs: Some(true),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec!["no-new-privileges:true".to_owned(), daemon.seccomp.clone()]),
        network_mode: Some("none".to_owned()),
        ipc_mode: Some("private".to_owned()),
        cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
        memory: number(limits.memory_bytes),
        memory_swap: number(limits.memory_bytes),
        pids_limit: number(limits.pids),
        cpu_period: cpu_quota_us(limits).and_then(|_| number(CPU_PERIOD_US)),
        cpu_quota: cpu_quota_us(limits).and_then(number),
        ulimits: Some(ulimits.into()),
        oom_score_adj: Some(OOM_SCORE_ADJUSTMENT.into()),
        tmpfs: Some(HashMap::from([("/tmp".to_owned(), tmp), ("/dev/shm".to_owned(), shm)])),
        mounts: Some(vec![Mount {
            typ: Some(MountType::BIND),
            source: Some(socket_dir.to_string_lossy().into_owned()),
            target: Some(SOCKET_DIR.to_owned()),
            ..Mount::default()
        }]),
        // The node has what it writes; on the daemon's disk it would grow without limit.
        log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
        ..HostConfig::default()
    }
}
