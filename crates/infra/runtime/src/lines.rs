//! Standard streams, cut into lines for the log.

use mu_telemetry::{InvocationLog, Level, LogSource};

/// One standard stream of a guest.
#[derive(Debug)]
pub(crate) struct Lines {
    source: LogSource,
    partial: Vec<u8>,
}

/// A line longer than this is logged in pieces.
const LINE_BYTES_MAX: usize = 8 << 10;

impl Lines {
    pub(crate) fn new(source: LogSource) -> Self {
        Self { source, partial: Vec::new() }
    }

    pub(crate) fn write(&mut self, mut data: &[u8], deliver: &mut impl FnMut(LogSource, String)) {
        while !data.is_empty() {
            let room = LINE_BYTES_MAX - self.partial.len();
            let window = &data[..data.len().min(room)];
            if let Some(end) = window.iter().position(|byte| *byte == b'\n') {
                self.partial.extend_from_slice(&window[..end]);
                data = &data[end + 1..];
                self.flush(deliver);
            } else {
                self.partial.extend_from_slice(window);
                data = &data[window.len()..];
                if self.partial.len() == LINE_BYTES_MAX {
                    self.flush(deliver);
                }
            }
        }
    }

    /// Delivers what has been written of a line; a blank line is not worth one.
    pub(crate) fn flush(&mut self, deliver: &mut impl FnMut(LogSource, String)) {
        let line = String::from_utf8_lossy(&self.partial);
        let line = line.trim_end();
        if !line.is_empty() {
            deliver(self.source, line.to_owned());
        }
        self.partial.clear();
    }
}

/// Delivers lines to the log of an invocation.
pub(crate) fn to_log(log: &InvocationLog) -> impl FnMut(LogSource, String) {
    move |source, line| log.write(source, Level::Info, line)
}
