//! The query of a URL, taken apart.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// A part of the URL that is not UTF-8 once its `%XX` are decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{part}` in the {place} is not UTF-8 when decoded")]
pub(crate) struct NotText {
    part: String,
    place: &'static str,
}

/// How much of what a client sent is repeated to it, in characters.
pub(crate) const SHOWN_CHARS_MAX: usize = 100;

/// The pairs of a query in their order, decoded. A key without `=` has an empty value; empty parts are skipped.
pub(crate) fn parse_query(query: &str) -> Result<Vec<(String, String)>, NotText> {
    let mut pairs = Vec::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        pairs.push((decode_form(key)?, decode_form(value)?));
    }
    Ok(pairs)
}

/// Decodes `%XX` in a segment of the path.
pub(crate) fn decode_segment(segment: &str) -> Result<Cow<'_, str>, NotText> {
    decode(segment, "path")
}

/// Decodes `+` and `%XX`.
fn decode_form(text: &str) -> Result<String, NotText> {
    if text.contains('+') {
        return decode(&text.replace('+', " "), "query").map(Cow::into_owned);
    }
    decode(text, "query").map(Cow::into_owned)
}

fn decode<'a>(text: &'a str, place: &'static str) -> Result<Cow<'a, str>, NotText> {
    if !text.bytes().any(|byte| byte == b'%') {
        return Ok(Cow::Borrowed(text));
    }
    percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| NotText { part: text.chars().take(SHOWN_CHARS_MAX).collect(), place })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_keep_their_order_and_their_repetitions() {
        for (query, expected) in [
            ("", vec![]),
            ("a=1&b=2&a=3", vec![("a", "1"), ("b", "2"), ("a", "3")]),
            ("&&a&=&b=", vec![("a", ""), ("", ""), ("b", "")]),
            ("a=b=c", vec![("a", "b=c")]),
            ("a+b=c+d&%2B=%2b", vec![("a b", "c d"), ("+", "+")]),
            ("%C3%A9=%E2%82%AC", vec![("é", "€")]),
            // What is no escape stands for itself.
            ("a=%&b=%4&c=%zz", vec![("a", "%"), ("b", "%4"), ("c", "%zz")]),
        ] {
            let pairs = parse_query(query).unwrap();
            assert_eq!(pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>(), expected, "{query}");
        }
    }

    #[test]
    fn what_is_not_text_is_named() {
        let message = parse_query("a=1&b=%ff").unwrap_err().to_string();
        assert_eq!(message, "`%ff` in the query is not UTF-8 when decoded");
    }
}
