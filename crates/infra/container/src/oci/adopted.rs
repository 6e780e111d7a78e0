//! Processes that a runtime left to us. Containers are waited for; others have nothing more to do than to end, and somebody
//! has to take note of it, or they stay in the table of processes for ever.
//!
//! crun starts containers from a process that it first made a daemon: in a session of its own, which it does not lead. No
//! child that anybody here made for himself is like that, and neither is a container, which leads its session. Its id is
//! after the runtime's and before the container's.

use std::fs;
use std::ops::Range;
use std::time::Duration;

use mu_env::Env;
use rustix::process::{Pid, WaitId, WaitIdOptions, getpid, waitid};

/// Ids that are looked at: more processes are not made in the time of a start.
const IDS_MAX: i32 = 1_000;

/// Milliseconds that it may take one to end.
const END_MS_MAX: u32 = 1_000;

/// Takes note of the end of what `runtime` left beside `container`, now or when it comes.
pub(super) fn reap(env: &Env, runtime: Pid, container: Option<Pid>) {
    let Some(ours) = Process::of(getpid()) else { return };
    let is_adopted = |pid: &Pid| Process::of(*pid).is_some_and(|process| process.is_adopted(&ours));
    for pid in between(runtime, container).filter_map(Pid::from_raw).filter(is_adopted) {
        if has_ended(pid) {
            continue;
        }
        env.tasks().spawn(async move {
            for _ in 0..END_MS_MAX {
                tokio::time::sleep(Duration::from_millis(1)).await;
                if has_ended(pid) {
                    break;
                }
            }
        });
    }
}

fn between(runtime: Pid, container: Option<Pid>) -> Range<i32> {
    let first = runtime.as_raw_pid().saturating_add(1);
    let end = container.map_or(i32::MAX, Pid::as_raw_pid);
    // Where ids began anew in between, those before the container's are nearer to it.
    if end < first { (end - IDS_MAX).max(2)..end } else { first..end.min(first.saturating_add(IDS_MAX)) }
}

/// Ids as the kernel tells them in `/proc`. A session that began outside of our namespace of ids has the id 0 there, which
/// `getsid` of libraries takes for impossible.
#[derive(Debug, PartialEq, Eq)]
struct Process {
    id: i32,
    parent: i32,
    session: i32,
}

impl Process {
    fn of(pid: Pid) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Of `5174 (name) Z 1 5173 5173 ...`; the name may have spaces and parentheses in it.
    fn parse(stat: &str) -> Option<Self> {
        let (start, rest) = stat.rsplit_once(") ")?;
        let id = start.split_once(' ')?.0.parse().ok()?;
        let mut fields = rest.split(' ').skip(1).map(str::parse);
        let (parent, _group, session) = (fields.next()?.ok()?, fields.next()?, fields.next()?.ok()?);
        Some(Self { id, parent, session })
    }

    /// Whether it is a child of `ours`, in the session of another process than itself, and not in ours.
    fn is_adopted(&self, ours: &Self) -> bool {
        self.parent == ours.id && self.session != self.id && self.session != ours.session
    }
}

fn has_ended(pid: Pid) -> bool {
    !matches!(waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG), Ok(None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_parsed() {
        for (stat, expected) in [
            ("5174 (crun) Z 1 5173 5172 0 -1 4227084", Some((5174, 1, 5172))),
            ("5174 (a) b (c) S 77 5173 0 0", Some((5174, 77, 0))),
            ("5174 (a", None),
        ] {
            let expected = expected.map(|(id, parent, session)| Process { id, parent, session });
            assert_eq!(Process::parse(stat), expected, "{stat}");
        }
    }

    #[test]
    fn only_what_a_runtime_left_is_adopted() {
        // Our session began in our own namespace of ids, or outside of it.
        for session in [5, 0] {
            let ours = Process { id: 7, parent: 1, session };
            for (what, id, parent, session, expected) in [
                ("left by a runtime", 102, 7, 101, true),
                ("our own child", 102, 7, session, false),
                ("a container", 103, 7, 103, false),
                ("of somebody else", 102, 8, 101, false),
            ] {
                assert_eq!(Process { id, parent, session }.is_adopted(&ours), expected, "{what}");
            }
        }
    }

    #[test]
    fn ids_are_between_the_runtime_and_the_container() {
        let pid = |raw| Pid::from_raw(raw);
        for (runtime, container, expected) in [
            (100, pid(103), 101..103),
            (100, pid(5_000), 101..1_101),
            (100, None, 101..1_101),
            (32_767, pid(302), 2..302),
        ] {
            assert_eq!(between(pid(runtime).unwrap(), container), expected);
        }
    }
}
