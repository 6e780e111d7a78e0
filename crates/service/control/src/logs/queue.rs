//! Lines that wait to be written: bounded, fair, and never in the way of who writes them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mu_telemetry::{Level, LogRecord, LogSource, StackId};
use tokio::sync::Notify;

/// What a line counts besides its text, in bytes.
const LINE_BYTES: usize = 128;
/// Functions whose dropped lines are counted each by itself.
const COUNTED_FUNCTIONS_MAX: usize = 1_024;

/// The lines that wait.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    bytes_max: usize,
    /// As many lines as are written at once.
    batch_lines: usize,
    filled: Notify,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<LogRecord>,
    bytes: usize,
    by_stack: HashMap<StackId, usize>,
    dropped: HashMap<(StackId, Arc<str>), Dropped>,
    dropped_in_all: u64,
}

/// Lines of one function that were dropped since it was last told.
#[derive(Debug)]
struct Dropped {
    count: u64,
    last: LogRecord,
}

impl Queue {
    pub(super) fn new(bytes_max: usize, batch_lines: usize) -> Self {
        Self { state: Mutex::default(), bytes_max, batch_lines, filled: Notify::new() }
    }

    /// Takes a line, or drops it. A stack may have as many bytes waiting as are still free after them: alone it gets
    /// half of the room, and however loud it is, others find some.
    pub(super) fn push(&self, record: LogRecord) {
        let bytes = record.message.len() + LINE_BYTES;
        let mut state = self.lock();
        let of_stack = state.by_stack.get(&record.stack_id).copied().unwrap_or_default();
        if of_stack + state.bytes + bytes > self.bytes_max {
            state.drop_line(record);
            return;
        }
        state.bytes += bytes;
        state.by_stack.insert(record.stack_id, of_stack + bytes);
        state.lines.push_back(record);
        let lines = state.lines.len();
        drop(state);
        if lines == 1 || lines == self.batch_lines {
            self.filled.notify_one();
        }
    }

    /// Takes the lines that came first, of about `bytes_max` bytes together, and after them notices of those that were
    /// dropped.
    pub(super) fn take(&self, bytes_max: usize) -> Vec<LogRecord> {
        let mut state = self.lock();
        let mut taken = Vec::with_capacity(state.lines.len().min(self.batch_lines));
        let mut bytes = 0;
        while taken.len() < self.batch_lines && bytes < bytes_max {
            let Some(record) = state.lines.pop_front() else { break };
            bytes += record.message.len() + LINE_BYTES;
            state.forget(&record);
            taken.push(record);
        }
        if state.lines.is_empty() {
            state.lines.shrink_to(self.batch_lines);
        }
        taken.extend(state.dropped.drain().map(|(_, dropped)| dropped.notice()));
        taken
    }

    /// Waits until there are lines. Cancellation-safe.
    pub(super) async fn filled(&self) {
        while self.lock().is_empty() {
            self.filled.notified().await;
        }
    }

    /// Waits until there are as many lines as are written at once. Cancellation-safe.
    pub(super) async fn full(&self) {
        while self.lock().lines.len() < self.batch_lines {
            self.filled.notified().await;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// How many lines were dropped since the start.
    pub(super) fn dropped(&self) -> u64 {
        self.lock().dropped_in_all
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.dropped.is_empty()
    }

    fn forget(&mut self, record: &LogRecord) {
        let bytes = record.message.len() + LINE_BYTES;
        self.bytes -= bytes;
        if let Some(of_stack) = self.by_stack.get_mut(&record.stack_id) {
            *of_stack -= bytes;
            if *of_stack == 0 {
                self.by_stack.remove(&record.stack_id);
            }
        }
    }

    fn drop_line(&mut self, mut record: LogRecord) {
        self.dropped_in_all += 1;
        record.message = String::new();
        let function = (record.stack_id, Arc::clone(&record.function));
        if let Some(dropped) = self.dropped.get_mut(&function) {
            dropped.count += 1;
            dropped.last = record;
        } else if self.dropped.len() < COUNTED_FUNCTIONS_MAX {
            self.dropped.insert(function, Dropped { count: 1, last: record });
        }
    }
}

impl Dropped {
    fn notice(self) -> LogRecord {
        let lines = if self.count == 1 { "1 line was".to_owned() } else { format!("{} lines were", self.count) };
        let message = format!("{lines} dropped here: they came faster than the node can store them");
        LogRecord { level: Level::Warn, source: LogSource::Runtime, message, ..self.last }
    }
}

#[cfg(test)]
mod tests {
    use mu_env::{InvocationId, Timestamp};

    use super::*;

    fn record(stack: u8, function: &str, message: &str) -> LogRecord {
        LogRecord {
            time: Timestamp::from_micros(1),
            invocation: InvocationId::from_u128(1),
            stack_id: [stack; 32],
            stack: "s".into(),
            function: function.into(),
            level: Level::Info,
            source: LogSource::Function,
            message: message.to_owned(),
        }
    }

    fn messages(records: &[LogRecord]) -> Vec<(u8, &str, &str)> {
        records.iter().map(|r| (r.stack_id[0], &*r.function, &*r.message)).collect()
    }

    #[test]
    fn lines_come_out_in_order_and_in_batches() {
        let queue = Queue::new(1 << 20, 3);
        for number in 0..7 {
            queue.push(record(1, "f", &number.to_string()));
        }
        for expected in [&["0", "1", "2"][..], &["3", "4", "5"], &["6"], &[]] {
            let taken = queue.take(1 << 20);
            assert_eq!(taken.iter().map(|record| record.message.as_str()).collect::<Vec<_>>(), expected);
        }
        assert_eq!(queue.lock().bytes, 0);
        assert!(queue.lock().by_stack.is_empty());
        queue.push(record(1, "f", &"x".repeat(1_000)));
        queue.push(record(1, "f", "y"));
        assert_eq!(queue.take(500).len(), 1, "bytes are bounded as well");
    }

    #[test]
    fn a_flood_leaves_room_for_other_stacks_and_is_told_of() {
        let queue = Queue::new(100 * (LINE_BYTES + 1), 1_000);
        for _ in 0..1_000 {
            queue.push(record(1, "floods", "x"));
        }
        queue.push(record(1, "sister", "x"));
        for _ in 0..20 {
            queue.push(record(2, "talks", "y"));
        }
        let taken = queue.take(1 << 20);
        assert_eq!(taken.iter().filter(|record| &*record.function == "floods").count(), 51);
        assert_eq!(taken.iter().filter(|record| &*record.function == "talks").count(), 20);
        let mut notices = messages(&taken);
        notices.retain(|(_, _, message)| message.len() > 1);
        notices.sort_unstable();
        let sisters = "1 line was dropped here: they came faster than the node can store them";
        let floods = "950 lines were dropped here: they came faster than the node can store them";
        assert_eq!(notices, [(1, "floods", floods), (1, "sister", sisters)]);
        assert_eq!(queue.dropped(), 951);
        assert!(queue.is_empty(), "it is told once");
    }
}
