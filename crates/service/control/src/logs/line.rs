//! A stored line.

use std::sync::Arc;

use bytes::Bytes;
use mu_db::keys::records::{self as keys, LinePlace};
use mu_env::{InvocationId, Timestamp};
use mu_stack::StackId;
use mu_telemetry::{Level, LogRecord, LogSource};

use super::LINE_BYTES_MAX;

const VERSION: u8 = 1;

/// One line of a function's log, as it was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The stack.
    pub stack: StackId,
    /// The function's name.
    pub function: Arc<str>,
    /// When the node received the line.
    pub time: Timestamp,
    /// The number of the line on its node: no two have the same, and later ones have larger numbers.
    pub sequence: u64,
    /// The invocation that wrote it.
    pub invocation: InvocationId,
    /// How important it is.
    pub level: Level,
    /// Who wrote it.
    pub source: LogSource,
    /// The text, at most 64 KiB.
    pub message: String,
}

impl LogLine {
    pub(super) fn new(record: LogRecord, sequence: u64) -> Self {
        let LogRecord { time, invocation, stack_id, function, level, source, message, .. } = record;
        let message = cut(message);
        Self { stack: StackId::new(stack_id), function, time, sequence, invocation, level, source, message }
    }

    pub(super) fn place(&self) -> LinePlace {
        LinePlace { time_micros: self.time.as_micros(), sequence: self.sequence }
    }

    pub(super) fn key(&self) -> Bytes {
        keys::log_line(self.stack.key(), &self.function, self.place())
    }

    /// The stored record: what is not in the key.
    pub(super) fn encode(&self) -> Bytes {
        let front = [VERSION, level_code(self.level), source_code(self.source)];
        let invocation = self.invocation.as_u128().to_be_bytes();
        [&front[..], &invocation, self.message.as_bytes()].concat().into()
    }

    pub(super) fn decode(stack: StackId, function: &Arc<str>, place: LinePlace, record: &[u8]) -> Option<Self> {
        let ([version, level, source], rest) = record.split_first_chunk::<3>()?;
        let (invocation, message) = rest.split_first_chunk::<16>()?;
        if *version != VERSION {
            return None;
        }
        Some(Self {
            stack,
            function: Arc::clone(function),
            time: Timestamp::from_micros(place.time_micros),
            sequence: place.sequence,
            invocation: InvocationId::from_u128(u128::from_be_bytes(*invocation)),
            level: level_of(*level)?,
            source: source_of(*source)?,
            message: String::from_utf8(message.to_vec()).ok()?,
        })
    }
}

fn cut(mut message: String) -> String {
    if message.len() > LINE_BYTES_MAX {
        let notice = format!("... (cut: the line has {} bytes)", message.len());
        message.truncate(message.floor_char_boundary(LINE_BYTES_MAX - notice.len()));
        message.push_str(&notice);
        message.shrink_to_fit();
    }
    message
}

fn level_code(level: Level) -> u8 {
    match level {
        Level::Error => 1,
        Level::Warn => 2,
        Level::Info => 3,
        Level::Debug => 4,
        Level::Trace => 5,
    }
}

fn level_of(code: u8) -> Option<Level> {
    [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace].into_iter().find(|l| level_code(*l) == code)
}

fn source_code(source: LogSource) -> u8 {
    match source {
        LogSource::Function => 1,
        LogSource::Stdout => 2,
        LogSource::Stderr => 3,
        LogSource::Runtime => 4,
    }
}

fn source_of(code: u8) -> Option<LogSource> {
    [LogSource::Function, LogSource::Stdout, LogSource::Stderr, LogSource::Runtime]
        .into_iter()
        .find(|source| source_code(*source) == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(level: Level, source: LogSource, message: &str) -> LogLine {
        LogLine {
            stack: StackId::new([1; 32]),
            function: "f".into(),
            time: Timestamp::from_micros(5),
            sequence: 7,
            invocation: InvocationId::from_u128(0x0102),
            level,
            source,
            message: message.to_owned(),
        }
    }

    /// Changing this strands the logs of every node: add a version instead.
    #[test]
    fn golden() {
        let hex: String =
            line(Level::Warn, LogSource::Stderr, "text").encode().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "01020300000000000000000000000000000102 74657874".replace(' ', ""));
    }

    #[test]
    fn lines_survive_and_others_are_refused() {
        for level in [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace] {
            for source in [LogSource::Function, LogSource::Stdout, LogSource::Stderr, LogSource::Runtime] {
                for message in ["", "text", "ü\0\n"] {
                    let line = line(level, source, message);
                    let record = line.encode();
                    let decode = |record: &[u8]| LogLine::decode(line.stack, &line.function, line.place(), record);
                    assert_eq!(decode(&record), Some(line.clone()));
                    assert_eq!(decode(&record[..18]), None, "cut");
                    assert_eq!(decode(&[&[2], &record[1..]].concat()), None, "another version");
                    assert_eq!(decode(&[&[1, 9], &record[2..]].concat()), None, "no level");
                }
            }
        }
    }

    #[test]
    fn long_lines_are_cut_at_a_character() {
        assert_eq!(cut("x".repeat(LINE_BYTES_MAX)).len(), LINE_BYTES_MAX);
        let long = cut("ü".repeat(LINE_BYTES_MAX));
        assert!(long.len() <= LINE_BYTES_MAX && long.len() > LINE_BYTES_MAX - 4);
        assert!(long.ends_with("ü... (cut: the line has 131072 bytes)"));
    }
}
