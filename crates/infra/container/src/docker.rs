//! Containers by a daemon: Docker, or whatever speaks its API, as Podman does.
//!
//! For machines that have one and nothing else. The daemon must be on this machine: sockets of containers are reached
//! through a directory. It starts slower than a runtime does, cannot give containers a network under the node's rules, and
//! has a store of images of its own, which gets each image as an archive.

mod container;
mod images;
mod request;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use async_trait::async_trait;
use bollard::container::{AttachContainerResults, LogOutput};
use bollard::errors::Error;
use bollard::query_parameters::{AttachContainerOptions, CreateContainerOptions, ListContainersOptions};
use bollard::{API_DEFAULT_VERSION, Docker};
use futures_util::StreamExt;
use mu_env::Env;
use mu_image::{Digest, Image};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;

use self::container::{DockerContainer, Held};
use crate::cgroup::{Cgroups, Group};
use crate::limits::unenforceable;
use crate::{
    Container, ContainerId, ContainerOutput, ContainerSpec, Network, Runner, RunnerError, io_error, node_of, read_dir,
    seccomp, socket_dir,
};

/// Where a daemon listens if nothing else is known.
const SOCKET: &str = "/var/run/docker.sock";

/// What is in a runner's directory is its own: other runners may have theirs beside it.
const DIR: &str = "sockets";

/// Seconds in which a daemon answers. Waiting for a container's end is asked again after it.
const ANSWER_SECONDS_MAX: u64 = 120;

/// By this label a node knows its containers.
const NODE_LABEL: &str = "mu.node";

/// What a runner is made of.
#[derive(Clone, Debug)]
pub struct DockerParams {
    /// The daemon's socket; if not given, Docker's own.
    pub socket: Option<PathBuf>,
    /// Where the directories of sockets are, in `sockets/`, on this machine as on the daemon's; one process at a time uses
    /// it.
    pub dir: PathBuf,
    /// Whether containers are started although a limit of theirs cannot be enforced. A warning names it.
    pub allow_unenforced: bool,
    /// Randomness and tasks.
    pub env: Env,
}

/// Runs containers by a daemon.
#[derive(Clone, Debug)]
pub struct DockerRunner(Arc<Daemon>);

/// The daemon, as the containers of a node know it.
#[derive(Debug)]
struct Daemon {
    docker: Docker,
    name: String,
    node: String,
    dir: PathBuf,
    /// The filter of system calls, as an option of a container.
    seccomp: String,
    cgroups: Cgroups,
    /// Whether the directory of a socket is a small filesystem of its own, which takes root.
    bounds_sockets: bool,
    limits_files: bool,
    allow_unenforced: bool,
    env: Env,
}

impl DockerRunner {
    /// Finds out what the daemon is, and what it can enforce.
    ///
    /// # Errors
    /// When it does not answer, or cannot enforce a limit.
    pub async fn open(params: DockerParams) -> Result<Self, RunnerError> {
        let socket = params.socket.unwrap_or_else(|| SOCKET.into());
        let unreachable = |error: Error| RunnerError::Runtime {
            runtime: "the node".to_owned(),
            action: "reach a Docker or Podman daemon",
            reason: format!("{}: {error}", socket.display()),
        };
        let path = socket.to_string_lossy();
        let docker =
            Docker::connect_with_socket(&path, ANSWER_SECONDS_MAX, API_DEFAULT_VERSION).map_err(unreachable)?;
        let docker = docker.negotiate_version().await.map_err(unreachable)?;
        let version = docker.version().await.map_err(unreachable)?;
        let info = docker.info().await.map_err(unreachable)?;

        let bounds_sockets = rustix::process::geteuid().is_root();
        let is_podman = version.components.is_some_and(|all| all.iter().any(|one| one.name.contains("Podman")));
        let has_seccomp = info.security_options.is_none_or(|all| all.iter().any(|one| one.contains("seccomp")));
        for (is_enforced, limit, reason) in [
            (info.memory_limit, "the memory limit", "the daemon cannot limit memory"),
            (info.swap_limit, "the memory limit", "the daemon cannot limit swap"),
            (info.pids_limit, "the limit of processes", "the daemon cannot limit processes"),
            (info.cpu_cfs_quota, "the processor limit", "the daemon cannot limit processor time"),
            (Some(has_seccomp), "the filter of system calls", "the daemon has no seccomp"),
            (Some(bounds_sockets), "the size of the socket's directory", "the node is not root"),
            (Some(!is_podman), "the limit of files in `/tmp`", "Podman cannot limit files"),
        ] {
            if is_enforced == Some(false) {
                unenforceable(limit, reason, params.allow_unenforced)?;
            }
        }

        let opening = || format!("opening the directory of containers {}", params.dir.display());
        let dir = params.dir.join(DIR);
        let dir = fs::create_dir_all(&dir).and_then(|()| dir.canonicalize()).map_err(io_error(opening))?;
        let node = node_of(&dir);
        let seccomp = seccomp_option(&dir, is_podman).map_err(io_error(opening))?;
        let cgroups = Cgroups::find(&node).map_err(io_error(|| "finding control groups".to_owned()))?;
        let name = if is_podman { "podman" } else { "docker" };
        let name = format!("{name} {}", version.version.unwrap_or_default());
        Ok(Self(Arc::new(Daemon {
            docker,
            name,
            node,
            dir,
            seccomp,
            cgroups,
            bounds_sockets,
            limits_files: !is_podman,
            allow_unenforced: params.allow_unenforced,
            env: params.env,
        })))
    }
}

/// The filter of system calls as a daemon takes it: Docker in its own words, Podman by the name of a file.
fn seccomp_option(dir: &Path, is_podman: bool) -> io::Result<String> {
    let profile = seccomp::profile().to_string();
    if !is_podman {
        return Ok(format!("seccomp={profile}"));
    }
    let path = dir.with_file_name("seccomp.json");
    fs::write(&path, profile)?;
    Ok(format!("seccomp={}", path.display()))
}

/// Whether there is something of containers: each has a directory until the rest of it is gone.
pub(crate) fn has_leftovers(dir: &Path) -> bool {
    read_dir(&dir.join(DIR)).is_ok_and(|entries| !entries.is_empty())
}

#[async_trait]
impl Runner for DockerRunner {
    fn name(&self) -> &str {
        &self.0.name
    }

    async fn prepare(&self, image: &Image, network: &Network) -> Result<(), RunnerError> {
        let daemon = &self.0;
        if let Network::Egress(_) = network {
            return Err(RunnerError::Runtime {
                runtime: daemon.name.clone(),
                action: "give a container `network: egress`",
                reason: "a daemon does not know the node's rules; use crun or runc, or `network: none`".to_owned(),
            });
        }
        image.command()?;
        daemon.load_image(image).await
    }

    async fn forget_images(&self, is_wanted: &(dyn for<'a> Fn(&'a Digest) -> bool + Sync)) -> Result<(), RunnerError> {
        self.0.remove_images(is_wanted).await
    }

    async fn start(&self, spec: ContainerSpec) -> Result<Box<dyn Container>, RunnerError> {
        let (sender, receiver) = oneshot::channel();
        let runner = self.clone();
        self.0.env.tasks().spawn(async move {
            // If nobody waits any more, the container is dropped, and removes itself.
            let _ = sender.send(runner.start_held(&spec).await);
        });
        let stopping = io_error(|| "starting a container".to_owned());
        receiver.await.unwrap_or_else(|_| Err(stopping(io::Error::other("the node is stopping"))))
    }

    async fn sweep(&self) -> Result<usize, RunnerError> {
        let daemon = &self.0;
        let filters = HashMap::from([("label".to_owned(), vec![format!("{NODE_LABEL}={}", daemon.node)])]);
        let options = ListContainersOptions { all: true, filters: Some(filters), ..ListContainersOptions::default() };
        let containers = daemon.docker.list_containers(Some(options)).await;
        let containers = containers.map_err(|error| daemon.failed("list containers", &error))?;
        let mut removed = Ok(());
        for id in containers.iter().filter_map(|container| container.id.as_deref()) {
            removed = removed.and(daemon.remove(id, daemon.group(id).await.as_ref()).await);
        }
        let looking = io_error(|| "looking for what containers of before had".to_owned());
        for entry in read_dir(&daemon.dir).map_err(looking)? {
            // What is in it is the container's, and need not let itself be removed by who is not root.
            if let Err(error) = daemon.remove_socket_dir(&entry.path()) {
                tracing::warn!(%error, path = %entry.path().display(), "the directory of a container of before stays");
            }
        }
        removed?;
        Ok(containers.len())
    }
}

impl DockerRunner {
    async fn start_held(&self, spec: &ContainerSpec) -> Result<Box<dyn Container>, RunnerError> {
        self.prepare(&spec.image, &spec.network).await?;
        let id = ContainerId::random(&self.0.env);
        let socket_dir = self.0.dir.join(id.as_str());
        let held = Arc::new(Held::new(self.0.clone(), id, socket_dir));
        match start(&self.0, &held, spec).await {
            Ok(output) => Ok(Box::new(DockerContainer::new(held, output))),
            Err(error) => {
                if let Err(error) = held.remove().await {
                    tracing::error!(%error, "something of a container that did not start stays");
                }
                Err(error)
            }
        }
    }
}

async fn start(daemon: &Arc<Daemon>, held: &Held, spec: &ContainerSpec) -> Result<ContainerOutput, RunnerError> {
    let (id, docker) = (held.id(), &daemon.docker);
    let making = || format!("making the directory of container {id}");
    daemon.make_socket_dir(held.socket_dir()).map_err(io_error(making))?;
    let options = CreateContainerOptions { name: Some(id.to_string()), ..CreateContainerOptions::default() };
    let body = request::body(daemon, spec, held.socket_dir());
    let created = docker.create_container(Some(options), body).await;
    created.map_err(|error| daemon.failed("create the container", &error))?;
    let options =
        AttachContainerOptions { stream: true, stdout: true, stderr: true, ..AttachContainerOptions::default() };
    let attached = docker.attach_container(id.as_str(), Some(options)).await;
    let attached = attached.map_err(|error| daemon.failed("attach to the container", &error))?;
    let piping = io_error(|| format!("making the pipes of container {id}"));
    let output = pipe_output(&daemon.env, attached).map_err(piping)?;
    let started = docker.start_container(id.as_str(), None).await;
    started.map_err(|error| daemon.failed("start the container", &error))?;
    held.started(daemon.group(id.as_str()).await);
    if let Err(error) = held.cpu_time() {
        if daemon.process(id.as_str()).await.is_some() {
            unenforceable("the budget of processor time", &error.to_string(), daemon.allow_unenforced)?;
        } else {
            held.has_ended_at_once();
        }
    }
    Ok(output)
}

impl Daemon {
    fn failed(&self, action: &'static str, error: &Error) -> RunnerError {
        RunnerError::Runtime { runtime: self.name.clone(), action, reason: error.to_string() }
    }

    fn make_socket_dir(&self, dir: &Path) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        if self.bounds_sockets {
            return socket_dir::make(dir);
        }
        fs::create_dir_all(dir)?;
        // Its user is somebody else, and who is not root can give nothing away.
        fs::set_permissions(dir, fs::Permissions::from_mode(0o777))
    }

    /// It is fine if it is not there.
    fn remove_socket_dir(&self, dir: &Path) -> io::Result<()> {
        if self.bounds_sockets {
            socket_dir::unmake(dir)?;
        }
        match fs::remove_dir_all(dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The control group of a container, where it can be seen and surely is its own: what is done to it is done to all
    /// processes in it.
    async fn group(&self, name: &str) -> Option<Group> {
        let (id, pid) = self.process(name).await?;
        Group::of_process(pid).ok().filter(|group| group.is_of(&id))
    }

    /// The id that the daemon gave a container, and its process, as long as that is there.
    async fn process(&self, name: &str) -> Option<(String, u32)> {
        let inspected = self.docker.inspect_container(name, None).await.ok()?;
        let pid = u32::try_from(inspected.state?.pid?).ok().filter(|pid| *pid > 0)?;
        Some((inspected.id?, pid))
    }

    /// Removes a container, running or not, frozen or not.
    async fn remove(&self, name: &str, group: Option<&Group>) -> Result<(), RunnerError> {
        if let Some(group) = group {
            // It is gone when the container has ended. A frozen one would not end.
            let _ = self.cgroups.freeze(group, crate::cgroup::Freeze::Thaw);
        }
        match self.docker.remove_container(name, Some(request::removal())).await {
            Ok(()) | Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
            Err(error) => Err(self.failed("remove the container", &error)),
        }
    }
}

/// Two pipes, into which a task writes what comes from the daemon in one stream.
fn pipe_output(env: &Env, attached: AttachContainerResults) -> io::Result<ContainerOutput> {
    let (mut stdout_end, stdout) = pipe::pipe()?;
    let (mut stderr_end, stderr) = pipe::pipe()?;
    let mut output = attached.output;
    env.tasks().spawn(async move {
        while let Some(Ok(piece)) = output.next().await {
            // Whoever no longer reads one of them may still read the other.
            let _ = match piece {
                LogOutput::StdErr { message } => stderr_end.write_all(&message).await,
                piece => stdout_end.write_all(&piece.into_bytes()).await,
            };
        }
    });
    Ok(ContainerOutput { stdout, stderr })
}
