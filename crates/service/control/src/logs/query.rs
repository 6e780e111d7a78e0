//! Searching stored lines.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use mu_db::keys::records::LinePlace;
use mu_db::{Kv, Order};
use mu_env::Timestamp;
use mu_stack::StackId;

use super::filter::Matcher;
use super::merge::{Merge, Places};
use super::{LINES_MAX, LogError, LogFilter, LogLine};

/// Rows that one query reads, before it says where the next one goes on.
pub(super) const SCANNED_ROWS_MAX: usize = 20_000;
/// Bytes that one query reads.
const SCANNED_BYTES_MAX: usize = 16 << 20;

/// No invocation takes longer; its lines are looked for no further.
const INVOCATION_TIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// The clock of a node may be put back a little between the start of an invocation and a line of it.
const CLOCK_STEP: Duration = Duration::from_secs(60);

/// What to look for in the logs of a stack.
#[derive(Clone, Debug)]
pub struct LogQuery {
    /// The stack.
    pub stack: StackId,
    /// Which of its lines.
    pub filter: LogFilter,
    /// Lines of this time or later.
    pub since: Option<Timestamp>,
    /// Lines before this time.
    pub until: Option<Timestamp>,
    /// Which come first.
    pub order: LogOrder,
    /// How many at most; more than [`LINES_MAX`] are never answered.
    pub limit: usize,
    /// Where an earlier query of the same kind ended.
    pub cursor: Option<LogCursor>,
}

/// Which lines come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogOrder {
    /// The oldest.
    OldestFirst,
    /// The newest.
    NewestFirst,
}

/// The answer to one query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogPage {
    /// Lines, in the order asked for.
    pub lines: Vec<LogLine>,
    /// Where the next query goes on; `None` when there is nothing more. A page may have no lines and yet a next one,
    /// when many were looked at in vain.
    pub next: Option<LogCursor>,
}

/// A place among the lines of a stack; as text 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogCursor(pub(super) LinePlace);

/// The text is not a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a cursor of a log: take the one of the answer before, as it is")]
pub struct ParseLogCursorError;

impl LogQuery {
    /// The newest lines of a stack.
    #[must_use]
    pub fn newest(stack: StackId) -> Self {
        Self {
            stack,
            filter: LogFilter::default(),
            since: None,
            until: None,
            order: LogOrder::NewestFirst,
            limit: LINES_MAX,
            cursor: None,
        }
    }

    /// Answers from `kv`. With `end`, lines with that number or a later one are passed over.
    pub(super) async fn answer(&self, kv: &dyn Kv, end: Option<u64>) -> Result<LogPage, LogError> {
        let matcher = Matcher::new(self.stack, &self.filter)?;
        let limit = self.limit.min(LINES_MAX);
        let order = match self.order {
            LogOrder::OldestFirst => Order::Ascending,
            LogOrder::NewestFirst => Order::Descending,
        };
        let function = self.filter.function.as_deref();
        let mut merge = Merge::open(kv, self.stack, function, self.places(), order).await?;
        let mut page = LogPage::default();
        while page.lines.len() < limit {
            let Some(stored) = merge.next().await? else {
                page.next = None;
                return Ok(page);
            };
            page.next = Some(LogCursor(stored.place));
            if end.is_none_or(|end| stored.place.sequence < end) {
                let line = merge.decode(&stored)?;
                if matcher.wants(&line) {
                    page.lines.push(line);
                }
            }
            if merge.scanned_rows >= SCANNED_ROWS_MAX || merge.scanned_bytes >= SCANNED_BYTES_MAX {
                break;
            }
        }
        Ok(page)
    }

    /// The places that can hold what is looked for.
    fn places(&self) -> Places {
        let (mut since, mut until) = (self.since.map(Timestamp::as_micros), self.until.map(Timestamp::as_micros));
        if let Some(invocation) = self.filter.invocation {
            let made = invocation.made_at();
            let earliest = made.as_micros().saturating_sub(CLOCK_STEP.as_secs() * 1_000_000);
            since = since.max(Some(earliest));
            let latest = made.plus(INVOCATION_TIME_MAX).as_micros();
            until = Some(until.map_or(latest, |until| until.min(latest)));
        }
        let start = |time_micros| LinePlace { time_micros, sequence: 0 };
        let mut places = Places { first: start(since.unwrap_or_default()), end: until.map(start) };
        match (self.cursor, self.order) {
            (Some(LogCursor(place)), LogOrder::OldestFirst) => places.first = places.first.max(after(place)),
            (Some(LogCursor(place)), LogOrder::NewestFirst) => {
                places.end = Some(places.end.map_or(place, |end| end.min(place)));
            }
            (None, _) => {}
        }
        places
    }
}

fn after(place: LinePlace) -> LinePlace {
    match place.sequence.checked_add(1) {
        Some(sequence) => LinePlace { sequence, ..place },
        None => LinePlace { time_micros: place.time_micros.saturating_add(1), sequence: 0 },
    }
}

impl fmt::Display for LogCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.0.time_micros, self.0.sequence)
    }
}

impl FromStr for LogCursor {
    type Err = ParseLogCursorError;

    fn from_str(text: &str) -> Result<Self, ParseLogCursorError> {
        let is_digits = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let (time, sequence) = text.split_at_checked(16).filter(|_| is_digits).ok_or(ParseLogCursorError)?;
        let number = |digits| u64::from_str_radix(digits, 16).map_err(|_| ParseLogCursorError);
        Ok(Self(LinePlace { time_micros: number(time)?, sequence: number(sequence)? }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_survive_text_and_others_are_refused() {
        let cursor = LogCursor(LinePlace { time_micros: 0x0102, sequence: u64::MAX });
        assert_eq!(cursor.to_string(), "0000000000000102ffffffffffffffff");
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for bad in ["", "12", &"g".repeat(32), &"ü".repeat(16), &"A".repeat(32), &"1".repeat(33)] {
            assert_eq!(bad.parse::<LogCursor>(), Err(ParseLogCursorError), "{bad}");
        }
    }
}
