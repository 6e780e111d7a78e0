//! The runtime: a program that makes containers of bundles.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use std::{env, io, thread};

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::Pid;
use rustix::thread::UnshareFlags;
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::directory::Directory;
use crate::ContainerId;

/// A container is started within this time, or given up: a hundred times what it takes.
const START_TIME_MAX: Duration = Duration::from_secs(30);

/// Where programs of the administrator are, should `PATH` not say.
const MORE_PATHS: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A runtime, and how it is called.
#[derive(Clone, Debug)]
pub(super) struct Runtime {
    program: PathBuf,
    name: String,
    /// Where cgroups of version 2 are mounted, if the runtime must not see them: crun refuses to work where both versions
    /// have controllers.
    hidden: Option<PathBuf>,
}

/// The end of a call.
pub(super) struct Called {
    pub(super) is_success: bool,
    /// What its process was.
    pub(super) pid: Option<Pid>,
}

impl Runtime {
    /// Looks for a program, and asks for its version.
    pub(super) async fn find(name: &Path) -> io::Result<Self> {
        let path = env::var_os("PATH").unwrap_or_default();
        let dirs = env::split_paths(&path).chain(env::split_paths(MORE_PATHS));
        let program = match name.parent() {
            Some(parent) if parent == Path::new("") => dirs.map(|dir| dir.join(name)).find(|program| program.is_file()),
            _ => Some(name.to_owned()),
        };
        let program = program.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "not installed"))?;
        let output = Command::new(&program).arg("--version").stdin(Stdio::null()).output().await?;
        Ok(Self { program, name: name_of(&String::from_utf8_lossy(&output.stdout)), hidden: None })
    }

    /// The same, which does not see what is mounted at `second`.
    pub(super) fn hiding(self, second: &Path) -> Self {
        Self { hidden: Some(second.to_owned()), ..self }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Starts the container of a bundle, with `stdout` and `stderr`, which it also complains to. One process does it all,
    /// and ends when the container runs, which becomes our child; its id is in [`pid_file`].
    pub(super) async fn run(
        &self,
        id: &ContainerId,
        directory: &Directory,
        stdout: OwnedFd,
        stderr: OwnedFd,
    ) -> io::Result<Called> {
        let mut command = Command::new(&self.program);
        let bundle = directory.bundle(id);
        command
            .env_clear()
            .arg("--root")
            .arg(directory.state())
            .arg("--log")
            .arg(bundle.join("log"))
            .args(["run", "--detach", "--bundle"])
            .arg(&bundle)
            .arg("--pid-file")
            .arg(pid_file(&bundle))
            .arg(id.as_str())
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            // What is typed at the node's terminal is not for it.
            .process_group(0)
            .kill_on_drop(true);
        let mut child = self.spawn(command).await?;
        let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let status = match tokio::time::timeout(START_TIME_MAX, child.wait()).await {
            Ok(status) => status?,
            Err(_) => {
                child.kill().await?;
                return Err(io::ErrorKind::TimedOut.into());
            }
        };
        Ok(Called { is_success: status.success(), pid })
    }

    async fn spawn(&self, mut command: Command) -> io::Result<Child> {
        let Some(hidden) = self.hidden.clone() else {
            return command.spawn();
        };
        // A child has the mounts of the thread that starts it. This thread has its own, and ends.
        let (sender, receiver) = oneshot::channel();
        let handle = Handle::current();
        thread::Builder::new().name("mu-oci".to_owned()).spawn(move || {
            let _guard = handle.enter();
            let _ = sender.send(hide(&hidden).and_then(|()| command.spawn()));
        })?;
        receiver.await.map_err(|_| io::Error::other("the thread that starts it failed"))?
    }
}

/// Where the runtime writes the container's process id.
pub(super) fn pid_file(bundle: &Path) -> PathBuf {
    bundle.join("pid")
}

/// Mounts an empty directory over `dir`, for this thread alone.
fn hide(dir: &Path) -> io::Result<()> {
    #[expect(deprecated, reason = "only a thread with files of its own would be unsafe, and that is not asked for")]
    rustix::thread::unshare(UnshareFlags::NEWNS)?;
    mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?;
    mount("mu", dir, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC, c"size=1m")?;
    Ok(())
}

/// `crun 1.8.1` of `crun version 1.8.1` and more lines.
fn name_of(version: &str) -> String {
    version.lines().next().unwrap_or_default().replace(" version ", " ")
}
