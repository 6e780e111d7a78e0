//! Lines of several functions in one order.

use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use mu_db::keys::records::{self as keys, LinePlace};
use mu_db::{KeyRange, Kv, Order, Row, Scan, ScanLimit, Select};
use mu_stack::StackId;

use super::{LogError, LogLine};

/// Functions of a stack that are read together. Each holds a page of its lines while it is read.
const FUNCTIONS_MAX: usize = 1_024;
/// Rows of the first page of a function. Each further page is twice as long, as whoever filters a lot reads a lot.
const FIRST_ROWS: usize = 16;
const PAGE_ROWS_MAX: usize = 512;
/// Bytes of a page. A line has 64 KiB at most.
const PAGE_BYTES: usize = 64 * 1024;

/// Reads lines of a stack between two places, in the order of time or against it.
pub(super) struct Merge<'a> {
    kv: &'a dyn Kv,
    stack: StackId,
    order: Order,
    functions: Vec<Function>,
    /// The next line of each function that has one.
    heads: BinaryHeap<Head>,
    pub(super) scanned_rows: usize,
    pub(super) scanned_bytes: usize,
}

/// Places from `first` up to, but without, `end`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    pub(super) first: LinePlace,
    pub(super) end: Option<LinePlace>,
}

struct Function {
    name: Arc<str>,
    /// What was not read yet; `None` when nothing is left.
    rest: Option<KeyRange>,
    page: VecDeque<Row>,
    page_rows: usize,
}

/// Sorted so that the one that comes next is the greatest.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    rank: (u64, u64),
    function: usize,
}

/// A line as it is stored.
pub(super) struct Stored {
    pub(super) function: Arc<str>,
    pub(super) place: LinePlace,
    pub(super) key: Bytes,
    pub(super) record: Bytes,
}

impl<'a> Merge<'a> {
    /// Reads the lines of one function, or of all.
    pub(super) async fn open(
        kv: &'a dyn Kv,
        stack: StackId,
        function: Option<&str>,
        places: Places,
        order: Order,
    ) -> Result<Merge<'a>, LogError> {
        let names = match function {
            Some(function) => vec![Arc::from(function)],
            None => functions_of(kv, &stack).await?,
        };
        let functions = names.into_iter().map(|name| {
            let rest = Some(keys::log_lines(stack.key(), &name, places.first, places.end));
            Function { name, rest, page: VecDeque::new(), page_rows: FIRST_ROWS }
        });
        let functions: Vec<Function> = functions.collect();
        let heads = BinaryHeap::with_capacity(functions.len());
        let mut merge = Self { kv, stack, order, functions, heads, scanned_rows: 0, scanned_bytes: 0 };
        for function in 0..merge.functions.len() {
            merge.advance(function).await?;
        }
        Ok(merge)
    }

    /// The next line; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Stored>, LogError> {
        let Some(Head { function, .. }) = self.heads.pop() else { return Ok(None) };
        let source = &mut self.functions[function];
        let Some(row) = source.page.pop_front() else { return Ok(None) };
        let place = place_of(&row)?;
        let stored = Stored { function: Arc::clone(&source.name), place, key: row.key, record: row.value };
        self.advance(function).await?;
        Ok(Some(stored))
    }

    pub(super) fn decode(&self, stored: &Stored) -> Result<LogLine, LogError> {
        let line = LogLine::decode(self.stack, &stored.function, stored.place, &stored.record);
        line.ok_or(LogError::UnreadableRecord)
    }

    /// Puts the next line of a function among the heads, and reads its next page when there is none.
    async fn advance(&mut self, function: usize) -> Result<(), LogError> {
        let source = &mut self.functions[function];
        if source.page.is_empty() {
            let Some(range) = source.rest.take() else { return Ok(()) };
            let limit = ScanLimit { rows: source.page_rows, bytes: PAGE_BYTES };
            let scan = Scan { range: range.clone(), order: self.order, limit, select: Select::Rows };
            let page = self.kv.scan(scan).await?;
            self.scanned_rows += page.rows.len();
            self.scanned_bytes += page.rows.iter().map(|row| row.key.len() + row.value.len()).sum::<usize>();
            if let (Some(last), true) = (page.rows.last(), page.cut.is_some()) {
                source.rest = Some(match self.order {
                    Order::Ascending => range.after(&last.key),
                    Order::Descending => range.before(&last.key),
                });
            }
            source.page = page.rows.into();
            source.page_rows = (source.page_rows * 2).min(PAGE_ROWS_MAX);
        }
        if let Some(row) = source.page.front() {
            let LinePlace { time_micros, sequence } = place_of(row)?;
            let rank = match self.order {
                Order::Ascending => (!time_micros, !sequence),
                Order::Descending => (time_micros, sequence),
            };
            self.heads.push(Head { rank, function });
        }
        Ok(())
    }
}

/// The functions of a stack that have lines.
async fn functions_of(kv: &dyn Kv, stack: &StackId) -> Result<Vec<Arc<str>>, LogError> {
    let mut functions: Vec<Arc<str>> = Vec::new();
    loop {
        let range = keys::log_lines_after(stack.key(), functions.last().map(|function| &**function));
        let Some(key) = first_key(kv, range).await? else { return Ok(functions) };
        if functions.len() == FUNCTIONS_MAX {
            return Err(LogError::TooManyFunctions { functions_max: FUNCTIONS_MAX });
        }
        let (_, function, _) = keys::parse_log_line(&key).ok_or(LogError::UnreadableRecord)?;
        functions.push(function.into());
    }
}

/// The first key of a range.
pub(super) async fn first_key(kv: &dyn Kv, range: KeyRange) -> Result<Option<Bytes>, LogError> {
    let limit = ScanLimit { rows: 1, bytes: 1 };
    let page = kv.scan(Scan { range, order: Order::Ascending, limit, select: Select::Keys }).await?;
    Ok(page.rows.into_iter().next().map(|row| row.key))
}

fn place_of(row: &Row) -> Result<LinePlace, LogError> {
    keys::parse_log_line(&row.key).map(|(_, _, place)| place).ok_or(LogError::UnreadableRecord)
}
