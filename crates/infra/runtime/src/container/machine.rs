//! Whether the machine has processor time to spare.

use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Of all processors' time, in percent, what must be idle for another container to be of use.
const IDLE_PERCENT_MIN: u64 = 10;

/// How old the answer may be. The kernel counts in hundredths of a second.
const FRESH: Duration = Duration::from_millis(100);

/// The processors of the machine.
#[derive(Debug)]
pub(super) struct Machine {
    processors: usize,
    last: Mutex<Sample>,
}

#[derive(Debug)]
struct Sample {
    at: Instant,
    ticks: Ticks,
    is_saturated: bool,
}

/// What the kernel has counted since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ticks {
    idle: u64,
    all: u64,
}

impl Machine {
    pub(super) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let last = Sample { at: Instant::now(), ticks: Ticks::read().unwrap_or_default(), is_saturated: false };
        Self { processors, last: Mutex::new(last) }
    }

    /// How many processors there are.
    pub(super) fn processors(&self) -> usize {
        self.processors
    }

    /// Whether all processors were busy a moment ago. Where the kernel does not tell, they were not.
    pub(super) fn is_saturated(&self) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if now.saturating_duration_since(last.at) >= FRESH {
            let ticks = Ticks::read().unwrap_or_default();
            *last = Sample { at: now, ticks, is_saturated: ticks.since(last.ticks).is_saturated() };
        }
        last.is_saturated
    }
}

impl Ticks {
    fn read() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/stat").ok()?)
    }

    /// The first line of `/proc/stat`: `cpu`, then user, nice, system, idle, iowait, irq, softirq, steal. What follows
    /// is counted among these already.
    fn parse(text: &str) -> Option<Self> {
        let numbers = text.lines().next()?.strip_prefix("cpu ")?.split_ascii_whitespace().take(8);
        let numbers = numbers.map(str::parse).collect::<Result<Vec<u64>, _>>().ok()?;
        Some(Self { idle: numbers.get(3)? + numbers.get(4)?, all: numbers.iter().sum() })
    }

    fn since(self, before: Self) -> Self {
        Self { idle: self.idle.saturating_sub(before.idle), all: self.all.saturating_sub(before.all) }
    }

    fn is_saturated(self) -> bool {
        self.all > 0 && self.idle * 100 < self.all * IDLE_PERCENT_MIN
    }
}

/// What the machine has for containers when nobody says: its memory, less a tenth of at least 256 MiB and at most 5 GiB
/// for everything else.
pub(super) fn memory_for_containers() -> u64 {
    const MIB: u64 = 1 << 20;
    let all_bytes = memory_bytes().unwrap_or(2 << 30);
    all_bytes.saturating_sub((all_bytes / 10).clamp(256 * MIB, 5 * 1024 * MIB))
}

fn memory_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_saturated_when_hardly_anything_is_idle() {
        let text = |idle, busy| format!("cpu  {busy} 0 0 {idle} 1 0 0 0 7 7\ncpu0 1 1\n");
        let ticks = |idle, busy| Ticks::parse(&text(idle, busy)).unwrap();
        assert_eq!(ticks(10, 30), Ticks { idle: 11, all: 41 });
        let before = ticks(100, 100);
        for (idle, busy, expected) in [(109, 200, true), (112, 200, false), (100, 100, false), (0, 0, false)] {
            assert_eq!(ticks(idle, busy).since(before).is_saturated(), expected, "{idle} {busy}");
        }
        assert_eq!(Ticks::parse("intr 1 2 3"), None);
    }

    #[test]
    fn this_machine_has_processors() {
        let machine = Machine::new();
        assert!(machine.processors() > 0);
        machine.is_saturated();
    }
}
