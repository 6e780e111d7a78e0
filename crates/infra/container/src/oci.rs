//! Containers by an OCI runtime: crun, or runc.
//!
//! The runtime is a program that is run once for each container, to start it. Freezing, thawing, metering and removal are
//! files of the container's control group, and take no program. Which runtime works on a machine is found out by starting
//! a container with each and looking at what came of it ([`probe`]).

mod adopted;
mod bundle;
mod container;
mod directory;
mod launch;
mod probe;
mod remains;
mod root;
mod runtime;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use async_trait::async_trait;
use mu_env::Env;
use mu_image::Image;
use tokio::sync::oneshot;

use self::bundle::Plan;
use self::directory::Directory;
use self::launch::Launcher;
use self::remains::Remains;
use self::root::Roots;
use self::runtime::Runtime;
use crate::cgroup::Cgroups;
use crate::{Container, ContainerId, ContainerSpec, Network, Runner, RunnerError, io_error, mounts, node_of, read_dir};

/// Runtimes that are looked for, the quickest first.
const RUNTIMES: [&str; 2] = ["crun", "runc"];

/// What is in a runner's directory is its own: other runners may have theirs beside it.
const DIR: &str = "oci";

/// What a runner is made of.
#[derive(Clone, Debug)]
pub struct OciParams {
    /// Where it keeps what containers consist of, in `oci/`; one process at a time uses it. Made if it is not there.
    pub dir: PathBuf,
    /// The runtime, by its name or its path; if not given, crun and then runc.
    pub runtime: Option<PathBuf>,
    /// Whether containers are started although a limit of theirs cannot be enforced. A warning names it.
    pub allow_unenforced: bool,
    /// Randomness and tasks.
    pub env: Env,
}

/// Runs containers by an OCI runtime.
#[derive(Clone, Debug)]
pub struct OciRunner(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    launcher: Launcher,
    roots: Roots,
}

impl OciRunner {
    /// Takes the first runtime that can start a container within all limits, which it proves by starting one.
    ///
    /// # Errors
    /// When none can, or the node is not root; with the reason of each.
    pub async fn open(params: OciParams) -> Result<Self, RunnerError> {
        if !rustix::process::geteuid().is_root() {
            let reason = "only root can; run the node as root, or let it use a Docker or Podman daemon".to_owned();
            return Err(RunnerError::Unenforceable { limit: "the memory limit", reason });
        }
        let opening = || format!("opening the directory of containers {}", params.dir.display());
        let directory = Arc::new(Directory::open(&params.dir.join(DIR)).map_err(io_error(opening))?);
        let cgroups =
            Cgroups::find(&node_of(directory.path())).map_err(io_error(|| "finding control groups".to_owned()))?;
        let (cgroups, env) = (Arc::new(cgroups), params.env.clone());
        probe::check_controllers(&cgroups, params.allow_unenforced)?;
        // Containers become children of this process when the runtime that started them ends.
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
            .map_err(|e| io_error(|| "becoming the parent of containers".to_owned())(e.into()))?;

        let mut errors = Vec::new();
        for runtime in candidates(params.runtime.as_deref(), &cgroups, &mut errors).await {
            let (directory, cgroups, env) = (directory.clone(), cgroups.clone(), env.clone());
            let launcher = Launcher { runtime, directory, cgroups, env };
            match probe::check(&launcher, params.allow_unenforced).await {
                Ok(()) => return Ok(Self(Arc::new(Inner { launcher, roots: Roots::default() }))),
                Err(error) => {
                    tracing::info!(%error, "an OCI runtime is passed over");
                    errors.push(error);
                }
            }
        }
        Err(together(&errors))
    }
}

#[async_trait]
impl Runner for OciRunner {
    fn name(&self) -> &str {
        self.0.launcher.runtime.name()
    }

    async fn prepare(&self, image: &Image, _network: &Network) -> Result<(), RunnerError> {
        image.command()?;
        self.0.roots.of(image, &self.0.launcher.directory).await?;
        Ok(())
    }

    async fn start(&self, spec: ContainerSpec) -> Result<Box<dyn Container>, RunnerError> {
        let (sender, receiver) = oneshot::channel();
        let inner = self.0.clone();
        self.0.launcher.env.tasks().spawn(async move {
            // If nobody waits any more, the container is dropped, and removes itself.
            let _ = sender.send(inner.start(spec).await);
        });
        let stopping = io_error(|| "starting a container".to_owned());
        receiver.await.unwrap_or_else(|_| Err(stopping(io::Error::other("the node is stopping"))))
    }

    async fn sweep(&self) -> Result<usize, RunnerError> {
        let Launcher { directory, cgroups, .. } = &self.0.launcher;
        let looking = io_error(|| "looking for containers of before".to_owned());
        let ids = leftovers(directory, cgroups).map_err(looking)?;
        let mut ended = Ok(());
        for id in &ids {
            let remains = Remains::of(ContainerId::of(id), directory.clone(), cgroups.clone());
            if let Err(error) = remains.kill().await {
                ended = ended.and(Err(error));
            } else if let Err(error) = remains.clear().await {
                tracing::warn!(%error, "something of a container of before stays");
            }
        }
        let unmounted = mounts::unmount_beneath(directory.path())
            .and_then(|()| read_dir(&directory.roots())?.iter().try_for_each(|root| fs::remove_dir(root.path())));
        if let Err(error) = unmounted {
            tracing::warn!(%error, "root filesystems of containers of before stay");
        }
        ended?;
        Ok(ids.len())
    }
}

impl Inner {
    async fn start(&self, spec: ContainerSpec) -> Result<Box<dyn Container>, RunnerError> {
        let config = spec.image.config();
        let plan = Plan {
            root: self.roots.of(&spec.image, &self.launcher.directory).await?,
            args: spec.image.command()?,
            env: bundle::environment(&config.env, &spec.env),
            cwd: config.working_dir.clone(),
            limits: spec.limits,
            dial: match spec.network {
                Network::None => None,
                Network::Egress(dial) => Some(dial),
            },
            label: spec.label,
        };
        Ok(Box::new(self.launcher.start(plan).await?))
    }
}

/// The runtimes that are here, in the order in which they are tried. Where both versions of control groups are mounted, each
/// is tried again without sight of the second before the next.
async fn candidates(given: Option<&Path>, cgroups: &Cgroups, errors: &mut Vec<RunnerError>) -> Vec<Runtime> {
    let names = given.map_or_else(|| RUNTIMES.map(PathBuf::from).to_vec(), |given| vec![given.to_owned()]);
    let mut candidates = Vec::new();
    for name in names {
        match Runtime::find(&name).await {
            Ok(runtime) => {
                candidates.push(runtime.clone());
                candidates.extend(cgroups.second_of_hybrid().map(|second| runtime.hiding(second)));
            }
            Err(error) => errors.push(RunnerError::Runtime {
                runtime: name.display().to_string(),
                action: "be run",
                reason: error.to_string(),
            }),
        }
    }
    candidates
}

/// One error for several runtimes, with the reasons of all: a limit that one cannot enforce is what the machine lacks.
fn together(errors: &[RunnerError]) -> RunnerError {
    let limit = errors.iter().find_map(|error| match error {
        RunnerError::Unenforceable { limit, .. } => Some(*limit),
        _ => None,
    });
    let mut reasons: Vec<_> = errors
        .iter()
        .map(|error| match error {
            RunnerError::Unenforceable { limit: other, reason } if Some(*other) == limit => reason.clone(),
            error => error.to_string(),
        })
        .collect();
    // A runtime may have been tried in two ways.
    reasons.dedup();
    let reason = reasons.join("; ");
    match limit {
        Some(limit) => RunnerError::Unenforceable { limit, reason },
        None => RunnerError::Runtime {
            runtime: "no OCI runtime here".to_owned(),
            action: "run a container; install crun or runc",
            reason,
        },
    }
}

/// Whether there is something of containers: each has a directory until the rest of it is gone.
pub(crate) fn has_leftovers(dir: &Path) -> bool {
    directory::FOLDERS.iter().any(|name| read_dir(&dir.join(DIR).join(name)).is_ok_and(|entries| !entries.is_empty()))
}

/// The ids of all containers of which there is something.
fn leftovers(directory: &Directory, cgroups: &Cgroups) -> io::Result<BTreeSet<String>> {
    let mut ids = cgroups.names()?;
    for dir in [directory.containers(), directory.state()] {
        ids.extend(read_dir(&dir)?.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()));
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reasons_of_all_runtimes_are_told() {
        let unset = |limit, runtime: &str| RunnerError::Unenforceable {
            limit,
            reason: format!("{runtime} did not set it, or let the settings allow it"),
        };
        let refused = |runtime: &str| RunnerError::Runtime {
            runtime: runtime.to_owned(),
            action: "start the container",
            reason: "no".to_owned(),
        };
        for (errors, expected) in [
            (
                vec![refused("crun 1"), unset("the memory limit", "runc 1"), unset("the memory limit", "runc 1")],
                "the memory limit cannot be enforced on this machine: crun 1 could not start the container: no; runc 1 \
                 did not set it, or let the settings allow it",
            ),
            (
                vec![unset("the memory limit", "crun 1"), unset("the limit of processes", "runc 1")],
                "the memory limit cannot be enforced on this machine: crun 1 did not set it, or let the settings allow \
                 it; the limit of processes cannot be enforced on this machine: runc 1 did not set it, or let the \
                 settings allow it",
            ),
            (
                vec![refused("crun 1"), refused("runc 1")],
                "no OCI runtime here could not run a container; install crun or runc: crun 1 could not start the \
                 container: no; runc 1 could not start the container: no",
            ),
        ] {
            assert_eq!(together(&errors).to_string(), expected);
        }
    }
}
