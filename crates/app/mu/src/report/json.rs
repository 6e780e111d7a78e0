//! For programs: one JSON object per line, told apart by `event`.

use std::fmt::Write as _;

use mu_invoke::{Cause, Receipt, Verdict};
use mu_telemetry::LogRecord;
use serde::Serialize;
use serde_json::Value;

use crate::report::{Entry, Format};

/// Something that happened to the run itself.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event {
    /// Requests are served.
    Ready(Value),
    /// A new version is served.
    Reloaded { duration_ms: u64 },
    /// A new version does not work; the old one is served on.
    ReloadFailed { error: String },
    /// Requests under way finish, new ones are not accepted.
    Draining,
    /// The last line.
    Stopped(Value),
}

pub(crate) struct Json;

impl Format for Json {
    fn format(&self, entries: &[Entry], dropped: u64, into: &mut String) {
        for entry in entries {
            let line = match entry {
                Entry::Call(receipt) => serde_json::to_string(&call(receipt)),
                Entry::Log(record) => serde_json::to_string(&log(record)),
                Entry::Event(event) => serde_json::to_string(event),
            };
            // Every field is a text or a number, which can be written.
            into.push_str(&line.unwrap_or_default());
            into.push('\n');
        }
        if dropped > 0 {
            let _ = writeln!(into, "{{\"event\":\"dropped\",\"lines\":{dropped}}}");
        }
    }
}

/// A receipt as JSON.
pub(crate) fn call(receipt: &Receipt) -> impl Serialize + '_ {
    #[derive(Serialize)]
    struct Call<'a> {
        event: &'static str,
        time: String,
        invocation: String,
        stack_id: String,
        stack: &'a str,
        function: &'a str,
        handler: &'a str,
        cause: &'static str,
        gateway: Option<&'a str>,
        method: Option<&'a str>,
        route: Option<String>,
        websocket_event: Option<&'static str>,
        connection: Option<String>,
        verdict: &'static str,
        status: Option<u16>,
        code: Option<&'static str>,
        waited_us: u64,
        duration_us: u64,
        instructions: u64,
        /// Exact, hence as text: JSON's readers round a long number.
        megabyte_instructions: String,
        memory_bytes_max: u64,
        db_reads: u64,
        db_writes: u64,
        storage_reads: u64,
        storage_writes: u64,
        storage_read_bytes: u64,
        storage_written_bytes: u64,
    }
    let (cause, gateway, method, route) = match &receipt.cause {
        Cause::Gateway { gateway, method, template } => {
            ("gateway", Some(&**gateway), Some(method.as_str()), Some(template.to_string()))
        }
        Cause::WebSocket { gateway, template, .. } => ("websocket", Some(&**gateway), None, Some(template.to_string())),
        Cause::CommandLine => ("command_line", None, None, None),
    };
    let (websocket_event, connection) = match &receipt.cause {
        Cause::WebSocket { event, connection, .. } => (Some(event.as_str()), Some(connection.to_string())),
        Cause::Gateway { .. } | Cause::CommandLine => (None, None),
    };
    let (verdict, status, code) = match receipt.verdict {
        Verdict::Answered(status) => ("answered", Some(status.as_u16()), None),
        Verdict::Failed(code) => ("failed", None, Some(code)),
        Verdict::Rejected(code) => ("rejected", None, Some(code)),
        Verdict::Refused(code) => ("refused", None, Some(code)),
        Verdict::Abandoned => ("abandoned", None, None),
    };
    let usage = &receipt.usage;
    Call {
        event: "call",
        time: receipt.started.to_string(),
        invocation: receipt.invocation.to_string(),
        stack_id: receipt.stack_id.to_string(),
        stack: &receipt.stack,
        function: &receipt.function,
        handler: &receipt.handler,
        cause,
        gateway,
        method,
        route,
        websocket_event,
        connection,
        verdict,
        status,
        code,
        waited_us: micros(receipt.waited),
        duration_us: micros(receipt.duration),
        instructions: usage.instructions,
        megabyte_instructions: usage.megabyte_instructions().to_string(),
        memory_bytes_max: receipt.memory_bytes_max,
        db_reads: usage.db_reads,
        db_writes: usage.db_writes,
        storage_reads: usage.storage_reads,
        storage_writes: usage.storage_writes,
        storage_read_bytes: usage.storage_read_bytes,
        storage_written_bytes: usage.storage_written_bytes,
    }
}

/// A line of a function as JSON.
pub(crate) fn log(record: &LogRecord) -> impl Serialize + '_ {
    #[derive(Serialize)]
    struct Log<'a> {
        event: &'static str,
        time: String,
        invocation: String,
        stack: &'a str,
        function: &'a str,
        level: &'static str,
        source: &'static str,
        message: &'a str,
    }
    Log {
        event: "log",
        time: record.time.to_string(),
        invocation: record.invocation.to_string(),
        stack: &record.stack,
        function: &record.function,
        level: record.level.as_str(),
        source: record.source.as_str(),
        message: &record.message,
    }
}

fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
