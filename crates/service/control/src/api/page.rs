//! Lists are answered in pages, and each page says where the next one begins.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::ApiError;

/// Items of a page unless the caller says otherwise, and at most.
const LIMIT_DEFAULT: u32 = 50;
pub(crate) const LIMIT_MAX: u32 = 100;

/// A cursor is no longer than what may stand in a key of the database, encoded.
const CURSOR_BYTES_MAX: usize = 2048;

/// Which part of a list is wanted.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// Items of a page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    pub(crate) limit: Option<u32>,
    /// Where the page begins: `next_cursor` of the one before.
    #[param(max_length = 2048)]
    pub(crate) cursor: Option<String>,
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// The items.
    pub(crate) items: Vec<T>,
    /// Where the next page begins; null when this is the last one.
    pub(crate) next_cursor: Option<String>,
}

impl PageQuery {
    /// The number of items, within the limits.
    pub(crate) fn limit(&self) -> Result<usize, ApiError> {
        limit_within(self.limit, LIMIT_DEFAULT, LIMIT_MAX)
    }

    /// What the page before ended with.
    pub(crate) fn after<T: for<'a> Deserialize<'a>>(&self) -> Result<Option<T>, ApiError> {
        self.cursor.as_deref().map(read_cursor).transpose()
    }
}

impl<T> Page<T> {
    /// A page that ends with `next`.
    pub(crate) fn new(items: Vec<T>, next: Option<impl Serialize>) -> Result<Self, ApiError> {
        Ok(Self { items, next_cursor: next.map(write_cursor).transpose()? })
    }
}

/// A number of items, if it is one that may be asked for.
pub(crate) fn limit_within(limit: Option<u32>, default: u32, max: u32) -> Result<usize, ApiError> {
    let limit = limit.unwrap_or(default);
    if (1..=max).contains(&limit) {
        Ok(limit as usize)
    } else {
        Err(ApiError::invalid(format!("`limit` is {limit}; it may be 1 to {max}")))
    }
}

/// Cursors are opaque: callers pass back what they got.
pub(crate) fn write_cursor(place: impl Serialize) -> Result<String, ApiError> {
    let json = serde_json::to_vec(&place).map_err(|e| ApiError::internal(&e))?;
    Ok(URL_SAFE_NO_PAD.encode(json))
}

pub(crate) fn read_cursor<T: for<'a> Deserialize<'a>>(text: &str) -> Result<T, ApiError> {
    let bytes = Some(text).filter(|text| text.len() <= CURSOR_BYTES_MAX);
    let bytes = bytes.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    let place = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    place.ok_or_else(|| ApiError::invalid("`cursor` is none that a page of this list ended with; begin without one"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back() {
        let cursor = write_cursor(("name", 7)).unwrap();
        assert_eq!(read_cursor::<(String, u32)>(&cursor).unwrap(), ("name".to_owned(), 7));
        for wrong in ["", "!", "e30", &"A".repeat(3000)] {
            assert!(read_cursor::<(String, u32)>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_limit_is_within_bounds() {
        let limit = |limit| PageQuery { limit, cursor: None }.limit().ok();
        assert_eq!(
            [limit(None), limit(Some(0)), limit(Some(100)), limit(Some(101))],
            [Some(50), None, Some(100), None]
        );
    }
}
