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
use rustix::process::{Pid, WaitId, WaitIdOptions, getpid, getsid, waitid};

/// Ids that are looked at: more processes are not made in the time of a start.
const IDS_MAX: i32 = 1_000;

/// Milliseconds that it may take one to end.
const END_MS_MAX: u32 = 1_000;

/// Takes note of the end of what `runtime` left beside `container`, now or when it comes.
pub(super) fn reap(env: &Env, runtime: Pid, container: Option<Pid>) {
    for pid in between(runtime, container).filter_map(Pid::from_raw).filter(|pid| is_adopted(*pid)) {
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

/// Whether a process is our child, in the session of another process than itself, and not in ours.
fn is_adopted(pid: Pid) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    parse(&stat).is_some_and(|(parent, session)| {
        parent == getpid().as_raw_pid()
            && session != pid.as_raw_pid()
            && getsid(None).is_ok_and(|ours| session != ours.as_raw_pid())
    })
}

/// The parent and the session in `5174 (name) Z 1 5173 5173 ...`; the name may have spaces and parentheses in it.
fn parse(stat: &str) -> Option<(i32, i32)> {
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(1).map(str::parse);
    let (parent, _group, session) = (fields.next()?.ok()?, fields.next()?, fields.next()?.ok()?);
    Some((parent, session))
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
            ("5174 (crun) Z 1 5173 5172 0 -1 4227084", Some((1, 5172))),
            ("5174 (a) b (c) S 77 5173 5172 0", Some((77, 5172))),
            ("5174 (a", None),
        ] {
            assert_eq!(parse(stat), expected, "{stat}");
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
