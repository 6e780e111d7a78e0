//! Control groups of either version, or of both side by side.
//!
//! Whoever starts a container makes its group and writes its limits. An OCI runtime takes our name for it, `mu/NODE/ID` in
//! each hierarchy, so that it is found without asking; a daemon has its own. Everything after the start is done here, by
//! reading and writing the group's files.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::mounts::{self, Mount};
use crate::{ContainerId, read_dir};

/// The hierarchies of this machine, and the place of a node's groups in them.
#[derive(Debug)]
pub(crate) struct Cgroups {
    /// Where version 1 is mounted, a hierarchy or more.
    first: Vec<PathBuf>,
    /// Where version 2 is mounted.
    second: Option<PathBuf>,
    memory: Option<Place>,
    pids: Option<Place>,
    cpu: Option<Place>,
    cpu_time: Option<Place>,
    freezer: Option<Place>,
    parent: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    version: Version,
    hierarchy: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// The name of a group, which is a path in each hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group(PathBuf);

/// What to do with the processes of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freeze {
    Freeze,
    Thaw,
}

/// What the files of a group say of a container's limits: nothing where a file is not there.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Enforced {
    pub(crate) memory_bytes: Option<u64>,
    /// Memory and swap together.
    pub(crate) memory_and_swap_bytes: Option<u64>,
    pub(crate) pids: Option<u64>,
    /// Microseconds of processor time in a period, and of the period.
    pub(crate) cpu: Option<(u64, u64)>,
}

impl Cgroups {
    /// Looks for the hierarchies. `node` tells the groups of this node from those of others.
    pub(crate) fn find(node: &str) -> io::Result<Self> {
        let controllers = |dir: &Path| fs::read_to_string(dir.join("cgroup.controllers")).unwrap_or_default();
        Ok(Self::of(&mounts::all()?, node, controllers))
    }

    fn of(mounts: &[Mount], node: &str, controllers: impl Fn(&Path) -> String) -> Self {
        let first: Vec<_> = mounts.iter().filter(|mount| mount.kind == "cgroup").collect();
        let second = mounts.iter().find(|mount| mount.kind == "cgroup2").map(|mount| mount.dir.clone());
        let has = second.as_deref().map(controllers).unwrap_or_default();
        let place = |name: &str| {
            if let Some(mount) = first.iter().find(|mount| mount.options.split(',').any(|option| option == name)) {
                return Some(Place { version: Version::One, hierarchy: mount.dir.clone() });
            }
            // Every group of version 2 can be frozen and counts its processor time, without a controller.
            let is_there = matches!(name, "freezer" | "cpuacct") || has.split_whitespace().any(|had| had == name);
            let hierarchy = second.clone().filter(|_| is_there)?;
            Some(Place { version: Version::Two, hierarchy })
        };
        Self {
            memory: place("memory"),
            pids: place("pids"),
            cpu: place("cpu"),
            cpu_time: place("cpuacct"),
            freezer: place("freezer"),
            first: first.iter().map(|mount| mount.dir.clone()).collect(),
            second,
            parent: format!("mu/{node}"),
        }
    }

    /// Where version 2 is mounted beside version 1.
    pub(crate) fn second_of_hybrid(&self) -> Option<&Path> {
        self.second.as_deref().filter(|_| !self.first.is_empty())
    }

    pub(crate) fn limits_memory(&self) -> bool {
        self.memory.is_some()
    }

    /// Whether memory and swap together can be limited, which version 1 has as an option of the kernel.
    pub(crate) fn limits_swap(&self) -> bool {
        self.memory.as_ref().is_some_and(|memory| {
            memory.version == Version::Two || memory.hierarchy.join("memory.memsw.limit_in_bytes").exists()
        })
    }

    pub(crate) fn limits_pids(&self) -> bool {
        self.pids.is_some()
    }

    pub(crate) fn limits_cpu(&self) -> bool {
        self.cpu.is_some()
    }

    /// The group that a container of this node has if its name is ours.
    pub(crate) fn group(&self, id: &ContainerId) -> Group {
        Group(Path::new(&self.parent).join(id.as_str()))
    }

    /// The names of all groups of this node.
    pub(crate) fn names(&self) -> io::Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        for hierarchy in self.hierarchies() {
            for entry in read_dir(&hierarchy.join(&self.parent))? {
                if entry.file_type()?.is_dir() {
                    names.insert(entry.file_name().to_string_lossy().into_owned());
                }
            }
        }
        Ok(names)
    }

    /// Stops the processes of a container where they are, or lets them go on. Version 1 takes a moment to reach them all.
    pub(crate) fn freeze(&self, group: &Group, freeze: Freeze) -> io::Result<()> {
        let place = self.freezer.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        let (file, text) = match (place.version, freeze) {
            (Version::One, Freeze::Freeze) => ("freezer.state", "FROZEN"),
            (Version::One, Freeze::Thaw) => ("freezer.state", "THAWED"),
            (Version::Two, Freeze::Freeze) => ("cgroup.freeze", "1"),
            (Version::Two, Freeze::Thaw) => ("cgroup.freeze", "0"),
        };
        OpenOptions::new().write(true).open(self.file(place, group, file))?.write_all(text.as_bytes())
    }

    pub(crate) fn is_frozen(&self, group: &Group) -> io::Result<bool> {
        let place = self.freezer.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        Ok(match place.version {
            Version::One => fs::read_to_string(self.file(place, group, "freezer.state"))?.trim() == "FROZEN",
            Version::Two => field(&fs::read_to_string(self.file(place, group, "cgroup.events"))?, "frozen") == Some(1),
        })
    }

    pub(crate) fn cpu_time(&self, group: &Group) -> io::Result<Duration> {
        let place = self.cpu_time.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        let read = |file| fs::read_to_string(self.file(place, group, file));
        let time = match place.version {
            Version::One => number(&read("cpuacct.usage")?).map(Duration::from_nanos),
            Version::Two => field(&read("cpu.stat")?, "usage_usec").map(Duration::from_micros),
        };
        time.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// How many processes of a container were killed because its memory was used up.
    pub(crate) fn out_of_memory_kills(&self, group: &Group) -> u64 {
        let kills = self.memory.as_ref().and_then(|place| {
            let file = if place.version == Version::One { "memory.oom_control" } else { "memory.events" };
            field(&fs::read_to_string(self.file(place, group, file)).ok()?, "oom_kill")
        });
        kills.unwrap_or_default()
    }

    /// What is limited, by the files of the group.
    pub(crate) fn enforced(&self, group: &Group) -> Enforced {
        let read = |place: &Option<Place>, first: &str, second: &str| {
            let place = place.as_ref()?;
            let file = if place.version == Version::One { first } else { second };
            Some((place.version, fs::read_to_string(self.file(place, group, file)).ok()?))
        };
        let value = |place, first, second| read(place, first, second).and_then(|(_, text)| limit(&text));
        let memory_bytes = value(&self.memory, "memory.limit_in_bytes", "memory.max");
        let swap = read(&self.memory, "memory.memsw.limit_in_bytes", "memory.swap.max");
        let cpu = read(&self.cpu, "cpu.cfs_quota_us", "cpu.max");
        Enforced {
            memory_bytes,
            memory_and_swap_bytes: swap.and_then(|(version, text)| match version {
                Version::One => limit(&text),
                Version::Two => Some(limit(&text)?.saturating_add(memory_bytes?)),
            }),
            pids: value(&self.pids, "pids.max", "pids.max"),
            cpu: cpu.and_then(|(version, text)| match version {
                Version::One => Some((number(&text)?, value(&self.cpu, "cpu.cfs_period_us", "")?)),
                Version::Two => text.split_once(' ').and_then(|(quota, period)| Some((limit(quota)?, number(period)?))),
            }),
        }
    }

    /// The processes of a container, or of a start that went wrong.
    pub(crate) fn processes(&self, group: &Group) -> BTreeSet<i32> {
        let lists = self.dirs(group).filter_map(|dir| fs::read_to_string(dir.join("cgroup.procs")).ok());
        lists.flat_map(|list| list.lines().filter_map(|line| line.parse().ok()).collect::<Vec<_>>()).collect()
    }

    /// Kills every process of a container, frozen or not. Answers whether there were any.
    pub(crate) fn kill(&self, group: &Group) -> bool {
        let processes = self.processes(group);
        for pid in processes.iter().filter_map(|pid| Pid::from_raw(*pid)) {
            // It may have ended meanwhile.
            let _ = kill_process(pid, Signal::KILL);
        }
        // In version 1 even a killed process waits until it thaws. A group without processes may be gone.
        let _ = self.freeze(group, Freeze::Thaw);
        !processes.is_empty()
    }

    /// Removes the groups of a container, which have no processes any more.
    pub(crate) fn remove(&self, group: &Group) -> io::Result<()> {
        for dir in self.dirs(group) {
            match fs::remove_dir(&dir) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn hierarchies(&self) -> impl Iterator<Item = &PathBuf> {
        self.first.iter().chain(&self.second)
    }

    fn dirs(&self, group: &Group) -> impl Iterator<Item = PathBuf> {
        self.hierarchies().map(move |hierarchy| hierarchy.join(&group.0))
    }

    fn file(&self, place: &Place, group: &Group, file: &str) -> PathBuf {
        place.hierarchy.join(&group.0).join(file)
    }
}

impl Group {
    /// That of a process, which is the same in all hierarchies that have a controller of those here.
    pub(crate) fn of_process(pid: u32) -> io::Result<Self> {
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
        Self::parse(&groups).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// `6:freezer:/docker/ID` in version 1, `0::/docker/ID` in version 2.
    fn parse(groups: &str) -> Option<Self> {
        let line = |controller: &str| {
            groups.lines().find_map(|line| {
                let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
                controllers.split(',').any(|had| had == controller).then(|| path.trim_start_matches('/'))
            })
        };
        line("freezer").or_else(|| line("")).map(|path| Self(path.into()))
    }

    /// As runtimes take it.
    pub(crate) fn absolute(&self) -> PathBuf {
        Path::new("/").join(&self.0)
    }

    /// Whether one of its parts has `name` in it, as the groups of a daemon's containers have their ids. Some runtimes make
    /// one within it for the processes.
    pub(crate) fn is_of(&self, name: &str) -> bool {
        self.0.iter().any(|part| part.to_string_lossy().contains(name))
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        for hierarchy in self.hierarchies() {
            // It stays as long as there are containers in it.
            let _ = fs::remove_dir(hierarchy.join(&self.parent));
        }
    }
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// `max` is none at all, which is another thing than a limit that is not known.
fn limit(text: &str) -> Option<u64> {
    if text.trim() == "max" { Some(u64::MAX) } else { number(text) }
}

/// The number after a word, in lines of a word and a number each.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| number(line.strip_prefix(name)?.strip_prefix(' ')?))
}
