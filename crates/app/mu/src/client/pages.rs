//! Lists, which a node answers in pages.

use clap::Args;
use serde::Deserialize;
use serde_json::Value;

use super::{Call, CallError, Client};
use crate::terminal;

/// How much of a list is shown.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Limit {
    /// How many are shown at most
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
}

/// Items of one page, unless the caller of the list knows that the node gives more.
const PAGE_ITEMS: u32 = 100;

#[derive(Deserialize)]
struct Page {
    items: Vec<Value>,
    #[serde(default)]
    next_cursor: Option<String>,
}

impl Client {
    /// The items of a list, page after page, up to the limit.
    pub(crate) fn list(
        &self,
        path: &str,
        query: &[(&str, Option<&str>)],
        limit: Limit,
    ) -> Result<Vec<Value>, CallError> {
        self.list_in_pages_of(PAGE_ITEMS, path, query, limit)
    }

    /// The same of a list whose pages have so many items.
    pub(crate) fn list_in_pages_of(
        &self,
        page_items: u32,
        path: &str,
        query: &[(&str, Option<&str>)],
        limit: Limit,
    ) -> Result<Vec<Value>, CallError> {
        let (mut items, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let left = (limit.limit as usize).saturating_sub(items.len());
            let wanted = left.min(page_items as usize).to_string();
            let call = Call::get(path).query(query).query(&[("limit", Some(&wanted)), ("cursor", cursor.as_deref())]);
            let page: Page = self.ask(&call)?;
            items.extend(page.items.into_iter().take(left));
            // A page may be empty and not be the last one; one that leads to itself would never end.
            match page.next_cursor.filter(|next| cursor.as_ref() != Some(next)) {
                None => return Ok(items),
                Some(_) if items.len() >= limit.limit as usize => {
                    terminal::say(format!("These are the first {}; --limit shows more", items.len()));
                    return Ok(items);
                }
                Some(next) => cursor = Some(next),
            }
        }
    }
}
