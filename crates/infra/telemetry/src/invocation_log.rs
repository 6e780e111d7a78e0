//! The log of one invocation, bounded in size.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use mu_env::{Env, InvocationId};

use crate::{Level, LogRecord, LogSink, LogSource, StackId};

/// What a line counts besides its text, in bytes: time, ids and names go with it, so that even empty lines fill a log.
const LINE_BYTES: usize = 64;

/// Writes the lines of one invocation to the node's [`LogSink`], and stops with a notice when the invocation has
/// written more than its limit.
pub struct InvocationLog {
    env: Env,
    sink: Arc<dyn LogSink>,
    invocation: InvocationId,
    stack_id: StackId,
    stack: Arc<str>,
    function: Arc<str>,
    limit_bytes: usize,
    written_bytes: AtomicUsize,
    is_cut: AtomicBool,
}

impl InvocationLog {
    /// A log for `invocation` of `function` in the stack with this id and name; at most `limit_bytes` reach `sink`, where each line
    /// counts 64 bytes and its text.
    #[must_use]
    pub fn new(
        env: Env,
        sink: Arc<dyn LogSink>,
        invocation: InvocationId,
        stack_id: StackId,
        stack: Arc<str>,
        function: Arc<str>,
        limit_bytes: usize,
    ) -> Self {
        let (written_bytes, is_cut) = (AtomicUsize::new(0), AtomicBool::new(false));
        Self { env, sink, invocation, stack_id, stack, function, limit_bytes, written_bytes, is_cut }
    }

    /// Whose log it is.
    #[must_use]
    pub fn invocation(&self) -> InvocationId {
        self.invocation
    }

    /// Writes a line of the guest. Past the limit the line is dropped, and the first one dropped leaves a notice.
    pub fn write(&self, source: LogSource, level: Level, message: String) {
        let line_bytes = message.len().saturating_add(LINE_BYTES);
        let written = self.written_bytes.fetch_add(line_bytes, Ordering::Relaxed);
        if written.saturating_add(line_bytes) <= self.limit_bytes {
            self.send(source, level, message);
        } else if !self.is_cut.swap(true, Ordering::Relaxed) {
            let notice = format!("log cut: this invocation wrote more than its limit of {} bytes", self.limit_bytes);
            self.send(LogSource::Runtime, Level::Warn, notice);
            self.sink.cut();
        }
    }

    /// Writes a line of the runtime itself, which the limit does not cut: it tells the author why a call failed.
    pub fn write_runtime(&self, level: Level, message: String) {
        self.send(LogSource::Runtime, level, message);
    }

    fn send(&self, source: LogSource, level: Level, message: String) {
        self.sink.write(LogRecord {
            time: self.env.now(),
            invocation: self.invocation,
            stack_id: self.stack_id,
            stack: Arc::clone(&self.stack),
            function: Arc::clone(&self.function),
            level,
            source,
            message,
        });
    }
}

impl fmt::Debug for InvocationLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvocationLog").field("invocation", &self.invocation).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use mu_env::Timestamp;

    use super::*;

    #[derive(Default)]
    struct Kept(Mutex<Vec<(LogSource, String)>>, AtomicUsize);

    impl LogSink for Kept {
        fn write(&self, record: LogRecord) {
            self.0.lock().unwrap().push((record.source, record.message));
        }

        fn cut(&self) {
            self.1.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_log_is_cut_once_with_a_notice() {
        let limit_bytes = 2 * (LINE_BYTES + 5);
        // The fewer bytes a line has the more of them fit, but empty ones are limited as well.
        for (line, fitting) in [("12345", 2), ("", 2), ("123456", 1)] {
            let env = Env::simulated(1, Timestamp::from_micros(0));
            let kept = Arc::new(Kept::default());
            let (id, sink) = (env.new_invocation_id(), Arc::clone(&kept) as Arc<dyn LogSink>);
            let log = InvocationLog::new(env, sink, id, [1; 32], "s".into(), "f".into(), limit_bytes);
            for _ in 0..1000 {
                log.write(LogSource::Function, Level::Info, line.to_owned());
            }
            log.write_runtime(Level::Error, "still heard".to_owned());
            let notice = "log cut: this invocation wrote more than its limit of 138 bytes";
            let mut expected = vec![(LogSource::Function, line); fitting];
            expected.extend([(LogSource::Runtime, notice), (LogSource::Runtime, "still heard")]);
            assert_eq!(kept.1.load(Ordering::Relaxed), 1);
            let kept = kept.0.lock().unwrap();
            assert_eq!(kept.iter().map(|(s, m)| (*s, m.as_str())).collect::<Vec<_>>(), expected);
        }
    }
}
