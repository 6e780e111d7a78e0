//! A container that was started by a runtime, which has ended: from here on there are its processes and files.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mu_env::Env;
use rustix::io::Errno;
use rustix::process::{WaitId, WaitIdOptions, WaitIdStatus, waitid};
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;
use tokio::sync::{OnceCell, oneshot};

use super::remains::Remains;
use super::root::Root;
use crate::cgroup::Freeze;
use crate::net::Namespace;
use crate::{Container, ContainerId, ContainerOutput, Exit, RunnerError, io_error};

/// A process becomes our child when the one that made it has ended, which may take this many milliseconds longer.
const ADOPTION_MS_MAX: u32 = 1_000;

/// How long a killed container is waited for before its processes are looked for one by one.
const KILL_TIME_MAX: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct OciContainer {
    running: Arc<Running>,
    output: Option<ContainerOutput>,
    is_removed: bool,
    env: Env,
    handle: Handle,
}

/// What keeps a container going, and shares its end.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) remains: Remains,
    pub(super) socket_dir: PathBuf,
    /// Its first process, by a descriptor that can be read once it has ended.
    pub(super) process: AsyncFd<OwnedFd>,
    pub(super) exit: OnceCell<Exit>,
    pub(super) _network: Namespace,
    pub(super) _root: Arc<Root>,
}

impl OciContainer {
    pub(super) fn new(running: Running, output: ContainerOutput, env: Env) -> Self {
        let handle = Handle::current();
        Self { running: Arc::new(running), output: Some(output), is_removed: false, env, handle }
    }

    fn freeze_or_thaw(&self, freeze: Freeze) -> Result<(), RunnerError> {
        let Remains { id, group, cgroups, .. } = &self.running.remains;
        let action = if freeze == Freeze::Freeze { "freezing" } else { "thawing" };
        cgroups.freeze(group, freeze).map_err(io_error(|| format!("{action} container {id}")))
    }
}

#[async_trait]
impl Container for OciContainer {
    fn id(&self) -> &ContainerId {
        &self.running.remains.id
    }

    fn socket_dir(&self) -> &Path {
        &self.running.socket_dir
    }

    fn take_output(&mut self) -> Option<ContainerOutput> {
        self.output.take()
    }

    async fn freeze(&self) -> Result<(), RunnerError> {
        self.freeze_or_thaw(Freeze::Freeze)
    }

    async fn thaw(&self) -> Result<(), RunnerError> {
        self.freeze_or_thaw(Freeze::Thaw)
    }

    fn cpu_time(&self) -> Result<Duration, RunnerError> {
        let Remains { id, group, cgroups, .. } = &self.running.remains;
        cgroups.cpu_time(group).map_err(io_error(|| format!("reading the processor time of container {id}")))
    }

    async fn exited(&self) -> Exit {
        self.running.exited().await
    }

    async fn remove(mut self: Box<Self>) -> Result<(), RunnerError> {
        self.is_removed = true;
        let (sender, receiver) = oneshot::channel();
        let running = self.running.clone();
        // It goes on when nobody waits any more.
        self.env.tasks().spawn(async move {
            let removed = running.remove().await;
            drop(running);
            let _ = sender.send(removed);
        });
        receiver.await.unwrap_or(Ok(()))
    }
}

impl Drop for OciContainer {
    fn drop(&mut self) {
        if self.is_removed {
            return;
        }
        let running = self.running.clone();
        let _guard = self.handle.enter();
        self.env.tasks().spawn(async move {
            if let Err(error) = running.remove().await {
                tracing::error!(%error, "something of a container stays");
            }
        });
    }
}

impl Running {
    async fn exited(&self) -> Exit {
        *self.exit.get_or_init(|| self.wait()).await
    }

    async fn wait(&self) -> Exit {
        if self.process.readable().await.is_err() {
            return Exit::Unknown;
        }
        for _ in 0..ADOPTION_MS_MAX {
            match waitid(WaitId::PidFd(self.process.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
                Ok(Some(status)) => return self.exit_of(&status),
                Ok(None) | Err(Errno::CHILD) => tokio::time::sleep(Duration::from_millis(1)).await,
                Err(_) => break,
            }
        }
        Exit::Unknown
    }

    fn exit_of(&self, status: &WaitIdStatus) -> Exit {
        let Remains { group, cgroups, .. } = &self.remains;
        match (status.exit_status(), status.terminating_signal()) {
            (Some(0), _) => Exit::Code(0),
            _ if cgroups.out_of_memory_kills(group) > 0 => Exit::OutOfMemory,
            (Some(code), _) => Exit::Code(code),
            (_, Some(signal)) => Exit::Signal(signal),
            _ => Exit::Unknown,
        }
    }

    async fn remove(&self) -> Result<(), RunnerError> {
        self.remains.cgroups.kill(&self.remains.group);
        // With its first process all others end. How it ended is asked before its control group is gone.
        let _ = tokio::time::timeout(KILL_TIME_MAX, self.exited()).await;
        self.remains.remove().await
    }
}
