//! What there is of a container on the machine, and how it goes away again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use super::directory::Directory;
use crate::cgroup::{Cgroups, Group};
use crate::{ContainerId, RunnerError, io_error, socket_dir};

/// Pauses between attempts double from this up to a second, and there are so many attempts: four seconds in all.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const ATTEMPTS: u32 = 14;

/// What there is of a container on the machine: processes, control groups, a mount, directories. Where they are follows
/// from the id, so that nothing has to be remembered.
#[derive(Clone, Debug)]
pub(super) struct Remains {
    pub(super) id: ContainerId,
    pub(super) group: Group,
    directory: Arc<Directory>,
    pub(super) cgroups: Arc<Cgroups>,
}

impl Remains {
    pub(super) fn of(id: ContainerId, directory: Arc<Directory>, cgroups: Arc<Cgroups>) -> Self {
        Self { group: cgroups.group(&id), id, directory, cgroups }
    }

    /// Kills and removes all of it. It does not matter how much there is.
    pub(super) async fn remove(&self) -> Result<(), RunnerError> {
        self.kill().await?;
        self.clear().await
    }

    /// Ends all its processes.
    pub(super) async fn kill(&self) -> Result<(), RunnerError> {
        let Self { id, group, cgroups, .. } = self;
        let mut seen = BTreeSet::new();
        retried(&format!("killing the processes of container {id}"), || {
            seen.extend(cgroups.processes(group));
            if cgroups.kill(group) {
                Err(io::Error::new(io::ErrorKind::ResourceBusy, "they do not end"))
            } else {
                Ok(())
            }
        })
        .await?;
        // Those that became our children, and that nobody waited for.
        for pid in seen.into_iter().filter_map(Pid::from_raw) {
            let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
        }
        Ok(())
    }

    /// Removes what it had, which has no processes any more.
    pub(super) async fn clear(&self) -> Result<(), RunnerError> {
        let Self { id, group, directory, cgroups } = self;
        retried(&format!("removing the control groups of container {id}"), || cgroups.remove(group)).await?;
        retried(&format!("removing the directories of container {id}"), || {
            socket_dir::unmake(&directory.socket_dir(id))?;
            for dir in [directory.bundle(id), directory.state().join(id.as_str())] {
                match fs::remove_dir_all(dir) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            Ok(())
        })
        .await
    }
}

async fn retried(action: &str, mut attempt: impl FnMut() -> io::Result<()>) -> Result<(), RunnerError> {
    let mut pause = FIRST_PAUSE;
    for _ in 1..ATTEMPTS {
        if attempt().is_ok() {
            return Ok(());
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(1));
    }
    attempt().map_err(io_error(|| action.to_owned()))
}
