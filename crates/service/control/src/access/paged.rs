//! Lists that are read a page at a time.

use mu_db::{Cut, KeyRange, Kv, KvError, Order, Row, Scan, ScanLimit, Select};

/// Most entries of one page.
pub const PAGE_ROWS_MAX: usize = 1_000;
/// A page ends before it has more bytes of stored records than this.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A page of a list. `After` is where the next one begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paged<T, After> {
    /// The entries.
    pub items: Vec<T>,
    /// What to ask for next: everything after this one. `None` when the list has ended.
    pub next: Option<After>,
}

/// The rows of a page, and whether there may be more.
pub(crate) struct Rows {
    pub(crate) rows: Vec<Row>,
    pub(crate) is_cut: bool,
}

pub(crate) async fn rows(
    kv: &dyn Kv,
    range: KeyRange,
    order: Order,
    rows_max: usize,
    select: Select,
) -> Result<Rows, KvError> {
    let limit = ScanLimit { rows: rows_max.clamp(1, PAGE_ROWS_MAX), bytes: PAGE_BYTES_MAX };
    let page = kv.scan(Scan { range, order, limit, select }).await?;
    Ok(Rows { is_cut: matches!(page.cut, Some(Cut::Rows | Cut::Bytes)), rows: page.rows })
}

impl Rows {
    /// Reads each row; the last one says where the next page begins.
    pub(crate) fn read<T, After, E>(
        self,
        read: impl FnMut(Row) -> Result<T, E>,
        after: impl FnOnce(&T) -> After,
    ) -> Result<Paged<T, After>, E> {
        let items = self.rows.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let next = if self.is_cut { items.last().map(after) } else { None };
        Ok(Paged { items, next })
    }
}

/// Whether a range has this many rows or more.
pub(crate) async fn has_at_least(kv: &dyn Kv, mut range: KeyRange, rows_min: usize) -> Result<bool, KvError> {
    let mut missing = rows_min;
    loop {
        let page = rows(kv, range.clone(), Order::Ascending, missing.min(PAGE_ROWS_MAX), Select::Keys).await?;
        missing = missing.saturating_sub(page.rows.len());
        match page.rows.last() {
            _ if missing == 0 => return Ok(true),
            Some(last) if page.is_cut => range = range.after(&last.key),
            _ => return Ok(false),
        }
    }
}

/// The first row of a range that is what is looked for.
pub(crate) async fn find(
    kv: &dyn Kv,
    mut range: KeyRange,
    mut is_it: impl FnMut(&Row) -> bool,
) -> Result<Option<Row>, KvError> {
    loop {
        let page = rows(kv, range.clone(), Order::Ascending, PAGE_ROWS_MAX, Select::Rows).await?;
        let last = page.rows.last().filter(|_| page.is_cut).map(|row| row.key.clone());
        if let Some(found) = page.rows.into_iter().find(&mut is_it) {
            return Ok(Some(found));
        }
        match last {
            Some(last) => range = range.after(&last),
            None => return Ok(None),
        }
    }
}
