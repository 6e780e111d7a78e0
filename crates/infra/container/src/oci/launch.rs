//! The way from a plan to a running container.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::fchown;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use mu_env::Env;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe;
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

use super::adopted;
use super::bundle::{self, Plan};
use super::container::{OciContainer, Running};
use super::directory::Directory;
use super::remains::Remains;
use super::runtime::{Runtime, pid_file};
use crate::cgroup::Cgroups;
use crate::limits::USER;
use crate::net::Namespace;
use crate::{ContainerId, ContainerOutput, LogPipe, RunnerError, io_error, socket_dir};

/// What a runtime complains about is there when it has ended, unless something of it goes on and says nothing.
const COMPLAINT_TIME_MAX: Duration = Duration::from_millis(100);

/// As much of it is passed on.
const REASON_BYTES_MAX: usize = 500;

/// What it takes to start containers.
#[derive(Clone, Debug)]
pub(super) struct Launcher {
    pub(super) runtime: Runtime,
    pub(super) directory: Arc<Directory>,
    pub(super) cgroups: Arc<Cgroups>,
    pub(super) env: Env,
}

impl Launcher {
    /// Starts a container, or leaves nothing of it. Not to be cancelled.
    pub(super) async fn start(&self, plan: Plan) -> Result<OciContainer, RunnerError> {
        let id = ContainerId::random(&self.env);
        let remains = Remains::of(id, self.directory.clone(), self.cgroups.clone());
        let started = self.launch(plan, &remains).await;
        if started.is_err()
            && let Err(error) = remains.remove().await
        {
            tracing::error!(%error, "something of a container that did not start stays");
        }
        started
    }

    async fn launch(&self, plan: Plan, remains: &Remains) -> Result<OciContainer, RunnerError> {
        let id = &remains.id;
        let network = Namespace::create(plan.dial.clone()).await?;
        let config = bundle::config(&plan, id, &self.directory, &self.cgroups, &network.path());
        let (bundle, socket_dir) = (self.directory.bundle(id), self.directory.socket_dir(id));
        let made = (bundle.clone(), socket_dir.clone());
        spawn_blocking(move || {
            socket_dir::make(&made.1)?;
            fs::write(made.0.join("config.json"), config.to_string())
        })
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
        .map_err(io_error(|| format!("making the directories of container {id}")))?;

        let making = || io_error(|| format!("making the pipes of container {id}"));
        let (stdout, stdout_end) = output_pipe().map_err(making())?;
        let (stderr, stderr_end) = output_pipe().map_err(making())?;
        let called = self.runtime.run(id, &self.directory, stdout_end, stderr_end).await;
        let called = called.map_err(|error| self.failed(error.to_string()))?;
        let container = called.is_success.then(|| pid_of(&pid_file(&bundle))).transpose();
        if let Some(runtime) = called.pid {
            adopted::reap(&self.env, runtime, container.as_ref().ok().copied().flatten());
        }
        let finding = io_error(|| format!("finding the process of container {id}"));
        let process = match container {
            Ok(None) => return Err(self.failed(complaint(&stderr, &bundle).await)),
            Ok(Some(pid)) => watch(pid).map_err(finding)?,
            Err(error) => return Err(finding(error)),
        };
        let running = Running {
            remains: remains.clone(),
            socket_dir,
            process,
            exit: OnceCell::new(),
            _network: network,
            _root: plan.root,
        };
        Ok(OciContainer::new(running, ContainerOutput { stdout, stderr }, self.env.clone()))
    }

    fn failed(&self, reason: String) -> RunnerError {
        RunnerError::Runtime { runtime: self.runtime.name().to_owned(), action: "start the container", reason }
    }
}

/// A pipe whose writing end the container's user may open again by its name in `/proc`, as programs do.
fn output_pipe() -> io::Result<(LogPipe, OwnedFd)> {
    let (sender, receiver) = pipe::pipe()?;
    let end = sender.into_blocking_fd()?;
    fchown(end.as_fd(), Some(USER), Some(USER))?;
    Ok((receiver, end))
}

fn pid_of(pid_file: &Path) -> io::Result<Pid> {
    let pid = fs::read_to_string(pid_file)?.trim().parse().ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// A process as something that can be waited for.
fn watch(pid: Pid) -> io::Result<AsyncFd<OwnedFd>> {
    let process = pidfd_open(pid, PidfdFlags::empty())?;
    #[expect(deprecated, reason = "an `OwnedFd` is what it must be; what replaces this is unsafe")]
    AsyncFd::new(process)
}

/// What the runtime said, to its standard error or to its log.
async fn complaint(stderr: &LogPipe, bundle: &Path) -> String {
    // Tokio reads nothing before it has heard that there is something. There is: it ended.
    let _ = tokio::time::timeout(COMPLAINT_TIME_MAX, stderr.readable()).await;
    let mut said = vec![0; REASON_BYTES_MAX];
    let length = stderr.try_read(&mut said).unwrap_or_default();
    let said = String::from_utf8_lossy(&said[..length]).trim().to_owned();
    if !said.is_empty() {
        return said;
    }
    let log = fs::read_to_string(bundle.join("log")).unwrap_or_default();
    log.trim().chars().take(REASON_BYTES_MAX).collect()
}
