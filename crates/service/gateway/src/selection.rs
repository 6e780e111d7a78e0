//! Which part of an object a request selects, if any: conditional and range requests of RFC 9110.

use std::ops::Range;

use http::header::{self, HeaderMap, HeaderValue};

/// What to send of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// All of it (200).
    Whole,
    /// These bytes (206).
    Part(Range<u64>),
    /// Nothing, because the client has it (304).
    NotModified,
    /// Nothing, because it is not what the client expects (412).
    PreconditionFailed,
    /// Nothing, because it has no such bytes (416).
    Unsatisfiable,
}

/// Decides by the headers of a `GET` request. `etag` is the object's strong entity tag, quotes included.
pub(crate) fn select(headers: &HeaderMap, etag: &str, length_bytes: u64) -> Selection {
    let if_match = values(headers, &header::IF_MATCH);
    if !if_match.is_empty() && !if_match.iter().any(|tags| names(tags, etag, Comparison::Strong)) {
        return Selection::PreconditionFailed;
    }
    if values(headers, &header::IF_NONE_MATCH).iter().any(|tags| names(tags, etag, Comparison::Weak)) {
        return Selection::NotModified;
    }
    let mut ranges = headers.get_all(header::RANGE).iter();
    let (Some(range), None) = (ranges.next(), ranges.next()) else { return Selection::Whole };
    // A date, which objects don't have, never matches: the client then gets all of the object.
    if headers.get(header::IF_RANGE).is_some_and(|tag| tag.as_bytes() != etag.as_bytes()) {
        return Selection::Whole;
    }
    range.to_str().map_or(Selection::Whole, |range| select_range(range, length_bytes))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

fn values<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Vec<&'a HeaderValue> {
    headers.get_all(name).iter().collect()
}

/// Whether a list of entity tags, or `*`, names this one. Tags of ours have no comma in them.
fn names(tags: &HeaderValue, etag: &str, comparison: Comparison) -> bool {
    let Ok(tags) = tags.to_str() else { return false };
    tags.split(',').map(str::trim).any(|tag| {
        let tag = match comparison {
            Comparison::Strong => tag,
            Comparison::Weak => tag.strip_prefix("W/").unwrap_or(tag),
        };
        tag == "*" || tag == etag
    })
}

/// Several ranges, other units and what is malformed are ignored, as the RFC permits: the client gets everything.
fn select_range(range: &str, length_bytes: u64) -> Selection {
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|range| range.trim().split_once('-')) else {
        return Selection::Whole;
    };
    let bytes = match (position(first), position(last)) {
        (Some(Position::At(first)), Some(Position::At(last))) if first <= last => first..last.saturating_add(1),
        (Some(Position::At(first)), Some(Position::Open)) => first..u64::MAX,
        (Some(Position::Open), Some(Position::At(count))) => length_bytes.saturating_sub(count)..u64::MAX,
        _ => return Selection::Whole,
    };
    if bytes.start >= length_bytes {
        return Selection::Unsatisfiable;
    }
    Selection::Part(bytes.start..bytes.end.min(length_bytes))
}

/// One side of a range.
enum Position {
    At(u64),
    Open,
}

fn position(digits: &str) -> Option<Position> {
    if digits.is_empty() {
        return Some(Position::Open);
    }
    // `parse` alone would take a sign.
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| Position::At(digits.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ETAG: &str = "\"abc\"";

    fn selected(lines: &[(&'static str, &str)], length_bytes: u64) -> Selection {
        let mut headers = HeaderMap::new();
        for &(name, value) in lines {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        select(&headers, ETAG, length_bytes)
    }

    #[test]
    fn ranges() {
        for (range, expected) in [
            ("bytes=0-0", Selection::Part(0..1)),
            ("bytes=2-4", Selection::Part(2..5)),
            ("bytes=2-", Selection::Part(2..10)),
            ("bytes=2-99", Selection::Part(2..10)),
            ("bytes=-3", Selection::Part(7..10)),
            ("bytes=-99", Selection::Part(0..10)),
            ("bytes=9-9", Selection::Part(9..10)),
            ("bytes=0-18446744073709551615", Selection::Part(0..10)),
            ("bytes=99999999999999999999-", Selection::Unsatisfiable),
            ("bytes=10-", Selection::Unsatisfiable),
            ("bytes=10-11", Selection::Unsatisfiable),
            ("bytes=-0", Selection::Unsatisfiable),
            ("bytes=4-2", Selection::Whole),
            ("bytes=0-1,3-4", Selection::Whole),
            ("bytes=-", Selection::Whole),
            ("bytes=+1-2", Selection::Whole),
            ("bytes=a-b", Selection::Whole),
            ("lines=1-2", Selection::Whole),
            ("", Selection::Whole),
        ] {
            assert_eq!(selected(&[("range", range)], 10), expected, "{range}");
        }
        assert_eq!(selected(&[("range", "bytes=0-0"), ("range", "bytes=1-1")], 10), Selection::Whole);
        assert_eq!(selected(&[("range", "bytes=0-")], 0), Selection::Unsatisfiable);
        assert_eq!(selected(&[("range", "bytes=-1")], 0), Selection::Unsatisfiable);
    }

    #[test]
    fn conditions() {
        let range = ("range", "bytes=1-1");
        for (lines, expected) in [
            (vec![], Selection::Whole),
            (vec![("if-none-match", ETAG)], Selection::NotModified),
            (vec![("if-none-match", "W/\"abc\"")], Selection::NotModified),
            (vec![("if-none-match", "\"x\", \"abc\"")], Selection::NotModified),
            (vec![("if-none-match", "\"x\""), ("if-none-match", ETAG)], Selection::NotModified),
            (vec![("if-none-match", "*")], Selection::NotModified),
            (vec![("if-none-match", "\"x\""), range], Selection::Part(1..2)),
            (vec![("if-none-match", ETAG), range], Selection::NotModified),
            (vec![("if-match", ETAG), range], Selection::Part(1..2)),
            (vec![("if-match", "*")], Selection::Whole),
            (vec![("if-match", "\"x\""), ("if-none-match", ETAG)], Selection::PreconditionFailed),
            (vec![("if-match", "W/\"abc\"")], Selection::PreconditionFailed),
            (vec![("if-range", ETAG), range], Selection::Part(1..2)),
            (vec![("if-range", "\"x\""), range], Selection::Whole),
            (vec![("if-range", "Sat, 21 Nov 2026 17:00:00 GMT"), range], Selection::Whole),
        ] {
            assert_eq!(selected(&lines, 10), expected, "{lines:?}");
        }
    }

    proptest! {
        #[test]
        fn a_part_lies_within_the_object(range in "bytes=[0-9]{0,3}-[0-9]{0,3}", length_bytes in 0_u64..200) {
            if let Selection::Part(part) = selected(&[("range", &range)], length_bytes) {
                prop_assert!(part.start < part.end && part.end <= length_bytes);
            }
        }
    }
}
