//! Standard streams, cut into lines for the log.

use mu_telemetry::{InvocationLog, Level, LogSource};

/// One standard stream of a guest.
#[derive(Debug)]
pub(super) struct Lines {
    source: LogSource,
    partial: Vec<u8>,
}

/// A line longer than this is logged in pieces.
const LINE_BYTES_MAX: usize = 8 << 10;

impl Lines {
    pub(super) fn new(source: LogSource) -> Self {
        Self { source, partial: Vec::new() }
    }

    pub(super) fn write(&mut self, mut data: &[u8], log: &InvocationLog) {
        while !data.is_empty() {
            let room = LINE_BYTES_MAX - self.partial.len();
            let window = &data[..data.len().min(room)];
            if let Some(end) = window.iter().position(|byte| *byte == b'\n') {
                self.partial.extend_from_slice(&window[..end]);
                data = &data[end + 1..];
                self.flush(log);
            } else {
                self.partial.extend_from_slice(window);
                data = &data[window.len()..];
                if self.partial.len() == LINE_BYTES_MAX {
                    self.flush(log);
                }
            }
        }
    }

    /// Logs what has been written of a line; an empty line is not worth one.
    pub(super) fn flush(&mut self, log: &InvocationLog) {
        if !self.partial.is_empty() {
            let line = String::from_utf8_lossy(&self.partial).trim_end().to_owned();
            log.write(self.source, Level::Info, line);
            self.partial.clear();
        }
    }
}
