//! What of a request says who asks.

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

/// The head of a request, as it came.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a Method,
    /// The target: path and query, with HTTP/2 also the authority.
    pub uri: &'a Uri,
    /// The headers.
    pub headers: &'a HeaderMap,
}

/// How often a header that should stand once is there.
pub(super) enum Once<'a> {
    Absent,
    /// Its value, which is visible ASCII.
    Text(&'a str),
    /// More than once, or not ASCII.
    Unusable,
}

impl<'a> RequestHead<'a> {
    /// A header that has one value or none.
    pub(super) fn once(&self, name: &HeaderName) -> Once<'a> {
        let mut values = self.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Once::Absent,
            (Some(value), None) => value.to_str().map_or(Once::Unusable, Once::Text),
            (Some(_), Some(_)) => Once::Unusable,
        }
    }

    /// The header's value when it is there exactly once.
    pub(super) fn text(&self, name: &HeaderName) -> Option<&'a str> {
        match self.once(name) {
            Once::Text(text) => Some(text),
            Once::Absent | Once::Unusable => None,
        }
    }

    /// Whether the header is there at all.
    pub(super) fn has(&self, name: &HeaderName) -> bool {
        self.headers.contains_key(name)
    }

    /// The authority that the request was sent to: `Host`, with HTTP/2 `:authority`. `None` when there is none, or when
    /// the two disagree.
    pub(crate) fn authority(&self) -> Option<&'a str> {
        let from_uri = self.uri.authority().map(http::uri::Authority::as_str);
        match (from_uri, self.once(&http::header::HOST)) {
            (Some(authority), Once::Absent) => Some(authority),
            (None, Once::Text(host)) => Some(host),
            (Some(authority), Once::Text(host)) if authority.eq_ignore_ascii_case(host) => Some(host),
            _ => None,
        }
    }
}

impl<'a> From<&'a Parts> for RequestHead<'a> {
    fn from(parts: &'a Parts) -> Self {
        Self { method: &parts.method, uri: &parts.uri, headers: &parts.headers }
    }
}

/// A header value made of text that is known to be visible ASCII.
pub(super) fn ascii_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("base64, digits and quoted ASCII are allowed in a header")
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn the_authority_is_one() {
        for (uri, hosts, expected) in [
            ("/v1", &["a.example"][..], Some("a.example")),
            ("http://a.example/v1", &[][..], Some("a.example")),
            ("http://a.example/v1", &["A.example"][..], Some("A.example")),
            ("http://a.example/v1", &["b.example"][..], None),
            ("/v1", &[][..], None),
            ("/v1", &["a.example", "a.example"][..], None),
            ("/v1", &["\u{e4}"][..], None),
        ] {
            let mut request = Request::builder().uri(uri);
            for host in hosts {
                request = request.header("host", HeaderValue::from_bytes(host.as_bytes()).unwrap());
            }
            let (parts, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(RequestHead::from(&parts).authority(), expected, "{uri} {hosts:?}");
        }
    }
}
