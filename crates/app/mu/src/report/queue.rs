//! What waits to be written: bounded, and shared fairly.

use std::collections::HashMap;
use std::sync::Arc;

use crate::report::Entry;

/// The room for lines of functions, in bytes. Standard output that is slower than they are fills it.
const LOG_BYTES_MAX: usize = 16 << 20;

/// What a line takes beside its text.
const LINE_BYTES: usize = 256;

/// The most receipts that wait. They have room of their own: however much functions say, each call is told. At a few
/// hundred bytes each, some megabytes.
const CALLS_MAX: usize = 16_384;

/// Entries in the order of their arrival. Those that find no room are counted and dropped.
#[derive(Default)]
pub(super) struct Queue {
    entries: Vec<Entry>,
    calls: usize,
    /// The bytes of all lines that wait, and of each function's.
    log_bytes: usize,
    log_bytes_by_function: HashMap<Arc<str>, usize>,
    dropped: u64,
    pub(super) is_closed: bool,
}

impl Queue {
    /// Takes an entry, or drops it.
    pub(super) fn push(&mut self, entry: Entry) {
        if self.has_taken(&entry) {
            self.entries.push(entry);
        } else {
            self.dropped += 1;
        }
    }

    /// What waits, and how many entries were dropped since this was asked before.
    pub(super) fn take(&mut self) -> (Vec<Entry>, u64) {
        self.calls = 0;
        self.log_bytes = 0;
        self.log_bytes_by_function.clear();
        (std::mem::take(&mut self.entries), std::mem::take(&mut self.dropped))
    }

    /// Whether nothing is to be written.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn has_taken(&mut self, entry: &Entry) -> bool {
        match entry {
            // These are few: the run itself makes them.
            Entry::Event(_) => true,
            Entry::Call(_) => {
                let has_room = self.calls < CALLS_MAX;
                self.calls += usize::from(has_room);
                has_room
            }
            Entry::Log(record) => {
                let bytes = LINE_BYTES + record.message.len();
                let of_function = self.log_bytes_by_function.entry(Arc::clone(&record.function)).or_default();
                // A function gets no more room than it leaves free: one that floods fills half of it, a second one half
                // of the rest, and there is always some for a function that says little.
                let has_room = *of_function + bytes <= LOG_BYTES_MAX.saturating_sub(self.log_bytes + bytes);
                if has_room {
                    *of_function += bytes;
                    self.log_bytes += bytes;
                }
                has_room
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mu_env::Env;
    use mu_invoke::{Cause, Receipt, Verdict};
    use mu_pricing::Usage;
    use mu_stack::StackId;
    use mu_telemetry::{Level, LogRecord, LogSource};

    use super::*;

    fn line(env: &Env, function: &str) -> Entry {
        Entry::Log(Box::new(LogRecord {
            time: env.now(),
            invocation: env.new_invocation_id(),
            stack_id: [1; 32],
            stack: "test".into(),
            function: function.into(),
            level: Level::Info,
            source: LogSource::Function,
            message: "x".repeat(100),
        }))
    }

    fn call(env: &Env) -> Entry {
        Entry::Call(Box::new(Receipt {
            invocation: env.new_invocation_id(),
            stack_id: StackId::new([1; 32]),
            stack: "test".into(),
            version: 1,
            function: "f".into(),
            handler: "f".into(),
            cause: Cause::CommandLine,
            started: env.now(),
            waited: Duration::ZERO,
            duration: Duration::ZERO,
            verdict: Verdict::Abandoned,
            usage: Usage::default(),
            memory_bytes_max: 0,
        }))
    }

    #[test]
    fn a_flood_leaves_room_for_calls_and_for_other_functions() {
        let (env, mut queue) = (Env::system(), Queue::default());
        for _ in 0..100_000 {
            queue.push(line(&env, "floods"));
        }
        let (taken, dropped) = (queue.entries.len(), queue.dropped);
        assert_eq!((taken + usize::try_from(dropped).unwrap(), dropped > 0), (100_000, true));
        assert!(queue.log_bytes <= LOG_BYTES_MAX / 2);
        for _ in 0..10_000 {
            queue.push(call(&env));
            queue.push(line(&env, "talks"));
        }
        assert_eq!((queue.entries.len(), queue.dropped), (taken + 20_000, dropped));
    }

    #[test]
    fn calls_are_bounded_too_and_what_is_dropped_is_told_once() {
        let (env, mut queue) = (Env::system(), Queue::default());
        for _ in 0..CALLS_MAX + 3 {
            queue.push(call(&env));
        }
        let (entries, dropped) = queue.take();
        assert_eq!((entries.len(), dropped), (CALLS_MAX, 3));
        queue.push(call(&env));
        let (entries, dropped) = queue.take();
        assert_eq!((entries.len(), dropped), (1, 0));
    }
}
