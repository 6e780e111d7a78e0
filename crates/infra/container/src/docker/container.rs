//! A container that a daemon started.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bollard::errors::Error;
use bollard::query_parameters::WaitContainerOptions;
use futures_util::StreamExt;
use tokio::runtime::Handle;
use tokio::sync::{OnceCell, oneshot};

use super::Daemon;
use crate::cgroup::{Freeze, Group};
use crate::{Container, ContainerId, ContainerOutput, Exit, RunnerError, io_error};

/// Daemons tell a signal as this and its number, as shells do.
const SIGNALS: i64 = 128;

#[derive(Debug)]
pub(super) struct DockerContainer {
    held: Arc<Held>,
    output: Option<ContainerOutput>,
    is_removed: bool,
    handle: Handle,
}

/// What there is of a container.
#[derive(Debug)]
pub(super) struct Held {
    daemon: Arc<Daemon>,
    id: ContainerId,
    socket_dir: PathBuf,
    /// Its control group, where that can be seen.
    group: OnceLock<Group>,
    exit: OnceCell<Exit>,
    /// What was last read, for when the control group is gone.
    cpu_time: Mutex<Option<Duration>>,
}

impl DockerContainer {
    pub(super) fn new(held: Arc<Held>, output: ContainerOutput) -> Self {
        Self { held, output: Some(output), is_removed: false, handle: Handle::current() }
    }
}

#[async_trait]
impl Container for DockerContainer {
    fn id(&self) -> &ContainerId {
        &self.held.id
    }

    fn socket_dir(&self) -> &Path {
        &self.held.socket_dir
    }

    fn take_output(&mut self) -> Option<ContainerOutput> {
        self.output.take()
    }

    async fn freeze(&self) -> Result<(), RunnerError> {
        self.held.freeze_or_thaw(Freeze::Freeze).await
    }

    async fn thaw(&self) -> Result<(), RunnerError> {
        self.held.freeze_or_thaw(Freeze::Thaw).await
    }

    fn cpu_time(&self) -> Result<Duration, RunnerError> {
        self.held.cpu_time()
    }

    async fn exited(&self) -> Exit {
        self.held.exited().await
    }

    async fn remove(mut self: Box<Self>) -> Result<(), RunnerError> {
        self.is_removed = true;
        let (sender, receiver) = oneshot::channel();
        let held = self.held.clone();
        // It goes on when nobody waits any more.
        self.held.daemon.env.tasks().spawn(async move {
            let _ = sender.send(held.remove().await);
        });
        receiver.await.unwrap_or(Ok(()))
    }
}

impl Drop for DockerContainer {
    fn drop(&mut self) {
        if self.is_removed {
            return;
        }
        let held = self.held.clone();
        let _guard = self.handle.enter();
        self.held.daemon.env.tasks().spawn(async move {
            if let Err(error) = held.remove().await {
                tracing::error!(%error, "something of a container stays");
            }
        });
    }
}

impl Held {
    pub(super) fn new(daemon: Arc<Daemon>, id: ContainerId, socket_dir: PathBuf) -> Self {
        let (group, exit, cpu_time) = (OnceLock::new(), OnceCell::new(), Mutex::default());
        Self { daemon, id, socket_dir, group, exit, cpu_time }
    }

    pub(super) fn started(&self, group: Option<Group>) {
        if let Some(group) = group {
            let _ = self.group.set(group);
        }
    }

    /// Notes that it ended before its control group was seen: nobody knows what little it used.
    pub(super) fn has_ended_at_once(&self) {
        *self.cpu_time.lock().unwrap_or_else(PoisonError::into_inner) = Some(Duration::ZERO);
    }

    pub(super) fn id(&self) -> &ContainerId {
        &self.id
    }

    pub(super) fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    /// By its control group, which is quick, or else by the daemon, which minds if asked for what is so already.
    async fn freeze_or_thaw(&self, freeze: Freeze) -> Result<(), RunnerError> {
        if self.group.get().is_some_and(|group| self.daemon.cgroups.freeze(group, freeze).is_ok()) {
            return Ok(());
        }
        let (docker, id) = (&self.daemon.docker, self.id.as_str());
        let (action, done, is_frozen) = match freeze {
            Freeze::Freeze => ("freeze the container", docker.pause_container(id).await, true),
            Freeze::Thaw => ("thaw the container", docker.unpause_container(id).await, false),
        };
        let Err(error) = done else { return Ok(()) };
        let state = docker.inspect_container(id, None).await.ok().and_then(|inspected| inspected.state);
        if state.is_some_and(|state| state.paused == Some(is_frozen)) {
            return Ok(());
        }
        Err(self.daemon.failed(action, &error))
    }

    pub(super) fn cpu_time(&self) -> Result<Duration, RunnerError> {
        let read = match self.group.get() {
            Some(group) => self.daemon.cgroups.cpu_time(group),
            None => Err(io::Error::new(io::ErrorKind::NotFound, "its control group cannot be seen from here")),
        };
        let mut last = self.cpu_time.lock().unwrap_or_else(PoisonError::into_inner);
        let time = known(read, *last);
        let time = time.map_err(io_error(|| format!("reading the processor time of container {}", self.id)))?;
        *last = Some(time);
        Ok(time)
    }

    async fn exited(&self) -> Exit {
        *self.exit.get_or_init(|| self.wait()).await
    }

    async fn wait(&self) -> Exit {
        let docker = &self.daemon.docker;
        let code = loop {
            let options = WaitContainerOptions { condition: "not-running".to_owned() };
            let mut waited = Box::pin(docker.wait_container(self.id.as_str(), Some(options)));
            match waited.next().await {
                Some(Ok(response)) => break response.status_code,
                Some(Err(Error::DockerContainerWaitError { code, .. })) => break code,
                Some(Err(Error::RequestTimeoutError)) => {}
                Some(Err(_)) | None => return Exit::Unknown,
            }
        };
        let state = docker.inspect_container(self.id.as_str(), None).await.ok().and_then(|inspected| inspected.state);
        match i32::try_from(code) {
            Ok(0) => Exit::Code(0),
            _ if state.is_some_and(|state| state.oom_killed == Some(true)) => Exit::OutOfMemory,
            Ok(code) if i64::from(code) > SIGNALS => Exit::Signal(code - 128),
            Ok(code) => Exit::Code(code),
            Err(_) => Exit::Unknown,
        }
    }

    pub(super) async fn remove(&self) -> Result<(), RunnerError> {
        self.daemon.remove(self.id.as_str(), self.group.get()).await?;
        let removed = self.daemon.remove_socket_dir(&self.socket_dir);
        removed.map_err(io_error(|| format!("removing the directory {}", self.socket_dir.display())))
    }
}

/// The processor time of a control group: what was last read if it is gone meanwhile. If nothing was ever read, it may never
/// have been there.
fn known(read: io::Result<Duration>, last: Option<Duration>) -> io::Result<Duration> {
    match (read, last) {
        (Err(error), Some(last)) if error.kind() == io::ErrorKind::NotFound => Ok(last),
        (read, _) => read,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_last_read_is_known_when_the_group_is_gone() {
        const SECOND: Duration = Duration::from_secs(1);
        for (read, last, expected) in [
            (Ok(2 * SECOND), None, Ok(2 * SECOND)),
            (Ok(2 * SECOND), Some(SECOND), Ok(2 * SECOND)),
            (Err(io::ErrorKind::NotFound), Some(SECOND), Ok(SECOND)),
            (Err(io::ErrorKind::NotFound), None, Err(io::ErrorKind::NotFound)),
            (Err(io::ErrorKind::Unsupported), Some(SECOND), Err(io::ErrorKind::Unsupported)),
        ] {
            let time = known(read.map_err(io::Error::from), last);
            assert_eq!(time.map_err(|error| error.kind()), expected);
        }
    }
}
