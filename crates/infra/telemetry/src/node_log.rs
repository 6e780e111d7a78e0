//! The node's own log.

use std::fmt;
use std::io;
use std::str::FromStr;

use tracing::Dispatch;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::Level;

/// What the node says about itself, and how it is written: `tracing` events, to standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeLog {
    /// Which events are written.
    pub filter: LogFilter,
    /// How they are written.
    pub format: LogFormat,
}

/// How a line of the node's log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people, with colours where the terminal shows them.
    #[default]
    Text,
    /// One JSON object per line, with `timestamp`, `level`, `target`, `message` and the event's own fields.
    Json,
}

/// Which events are written, in `tracing`'s directive syntax: `info`, `mu_gateway=debug,warn`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter(String);

/// Why a text is not a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}; a filter is a level, or levels of parts separated by commas, like `mu_gateway=debug,warn`")]
pub struct ParseLogFilterError {
    reason: String,
}

impl NodeLog {
    /// Sends the node's events to standard error from now on. Does nothing when a subscriber is already installed.
    pub fn init(&self) {
        // A second call, as in tests that share a process, keeps the first subscriber.
        let _ = tracing::dispatcher::set_global_default(self.dispatch(io::stderr));
    }

    fn dispatch<W>(&self, writer: W) -> Dispatch
    where
        W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
    {
        let lines = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(&self.filter.0)).with_writer(writer);
        match self.format {
            LogFormat::Text => Dispatch::new(lines.finish()),
            LogFormat::Json => {
                let lines = lines.json().flatten_event(true).with_current_span(false).with_span_list(false);
                Dispatch::new(lines.finish())
            }
        }
    }
}

/// Sends the node's events to standard error as text. The filter comes from the variable `MU_LOG`; without it, or when
/// it is not a filter, warnings and errors are shown. Does nothing when a subscriber is already installed.
pub fn init_node_log() {
    let filter = std::env::var("MU_LOG").ok().and_then(|text| text.parse().ok());
    NodeLog { filter: filter.unwrap_or(LogFilter::from(Level::Warn)), format: LogFormat::Text }.init();
}

impl From<Level> for LogFilter {
    fn from(level: Level) -> Self {
        Self(level.as_str().to_owned())
    }
}

impl FromStr for LogFilter {
    type Err = ParseLogFilterError;

    fn from_str(text: &str) -> Result<Self, ParseLogFilterError> {
        match EnvFilter::try_new(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(error) => Err(ParseLogFilterError { reason: error.to_string() }),
        }
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn said(filter: &str, format: LogFormat, talk: impl FnOnce()) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let log = NodeLog { filter: filter.parse().unwrap(), format };
        tracing::dispatcher::with_default(&log.dispatch(move || writer.clone()), talk);
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn json_is_one_object_per_line() {
        let text = said("info", LogFormat::Json, || {
            tracing::info!(address = "127.0.0.1:1", "listening\non a line");
            tracing::debug!("not heard");
            tracing::error!("failed");
        });
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert_eq!(lines[0]["level"], "INFO");
        assert_eq!(lines[0]["message"], "listening\non a line");
        assert_eq!(lines[0]["address"], "127.0.0.1:1");
        assert_eq!(lines[0]["target"], "mu_telemetry::node_log::tests");
        assert!(lines[0]["timestamp"].as_str().unwrap().ends_with('Z'), "{text}");
        assert_eq!(lines[1]["level"], "ERROR");
    }

    #[test]
    fn text_has_what_the_filter_lets_through() {
        let text = said("warn,mu_telemetry=debug", LogFormat::Text, || {
            tracing::debug!("of this crate");
            tracing::trace!("too fine");
            tracing::info!(target: "other", "of another");
        });
        assert!(text.contains("of this crate"), "{text}");
        assert!(!text.contains("too fine") && !text.contains("of another"), "{text}");
    }

    #[test]
    fn filters_are_checked_when_they_are_read() {
        for text in ["info", "mu_gateway=debug,warn", "off", "mu_node[span]=trace"] {
            assert_eq!(text.parse::<LogFilter>().unwrap().to_string(), text);
        }
        for text in ["mu_gateway=loud", "a=b=c", "=[,"] {
            let error = text.parse::<LogFilter>().unwrap_err().to_string();
            assert!(error.contains("a filter is a level"), "{text}: {error}");
        }
    }
}
