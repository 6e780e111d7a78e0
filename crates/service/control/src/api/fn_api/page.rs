//! Lists as Fn pages them: by name, with a cursor that says what the page before ended with.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::input::given;
use crate::api::error::ApiError;

/// Items of a page unless the caller says otherwise, and at most.
const PER_PAGE_DEFAULT: usize = 30;
const PER_PAGE_MAX: usize = 100;

/// Longest cursor, in bytes.
const CURSOR_BYTES_MAX: usize = 2048;

/// Which part of a list is wanted. What is empty is not given.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListQuery {
    cursor: Option<String>,
    per_page: Option<String>,
    name: Option<String>,
    app_id: Option<String>,
    fn_id: Option<String>,
}

/// A page.
#[derive(Debug, Serialize)]
pub(super) struct List<T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    items: Vec<T>,
}

impl ListQuery {
    /// The number of items. As with Fn, a number that may not be asked for is the nearest one, and none is the default.
    pub(super) fn per_page(&self) -> usize {
        match given(self.per_page.as_ref()).and_then(|text| text.parse::<i64>().ok()) {
            Some(number) if number > 0 => {
                usize::try_from(number).map_or(PER_PAGE_MAX, |number| number.min(PER_PAGE_MAX))
            }
            _ => PER_PAGE_DEFAULT,
        }
    }

    /// What the page before ended with.
    pub(super) fn after(&self) -> Result<Option<String>, ApiError> {
        let read = |text: &str| {
            let bytes = Some(text).filter(|text| text.len() <= CURSOR_BYTES_MAX)?;
            String::from_utf8(URL_SAFE_NO_PAD.decode(bytes).ok()?).ok()
        };
        let wrong = || ApiError::invalid("Invalid cursor: pass on the next_cursor of the page before");
        given(self.cursor.as_ref()).map(|text| read(text).ok_or_else(wrong)).transpose()
    }

    pub(super) fn name(&self) -> Option<&str> {
        given(self.name.as_ref())
    }

    pub(super) fn app_id(&self) -> Option<&str> {
        given(self.app_id.as_ref())
    }

    pub(super) fn fn_id(&self) -> Option<&str> {
        given(self.fn_id.as_ref())
    }
}

impl<T> List<T> {
    /// A page; `next` is what it ended with, if there is another one.
    pub(super) fn new(items: Vec<T>, next: Option<String>) -> Self {
        Self { next_cursor: next.map(|text| URL_SAFE_NO_PAD.encode(text)), items }
    }
}

/// The first items, as many as belong on a page, and what the page ends with if there are more.
pub(super) fn cut<T>(
    items: impl Iterator<Item = T>,
    per_page: usize,
    name: impl Fn(&T) -> String,
) -> (Vec<T>, Option<String>) {
    let mut items: Vec<T> = items.take(per_page + 1).collect();
    let has_more = items.len() > per_page;
    items.truncate(per_page);
    let next = items.last().filter(|_| has_more).map(name);
    (items, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_have_a_size() {
        for (text, expected) in
            [("", 30), ("0", 30), ("-1", 30), ("x", 30), ("1", 1), ("100", 100), ("101", 100), ("99999999999", 100)]
        {
            let query = ListQuery { per_page: Some(text.to_owned()), ..ListQuery::default() };
            assert_eq!(query.per_page(), expected, "{text}");
        }
    }

    #[test]
    fn a_page_says_whether_there_is_another() {
        let name = |number: &u32| number.to_string();
        assert_eq!(cut(1..=3, 2, name), (vec![1, 2], Some("2".to_owned())));
        assert_eq!(cut(1..=2, 2, name), (vec![1, 2], None));
        let list = List::new(vec![1], Some("name".to_owned()));
        let query = ListQuery { cursor: list.next_cursor, ..ListQuery::default() };
        assert_eq!(query.after().unwrap().as_deref(), Some("name"));
        for wrong in ["!", "_w", &"A".repeat(3000)] {
            let query = ListQuery { cursor: Some(wrong.to_owned()), ..ListQuery::default() };
            assert!(query.after().is_err(), "{wrong}");
        }
    }
}
