//! Percent-decoding of one segment of a request's path.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// The decoded segment; `None` when a `%` isn't followed by two hexadecimal digits, or the bytes are not UTF-8.
///
/// Strict, because a lenient reading lets one path have two meanings along the way of a request.
pub(super) fn decode(segment: &str) -> Option<Cow<'_, str>> {
    if !segment.contains('%') {
        return Some(Cow::Borrowed(segment));
    }
    let bytes = segment.as_bytes();
    let well_formed = bytes.iter().enumerate().filter(|&(_, &byte)| byte == b'%').all(|(index, _)| {
        matches!(bytes.get(index + 1..index + 3), Some([high, low]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
    });
    if well_formed { percent_decode_str(segment).decode_utf8().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding() {
        for (written, meant) in [
            ("", Some("")),
            ("plain", Some("plain")),
            ("a%20b", Some("a b")),
            ("%2F", Some("/")),
            ("caf%C3%A9", Some("café")),
            ("café", Some("café")),
            ("%25%32%30", Some("%20")),
            ("a+b", Some("a+b")),
            ("%", None),
            ("%4", None),
            ("%zz", None),
            ("%+1", None),
            ("%FF", None),
            ("%C3", None),
            ("%é", None),
        ] {
            assert_eq!(decode(written).as_deref(), meant, "{written}");
        }
    }
}
