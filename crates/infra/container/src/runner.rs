//! The port between the engine and whatever runs containers.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mu_env::Env;
use mu_image::Image;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;

/// Starts containers. Dropping a runner leaves containers that others hold as they are.
#[async_trait]
pub trait Runner: Send + Sync + fmt::Debug {
    /// What runs them, for people: `crun 1.8.1`, `docker 28.2`.
    fn name(&self) -> &str;

    /// Makes an image ready to be run, as far as that can be done before a container is asked for: mounts its root
    /// filesystem, or hands it to the daemon. Can be repeated.
    ///
    /// # Errors
    /// When the image cannot be run here.
    async fn prepare(&self, image: &Image) -> Result<(), RunnerError>;

    /// Starts a container. When it returns, the process was started; nothing is known yet of what it does. Dropping the
    /// future leaves nothing behind.
    ///
    /// # Errors
    /// When it cannot be started, or one of its limits cannot be enforced.
    async fn start(&self, spec: ContainerSpec) -> Result<Box<dyn Container>, RunnerError>;

    /// Removes what containers of a node that was killed left behind: processes, cgroups, mounts, namespaces,
    /// directories. Called before the first start. Answers how many containers there were.
    ///
    /// # Errors
    /// When something cannot be removed; it names what.
    async fn sweep(&self) -> Result<usize, RunnerError>;
}

/// A container that was started. Dropping it kills it and everything it started, and frees what it had, in the
/// background.
#[async_trait]
pub trait Container: Send + Sync + fmt::Debug {
    /// Its id, unique on the machine.
    fn id(&self) -> &ContainerId;

    /// The directory that the container has at [`SOCKET_DIR`](crate::SOCKET_DIR), as the node sees it. What is in it is the
    /// container's doing: links may lead anywhere.
    fn socket_dir(&self) -> &Path;

    /// What it writes to its standard output and error, from the start. Given once.
    fn take_output(&mut self) -> Option<ContainerOutput>;

    /// Stops all its processes where they are. Quick: one write to a file, where possible. Can be repeated.
    ///
    /// # Errors
    /// When they go on.
    async fn freeze(&self) -> Result<(), RunnerError>;

    /// Lets them go on.
    ///
    /// # Errors
    /// When they do not.
    async fn thaw(&self) -> Result<(), RunnerError>;

    /// Processor time that it has used since its start, user and system together, of all its processes.
    ///
    /// # Errors
    /// When it cannot be read.
    fn cpu_time(&self) -> Result<Duration, RunnerError>;

    /// Waits until its first process has ended. Can be called again, and from several tasks.
    async fn exited(&self) -> Exit;

    /// Kills it, and returns when everything it had is gone.
    ///
    /// # Errors
    /// When something of it stays; it names what.
    async fn remove(self: Box<Self>) -> Result<(), RunnerError>;
}

/// A container to start.
#[derive(Clone, Debug)]
pub struct ContainerSpec {
    /// What runs: its entrypoint, command, environment and directory are taken from its configuration.
    pub image: Image,
    /// Environment variables over those of the image.
    pub env: Vec<(String, String)>,
    /// What it may use.
    pub limits: ContainerLimits,
    /// Whom it may talk to.
    pub network: Network,
    /// For people who look at the machine: `stack/function`.
    pub label: String,
}

/// What a container may use. Each of them is enforced, or the container is not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContainerLimits {
    /// Memory of all its processes, page cache and `/tmp` included, in bytes; there is no swap beside it.
    pub memory_bytes: u64,
    /// `/tmp`, in bytes.
    pub tmp_bytes: u64,
    /// Files and directories in `/tmp`.
    pub tmp_files: u64,
    /// Processes and threads at once.
    pub pids: u64,
    /// Open files of a process.
    pub open_files: u64,
    /// Processor time per wall-clock time, in thousandths of a processor; `None` for as much as there is.
    pub milli_cpus: Option<u64>,
}

/// Whom a container may talk to. Either way it has a network namespace of its own.
#[derive(Clone)]
pub enum Network {
    /// Nobody but itself.
    None,
    /// Whomever this connects it to.
    Egress(Arc<dyn Dial>),
}

/// Makes connections for containers: where the rules of outgoing connections are kept.
#[async_trait]
pub trait Dial: Send + Sync {
    /// Connects to a host, a name or an address as text, or says why not, for the node's log.
    ///
    /// # Errors
    /// When the rules forbid it, or nobody answers.
    async fn dial(&self, host: &str, port: u16) -> Result<TcpStream, String>;

    /// The addresses of a name that may be connected to, for whoever asks for them rather than for a connection.
    async fn resolve(&self, host: &str) -> Vec<SocketAddr>;

    /// A place for one more connection, of all that containers have together; `None` when all are taken.
    fn place(&self) -> Option<OwnedSemaphorePermit>;
}

/// What a container writes.
#[derive(Debug)]
pub struct ContainerOutput {
    /// Its standard output.
    pub stdout: LogPipe,
    /// Its standard error.
    pub stderr: LogPipe,
}

/// The reading end of a pipe: `tokio::net::unix::pipe::Receiver`, which can also be read without waiting.
pub type LogPipe = tokio::net::unix::pipe::Receiver;

/// How a container's first process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It ran out of its memory and was killed.
    OutOfMemory,
    /// It is gone, and nobody saw how.
    Unknown,
}

/// The id of a container: `mu-` and 26 letters and digits, the file name of all that belongs to it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ContainerId(String);

/// Why a container was not started, or not stopped.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// A limit cannot be enforced on this machine.
    #[error("{limit} cannot be enforced on this machine: {reason}")]
    Unenforceable {
        /// `the memory limit`.
        limit: &'static str,
        /// What is missing, and the remedy.
        reason: String,
    },
    /// The image cannot be run.
    #[error(transparent)]
    Image(#[from] mu_image::ImageError),
    /// The runtime refused.
    #[error("{runtime} could not {action}: {reason}")]
    Runtime {
        /// `crun 1.8.1`.
        runtime: String,
        /// `start the container`.
        action: &'static str,
        /// What it said, cut to a reasonable length.
        reason: String,
    },
    /// The machine failed.
    #[error("{action}: {source}")]
    Io {
        /// What was being done.
        action: String,
        /// What failed.
        source: std::io::Error,
    },
}

impl ContainerId {
    /// A new one.
    #[must_use]
    pub fn random(env: &Env) -> Self {
        const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        let mut bytes = [0; 26];
        env.random().fill(&mut bytes);
        Self(format!("mu-{}", bytes.map(|byte| char::from(LETTERS[usize::from(byte % 32)])).iter().collect::<String>()))
    }

    /// That of a container of before, by the name of what is left of it.
    pub(crate) fn of(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Egress(_) => "Egress",
        })
    }
}
