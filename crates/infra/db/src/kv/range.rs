//! Ranges of keys and what a scan of one returns.

use std::ops::Bound;

use bytes::{BufMut, Bytes, BytesMut};

use super::KvError;
use super::error::at_most;

/// Keys from `start` (included) to `end` (excluded, or without end).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    start: Bytes,
    end: Option<Bytes>,
}

/// A request for the rows of a range.
#[derive(Clone, Debug)]
pub struct Scan {
    /// Which keys.
    pub range: KeyRange,
    /// From which end.
    pub order: Order,
    /// How much at most.
    pub limit: ScanLimit,
    /// Which part of each row.
    pub select: Select,
}

/// From which end of a range rows are returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Smallest key first.
    Ascending,
    /// Largest key first.
    Descending,
}

/// How much one scan returns at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanLimit {
    /// Rows.
    pub rows: usize,
    /// Bytes of the selected parts of the rows. The first row is returned even if it alone is larger, so that whoever
    /// continues from the last key always gets further.
    pub bytes: usize,
}

/// Which part of a row a scan returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Select {
    /// Keys with their values.
    Rows,
    /// Keys; values are empty, are not copied, and don't count against the limit.
    Keys,
}

/// What a scan returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The rows, in the order asked for.
    pub rows: Vec<Row>,
    /// Why the scan stopped before the end of the range, if it did.
    pub cut: Option<Cut>,
}

/// One key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The key.
    pub key: Bytes,
    /// The value; empty when only keys were selected.
    pub value: Bytes,
}

/// Which limit ended a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// [`ScanLimit::rows`].
    Rows,
    /// [`ScanLimit::bytes`].
    Bytes,
}

impl KeyRange {
    /// Keys from `start` up to, but without, `end`.
    #[must_use]
    pub fn new(start: impl Into<Bytes>, end: impl Into<Bytes>) -> Self {
        Self { start: start.into(), end: Some(end.into()) }
    }

    /// Every key.
    #[must_use]
    pub fn all() -> Self {
        Self { start: Bytes::new(), end: None }
    }

    /// The keys that begin with `prefix`.
    #[must_use]
    pub fn prefix(prefix: impl Into<Bytes>) -> Self {
        let start = prefix.into();
        let end = successor_of_prefix(&start);
        Self { start, end }
    }

    /// The part of this range that comes after `key`: where an ascending scan continues.
    #[must_use]
    pub fn after(self, key: &[u8]) -> Self {
        let mut next = BytesMut::with_capacity(key.len() + 1);
        next.put_slice(key);
        next.put_u8(0);
        Self { start: self.start.max(next.freeze()), end: self.end }
    }

    /// The part of this range that comes before `key`: where a descending scan continues.
    #[must_use]
    pub fn before(self, key: &[u8]) -> Self {
        let end = match self.end {
            Some(end) if end[..] <= *key => end,
            _ => Bytes::copy_from_slice(key),
        };
        Self { start: self.start, end: Some(end) }
    }

    /// The first key of the range.
    #[must_use]
    pub fn start(&self) -> &Bytes {
        &self.start
    }

    /// The key before which the range ends; `None` when it has no end.
    #[must_use]
    pub fn end(&self) -> Option<&Bytes> {
        self.end.as_ref()
    }

    /// Whether no key can be in the range.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }

    pub(super) fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        let end = self.end.as_ref().map_or(Bound::Unbounded, |end| Bound::Excluded(&end[..]));
        (Bound::Included(&self.start[..]), end)
    }
}

impl Select {
    /// Bytes of a row that count against [`ScanLimit::bytes`].
    pub(super) fn bytes(self, key: &[u8], value: &[u8]) -> usize {
        match self {
            Self::Rows => key.len() + value.len(),
            Self::Keys => key.len(),
        }
    }
}

/// Collects the rows of one scan until a limit is met.
pub(super) struct PageBuilder {
    limit: ScanLimit,
    select: Select,
    bytes: usize,
    page: Page,
}

impl PageBuilder {
    pub(super) fn new(scan: &Scan) -> Self {
        Self { limit: scan.limit, select: scan.select, bytes: 0, page: Page { rows: Vec::new(), cut: None } }
    }

    /// Takes the next row of the range. Answers whether it wants more.
    pub(super) fn push(&mut self, key: &[u8], value: &[u8]) -> bool {
        let bytes = self.bytes + self.select.bytes(key, value);
        if self.page.rows.len() >= self.limit.rows {
            self.page.cut = Some(Cut::Rows);
            return false;
        }
        if bytes > self.limit.bytes && !self.page.rows.is_empty() {
            self.page.cut = Some(Cut::Bytes);
            return false;
        }
        self.bytes = bytes;
        let value = match self.select {
            Select::Rows => Bytes::copy_from_slice(value),
            Select::Keys => Bytes::new(),
        };
        self.page.rows.push(Row { key: Bytes::copy_from_slice(key), value });
        true
    }

    pub(super) fn finish(self) -> Page {
        self.page
    }
}

/// Collects the values of one `get_many` until there are too many bytes.
pub(super) struct ValuesBuilder {
    bytes_max: usize,
    bytes: usize,
    values: Vec<Option<Bytes>>,
}

impl ValuesBuilder {
    pub(super) fn new(keys: usize, bytes_max: usize) -> Self {
        Self { bytes_max, bytes: 0, values: Vec::with_capacity(keys) }
    }

    /// Takes the value of the next key. Answers whether it wants more.
    pub(super) fn push(&mut self, value: Option<&[u8]>) -> bool {
        self.bytes += value.map_or(0, <[u8]>::len);
        if self.bytes <= self.bytes_max {
            self.values.push(value.map(Bytes::copy_from_slice));
        }
        self.bytes <= self.bytes_max
    }

    pub(super) fn finish(self) -> Result<Vec<Option<Bytes>>, KvError> {
        at_most("a set of values", self.bytes, self.bytes_max)?;
        Ok(self.values)
    }
}

/// The smallest key greater than every key that begins with `prefix`; `None` when there is none.
fn successor_of_prefix(prefix: &[u8]) -> Option<Bytes> {
    let keep = prefix.iter().rposition(|&byte| byte != u8::MAX)?;
    let mut end = BytesMut::from(&prefix[..=keep]);
    end[keep] += 1;
    Some(end.freeze())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_prefix_ends_before_its_successor() {
        for (prefix, end) in [
            (&b""[..], None),
            (b"a", Some(&b"b"[..])),
            (b"a\xff", Some(b"b")),
            (b"\xff\xff", None),
            (b"a\x00", Some(b"a\x01")),
        ] {
            assert_eq!(KeyRange::prefix(prefix).end().map(|end| &end[..]), end, "{prefix:?}");
        }
    }

    proptest! {
        #[test]
        fn a_prefix_range_holds_exactly_the_keys_with_the_prefix(
            prefix in proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(254), Just(255)], 0..4),
            key in proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(254), Just(255)], 0..6),
        ) {
            let range = KeyRange::prefix(prefix.clone());
            let inside = range.start()[..] <= key[..] && range.end().is_none_or(|end| key[..] < end[..]);
            prop_assert_eq!(inside, key.starts_with(&prefix));
        }
    }

    #[test]
    fn a_range_continues_after_and_before_a_key() {
        let range = KeyRange::new("b", "f");
        assert_eq!(range.clone().after(b"c"), KeyRange::new("c\0", "f"));
        assert_eq!(range.clone().after(b"a"), range);
        assert_eq!(range.clone().before(b"e"), KeyRange::new("b", "e"));
        assert_eq!(range.clone().before(b"x"), range);
        assert!(range.before(b"b").is_empty());
    }
}
