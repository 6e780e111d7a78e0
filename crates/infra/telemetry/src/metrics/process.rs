//! What the process takes of the machine, under the names that Prometheus' own clients use.

/// A look at the process. What the system does not tell is left out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Process {
    pub(super) resident_bytes: Option<u64>,
    pub(super) open_files: Option<u64>,
    pub(super) open_files_max: Option<u64>,
    pub(super) threads: Option<u64>,
    pub(super) cpu_seconds: Option<f64>,
    /// Since 1970.
    pub(super) start_seconds: Option<f64>,
}

impl Process {
    #[cfg(not(target_os = "linux"))]
    pub(super) fn look() -> Self {
        Self::default()
    }

    /// Reads files below `/proc`.
    #[cfg(target_os = "linux")]
    pub(super) fn look() -> Self {
        use std::fs::{read_dir, read_to_string};

        let read = |path: &str| read_to_string(path).unwrap_or_default();
        let ticks_per_second = u32::try_from(rustix::param::clock_ticks_per_second()).ok().map(f64::from);
        let stat = linux::Stat::parse(&read("/proc/self/stat"));
        let seconds = |ticks: u64| Some(linux::to_f64(ticks) / ticks_per_second?);
        let boot_seconds = linux::field(&read("/proc/stat"), "btime");
        let status = read("/proc/self/status");
        Self {
            resident_bytes: linux::field(&status, "VmRSS:").map(|kib| kib.saturating_mul(1024)),
            // The folder itself is open while it is counted.
            open_files: read_dir("/proc/self/fd").ok().map(|entries| (entries.count() as u64).saturating_sub(1)),
            open_files_max: linux::field(&read("/proc/self/limits"), "Max open files"),
            threads: linux::field(&status, "Threads:"),
            cpu_seconds: stat.and_then(|stat| seconds(stat.cpu_ticks)),
            start_seconds: stat.and_then(|stat| Some(linux::to_f64(boot_seconds?) + seconds(stat.start_ticks)?)),
        }
    }
}

#[cfg(target_os = "linux")]
mod linux {
    /// What is taken from `/proc/self/stat`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct Stat {
        /// In the kernel and outside of it.
        pub(super) cpu_ticks: u64,
        /// Since the machine started.
        pub(super) start_ticks: u64,
    }

    impl Stat {
        pub(super) fn parse(text: &str) -> Option<Self> {
            // The second field is the program's name in parentheses, which may contain anything. What follows it are
            // numbers, of which the first is the third field as `man proc_pid_stat` counts.
            let (_, after_name) = text.rsplit_once(')')?;
            let fields: Vec<&str> = after_name.split_whitespace().collect();
            let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
            Some(Self { cpu_ticks: number(14)?.saturating_add(number(15)?), start_ticks: number(22)? })
        }
    }

    /// The first number after a name at the start of a line.
    pub(super) fn field(text: &str, name: &str) -> Option<u64> {
        let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
        rest.split_whitespace().next()?.parse().ok()
    }

    #[expect(clippy::cast_precision_loss, reason = "these are seconds and ticks, far below 2^53")]
    pub(super) const fn to_f64(number: u64) -> f64 {
        number as f64
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_name_of_a_program_does_not_hide_its_numbers() {
            let text = "7 (mu) x) (y) S 1 7 7 0 -1 4194304 1 2 3 4 250 50 5 6 20 0 9 0 123456 1000 10";
            assert_eq!(Stat::parse(text), Some(Stat { cpu_ticks: 300, start_ticks: 123_456 }));
            assert_eq!(Stat::parse("7 (mu) S 1"), None);
            assert_eq!(Stat::parse(""), None);
        }

        #[test]
        fn fields_are_found_by_their_names() {
            let text = "VmPeak:\t 5 kB\nVmRSS:\t  1234 kB\nMax open files            1024    4096    files\n";
            assert_eq!(field(text, "VmRSS:"), Some(1234));
            assert_eq!(field(text, "Max open files"), Some(1024));
            assert_eq!(field("Max open files  unlimited", "Max open files"), None);
            assert_eq!(field(text, "Threads:"), None);
        }
    }
}
