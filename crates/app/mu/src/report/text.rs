//! For people: a line per call, with the function's own lines beneath it.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use clap::builder::styling::Style;
use mu_env::InvocationId;
use mu_invoke::{Cause, Receipt, Verdict};
use mu_pricing::Usage;
use mu_telemetry::{Level, LogRecord};

use crate::report::{Colours, Entry, Format};
use crate::terminal::{BOLD, DIM, GREEN, RED, YELLOW};

pub(crate) struct Text {
    colours: Colours,
}

impl Format for Text {
    fn format(&self, entries: &[Entry], dropped: u64, into: &mut String) {
        // A call's line is known only when the call has ended, after its function's lines: those that arrived together
        // with it are moved beneath it. What a call that goes on has said is shown at once.
        let mut lines: HashMap<InvocationId, Vec<&LogRecord>> = HashMap::new();
        for entry in entries {
            if let Entry::Call(receipt) = entry {
                lines.insert(receipt.invocation, Vec::new());
            }
        }
        for entry in entries {
            if let Entry::Log(record) = entry
                && let Some(of_call) = lines.get_mut(&record.invocation)
            {
                of_call.push(record);
            }
        }
        for entry in entries {
            match entry {
                Entry::Call(receipt) => {
                    self.call(receipt, into);
                    for record in lines.get(&receipt.invocation).into_iter().flatten() {
                        self.log(record, into);
                    }
                }
                Entry::Log(record) if lines.contains_key(&record.invocation) => {}
                Entry::Log(record) => self.log_alone(record, into),
                Entry::Event(_) => {}
            }
        }
        if dropped > 0 {
            let _ = writeln!(into, "({dropped} lines dropped: standard output is too slow)");
        }
    }
}

impl Text {
    pub(crate) const fn new(colours: Colours) -> Self {
        Self { colours }
    }

    /// Appends the line of a call.
    pub(crate) fn call(&self, receipt: &Receipt, into: &mut String) {
        let (style, verdict) = match receipt.verdict {
            Verdict::Answered(status) if status.as_u16() < 400 => (GREEN, status.as_str().to_owned()),
            Verdict::Answered(status) if status.as_u16() < 500 => (YELLOW, status.as_str().to_owned()),
            Verdict::Answered(status) => (RED, status.as_str().to_owned()),
            Verdict::Failed(code) => (RED, format!("failed: {code}")),
            Verdict::Rejected(code) => (RED, format!("refused: {code}")),
            Verdict::Refused(code) => (RED, format!("over a limit: {code}")),
            Verdict::Abandoned => (YELLOW, "abandoned by its caller".to_owned()),
        };
        let (style, dim, bold) = (self.paint(style), self.paint(DIM), self.paint(BOLD));
        let _ = write!(into, "{dim}{}{dim:#} {style}{verdict}{style:#} ", clock(&receipt.started.to_string()));
        match &receipt.cause {
            Cause::Gateway { method, template, .. } => {
                let _ = write!(into, "{bold}{method} {template}{bold:#} ");
            }
            Cause::WebSocket { event, template, .. } => {
                let _ = write!(into, "{bold}ws {event} {template}{bold:#} ");
            }
            Cause::CommandLine => {}
        }
        let _ = write!(into, "{}.{} in {}", receipt.function, receipt.handler, duration(receipt.duration));
        let _ = writeln!(into, "{dim}, {}, id {}{dim:#}", Used(&receipt.usage), receipt.invocation);
    }

    /// Appends a function's line beneath that of its call.
    pub(crate) fn log(&self, record: &LogRecord, into: &mut String) {
        self.lines(record, "", into);
    }

    /// Appends a function's line that has to say whose it is.
    fn log_alone(&self, record: &LogRecord, into: &mut String) {
        let dim = self.paint(DIM);
        self.lines(record, &format!("{dim}{} {}{dim:#} ", record.function, record.invocation), into);
    }

    fn lines(&self, record: &LogRecord, whose: &str, into: &mut String) {
        let style = self.paint(match record.level {
            Level::Error => RED,
            Level::Warn => YELLOW,
            Level::Info => Style::new(),
            Level::Debug | Level::Trace => DIM,
        });
        for line in record.message.lines() {
            let _ = writeln!(into, "  | {style}{:<5}{style:#} {whose}{}", record.level, Printable(line));
        }
    }

    fn paint(&self, style: Style) -> Style {
        if self.colours == Colours::Shown { style } else { Style::new() }
    }
}

/// What a call used, in words.
struct Used<'a>(&'a Usage);

impl std::fmt::Display for Used<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let used = self.0;
        let megabyte_instructions = megabyte_instructions(used.byte_instructions);
        #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
        let instructions = used.instructions as f64;
        write!(f, "{} instructions, {} MB-instructions", with_unit(instructions), with_unit(megabyte_instructions))?;
        for (what, reads, writes) in
            [("db", used.db_reads, used.db_writes), ("storage", used.storage_reads, used.storage_writes)]
        {
            if reads + writes > 0 {
                write!(f, ", {what} {reads} read {writes} written")?;
            }
        }
        Ok(())
    }
}

/// A function's line without what would move the cursor, change colours or hide what was written before.
struct Printable<'a>(&'a str);

impl std::fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for piece in self.0.split_inclusive(|c: char| c.is_control() && c != '\t') {
            match piece.char_indices().next_back() {
                Some((at, last)) if last.is_control() && last != '\t' => {
                    write!(f, "{}{}", &piece[..at], last.escape_default())?;
                }
                _ => f.write_str(piece)?,
            }
        }
        Ok(())
    }
}

/// Byte-instructions in the unit of billing.
pub(crate) fn megabyte_instructions(byte_instructions: u128) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "shown to people; the exact number is reported beside it")]
    let bytes = byte_instructions as f64;
    bytes / 1e6
}

/// A number with three digits that count: `27`, `27.1k`, `3.05M`.
pub(crate) fn with_unit(number: f64) -> String {
    const UNITS: [&str; 6] = ["", "k", "M", "G", "T", "P"];
    let (mut scaled, mut unit) = (number, 0);
    while scaled >= 999.5 && unit + 1 < UNITS.len() {
        (scaled, unit) = (scaled / 1_000.0, unit + 1);
    }
    let digits = match scaled {
        _ if unit == 0 && scaled.fract() == 0.0 => 0,
        s if s >= 99.95 => 0,
        s if s >= 9.995 => 1,
        _ => 2,
    };
    format!("{scaled:.digits$}{}", UNITS[unit])
}

fn duration(duration: Duration) -> String {
    match duration.as_secs_f64() {
        s if s >= 1.0 => format!("{s:.2} s"),
        s => format!("{:.2} ms", s * 1_000.0),
    }
}

/// The time of day within an RFC 3339 time.
fn clock(time: &str) -> &str {
    time.get(11..19).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits() {
        for (number, expected) in [
            (0.0, "0"),
            (7.0, "7"),
            (0.098_304, "0.10"),
            (999.0, "999"),
            (1_000.0, "1.00k"),
            (27_123.0, "27.1k"),
            (999_700.0, "1.00M"),
            (123_456_789.0, "123M"),
            (1e21, "1000000P"),
        ] {
            assert_eq!(with_unit(number), expected, "{number}");
        }
    }

    #[test]
    fn a_function_cannot_write_over_the_terminal() {
        assert_eq!(Printable("red \u{1b}[31m\rtab\t.").to_string(), "red \\u{1b}[31m\\rtab\t.");
        assert_eq!(Printable("plain ü").to_string(), "plain ü");
    }

    #[test]
    fn a_megabyte_instruction_is_a_million_byte_instructions() {
        assert_eq!(megabyte_instructions(1_500_000).to_string(), "1.5");
    }
}
