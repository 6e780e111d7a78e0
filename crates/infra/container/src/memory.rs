//! Containers that are none: functions in this process, for tests of what uses a [`Runner`].

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;
use std::{env, fmt, fs};

use async_trait::async_trait;
use mu_env::Env;
use mu_image::Image;
use tokio::net::unix::pipe;
use tokio::sync::watch;

use crate::{Container, ContainerId, ContainerOutput, ContainerSpec, Exit, Network, Runner, RunnerError};

/// What a container does. It answers how the container ends; if it never answers, the container runs until it is removed.
pub type Program = Arc<dyn Fn(MemoryProcess) -> Pin<Box<dyn Future<Output = Exit> + Send>> + Send + Sync>;

/// What a program is given.
#[derive(Debug)]
pub struct MemoryProcess {
    /// The container's id.
    pub id: ContainerId,
    /// What the container was started with.
    pub spec: ContainerSpec,
    /// The directory that a container has at [`SOCKET_DIR`](crate::SOCKET_DIR).
    pub socket_dir: PathBuf,
    /// Its standard output.
    pub stdout: pipe::Sender,
    /// Its standard error.
    pub stderr: pipe::Sender,
}

/// Runs the same program for every container. While a container is frozen, its program is not polled.
#[derive(Clone)]
pub struct MemoryRunner {
    env: Env,
    program: Program,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    containers: BTreeMap<String, State>,
    refusals: VecDeque<String>,
}

#[derive(Default)]
struct State {
    is_frozen: bool,
    cpu_time: Duration,
    /// Of the program that waits to be thawed.
    waker: Option<Waker>,
}

impl MemoryRunner {
    /// A runner whose containers do what `program` does.
    #[must_use]
    pub fn new(env: Env, program: Program) -> Self {
        Self { env, program, shared: Arc::default() }
    }

    /// Has the next start fail, for this reason; called again, the one after that as well.
    pub fn refuse_next(&self, reason: &str) {
        self.lock().refusals.push_back(reason.to_owned());
    }

    /// The ids of the containers that were not removed.
    #[must_use]
    pub fn containers(&self) -> Vec<ContainerId> {
        self.lock().containers.keys().map(|id| ContainerId::of(id)).collect()
    }

    /// Whether a container is frozen; `None` if it was removed.
    #[must_use]
    pub fn is_frozen(&self, id: &ContainerId) -> Option<bool> {
        self.lock().containers.get(id.as_str()).map(|state| state.is_frozen)
    }

    /// Says how much processor time a container has used, which is none until then.
    pub fn set_cpu_time(&self, id: &ContainerId, time: Duration) {
        if let Some(state) = self.lock().containers.get_mut(id.as_str()) {
            state.cpu_time = time;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn freeze_or_thaw(&self, id: &ContainerId, is_frozen: bool) {
        let mut shared = self.lock();
        let Some(state) = shared.containers.get_mut(id.as_str()) else { return };
        state.is_frozen = is_frozen;
        let waker = state.waker.take();
        drop(shared);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whether a program has to wait: its container is frozen.
    fn has_to_wait(&self, id: &ContainerId, waker: &Waker) -> bool {
        let mut shared = self.lock();
        let state = shared.containers.get_mut(id.as_str()).filter(|state| state.is_frozen);
        state.map(|state| state.waker = Some(waker.clone())).is_some()
    }
}

#[async_trait]
impl Runner for MemoryRunner {
    fn name(&self) -> &str {
        "memory"
    }

    async fn prepare(&self, _image: &Image, _network: &Network) -> Result<(), RunnerError> {
        Ok(())
    }

    async fn start(&self, spec: ContainerSpec) -> Result<Box<dyn Container>, RunnerError> {
        if let Some(reason) = self.lock().refusals.pop_front() {
            return Err(RunnerError::Runtime { runtime: "memory".to_owned(), action: "start the container", reason });
        }
        let id = ContainerId::random(&self.env);
        let failed = |source| RunnerError::Io { action: format!("making container {id}"), source };
        let socket_dir = env::temp_dir().join(id.as_str());
        let (stdout_end, stdout) = pipe::pipe().map_err(failed)?;
        let (stderr_end, stderr) = pipe::pipe().map_err(failed)?;
        fs::create_dir(&socket_dir).map_err(failed)?;
        self.lock().containers.insert(id.to_string(), State::default());

        let (exit, exited) = watch::channel(None);
        let process = MemoryProcess {
            id: id.clone(),
            spec,
            socket_dir: socket_dir.clone(),
            stdout: stdout_end,
            stderr: stderr_end,
        };
        let mut program = (self.program)(process);
        let (runner, thawed) = (self.clone(), id.clone());
        let exit_of_program = exit.clone();
        self.env.tasks().spawn(async move {
            let run = poll_fn(|context| {
                if runner.has_to_wait(&thawed, context.waker()) {
                    Poll::Pending
                } else {
                    program.as_mut().poll(context)
                }
            });
            let mut killed = exit_of_program.subscribe();
            let exit = tokio::select! {
                exit = run => exit,
                _ = killed.wait_for(Option::is_some) => return,
            };
            exit_of_program.send_if_modified(|ended| ended.is_none().then(|| *ended = Some(exit)).is_some());
        });
        let output = Some(ContainerOutput { stdout, stderr });
        Ok(Box::new(MemoryContainer { id, socket_dir, output, exit, exited, runner: self.clone() }))
    }

    async fn sweep(&self) -> Result<usize, RunnerError> {
        Ok(0)
    }
}

#[derive(Debug)]
struct MemoryContainer {
    id: ContainerId,
    socket_dir: PathBuf,
    output: Option<ContainerOutput>,
    exit: watch::Sender<Option<Exit>>,
    exited: watch::Receiver<Option<Exit>>,
    runner: MemoryRunner,
}

#[async_trait]
impl Container for MemoryContainer {
    fn id(&self) -> &ContainerId {
        &self.id
    }

    fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    fn take_output(&mut self) -> Option<ContainerOutput> {
        self.output.take()
    }

    async fn freeze(&self) -> Result<(), RunnerError> {
        self.runner.freeze_or_thaw(&self.id, true);
        Ok(())
    }

    async fn thaw(&self) -> Result<(), RunnerError> {
        self.runner.freeze_or_thaw(&self.id, false);
        Ok(())
    }

    fn cpu_time(&self) -> Result<Duration, RunnerError> {
        Ok(self.runner.lock().containers.get(self.id.as_str()).map(|state| state.cpu_time).unwrap_or_default())
    }

    async fn exited(&self) -> Exit {
        let mut exited = self.exited.clone();
        let exit = exited.wait_for(Option::is_some).await;
        exit.ok().and_then(|exit| *exit).unwrap_or(Exit::Unknown)
    }

    async fn remove(self: Box<Self>) -> Result<(), RunnerError> {
        Ok(())
    }
}

impl Drop for MemoryContainer {
    fn drop(&mut self) {
        /// `SIGKILL`
        const KILLED: Exit = Exit::Signal(9);
        self.exit.send_if_modified(|ended| ended.is_none().then(|| *ended = Some(KILLED)).is_some());
        self.runner.lock().containers.remove(self.id.as_str());
        let _ = fs::remove_dir_all(&self.socket_dir);
    }
}

impl fmt::Debug for MemoryRunner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryRunner").field("containers", &self.containers()).finish()
    }
}
