//! Headers on their way through the gateway: what is checked, counted, and not passed on.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// What one look at all headers of a message tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Survey {
    /// Bytes of all names and values.
    pub(crate) bytes: u64,
    /// Whether some headers are about the connection, not the message.
    pub(crate) has_connection_headers: bool,
    /// Whether some headers are those by which the gateway tells a function something.
    pub(crate) has_own_headers: bool,
}

/// A header whose value is not UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value of the header `{name}` is not UTF-8")]
pub struct NotText {
    name: HeaderName,
}

/// Looks at the headers of a request. Functions see them as text, so that they must be text.
pub(crate) fn survey_request(headers: &HeaderMap) -> Result<Survey, NotText> {
    let mut survey = Survey::default();
    for (name, value) in headers {
        if std::str::from_utf8(value.as_bytes()).is_err() {
            return Err(NotText { name: name.clone() });
        }
        survey.add(name, value);
    }
    Ok(survey)
}

/// Makes the headers of a request that came by another way than a gateway those that a function sees: without what is
/// about the connection, and without what only a gateway may tell a function.
///
/// # Errors
/// When one of them is not text.
pub fn clean_request_headers(headers: &mut HeaderMap) -> Result<(), NotText> {
    clean(headers, survey_request(headers)?);
    Ok(())
}

/// Removes what a survey has found that is not for a function.
pub(crate) fn clean(headers: &mut HeaderMap, survey: Survey) {
    if survey.has_connection_headers {
        remove_connection_headers(headers);
    }
    if survey.has_own_headers {
        remove_own_headers(headers);
    }
}

/// Looks at the headers of any other message.
pub(crate) fn survey(headers: &HeaderMap) -> Survey {
    let mut survey = Survey::default();
    for (name, value) in headers {
        survey.add(name, value);
    }
    survey
}

impl Survey {
    fn add(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.bytes += (name.as_str().len() + value.len()) as u64;
        self.has_connection_headers |= is_about_the_connection(name.as_str());
        self.has_own_headers |= is_own(name.as_str());
    }
}

/// Removes what is about the connection (RFC 9110, 7.6.1): the headers known to be, and those that `Connection` names.
pub(crate) fn remove_connection_headers(headers: &mut HeaderMap) {
    let lists = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named = lists.flat_map(|list| list.split(',')).filter_map(|name| name.trim().parse().ok());
    let known = headers.keys().filter(|name| is_about_the_connection(name.as_str())).cloned();
    for name in named.chain(known).collect::<Vec<HeaderName>>() {
        headers.remove(name);
    }
}

/// Removes what only the gateway may tell a function: events of a WebSocket, and who calls.
fn remove_own_headers(headers: &mut HeaderMap) {
    let forged: Vec<HeaderName> = headers.keys().filter(|name| is_own(name.as_str())).cloned().collect();
    for name in forged {
        headers.remove(name);
    }
}

/// Joins the `Cookie` headers that HTTP/2 clients split, as RFC 9113, 8.2.3 demands before a request is passed on.
pub(crate) fn join_cookies(headers: &mut HeaderMap) {
    let mut cookies = headers.get_all(header::COOKIE).iter();
    if let (Some(first), Some(second)) = (cookies.next(), cookies.next()) {
        let parts: Vec<&[u8]> = [first, second].into_iter().chain(cookies).map(HeaderValue::as_bytes).collect();
        let joined = HeaderValue::from_bytes(&parts.join(&b"; "[..])).expect("parts of headers make a header");
        headers.insert(header::COOKIE, joined);
    }
}

/// Whether a header is known to be about the connection. Asked of every header, hence no loop over names.
fn is_about_the_connection(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Whether only the gateway may set a header: `mu-websocket-…` and `mu-auth-…`. Some frameworks take `_` for `-`.
fn is_own(name: &str) -> bool {
    let rest = name.strip_prefix("mu").and_then(|rest| rest.strip_prefix(['-', '_']));
    rest.is_some_and(|rest| {
        let named = rest.strip_prefix("auth").or_else(|| rest.strip_prefix("websocket"));
        named.is_some_and(|named| named.starts_with(['-', '_']))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|&(k, v)| (HeaderName::from_static(k), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn names_and_values_are_counted() {
        for (lines, bytes, has_connection_headers, has_own_headers) in [
            (vec![], 0, false, false),
            (vec![("a", "12"), ("host", "x")], 8, false, false),
            (vec![("te", "trailers")], 10, true, false),
            (vec![("mu-websocket-event", "open")], 22, false, true),
        ] {
            assert_eq!(survey(&headers(&lines)), Survey { bytes, has_connection_headers, has_own_headers });
        }
    }

    #[test]
    fn a_value_that_is_not_text_is_named() {
        let mut bad = headers(&[("a", "1")]);
        bad.insert("x-user", HeaderValue::from_bytes(b"caf\xe9").unwrap());
        let message = survey_request(&bad).unwrap_err().to_string();
        assert_eq!(message, "the value of the header `x-user` is not UTF-8");
        bad.insert("x-user", HeaderValue::from_bytes("café".as_bytes()).unwrap());
        assert!(survey_request(&bad).is_ok());
    }

    #[test]
    fn connection_headers_go_and_the_rest_stays() {
        let mut mixed = headers(&[
            ("connection", "keep-alive, X-Secret"),
            ("keep-alive", "timeout=5"),
            ("x-secret", "1"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("accept", "*/*"),
        ]);
        remove_connection_headers(&mut mixed);
        assert_eq!(mixed, headers(&[("accept", "*/*")]));
    }

    #[test]
    fn headers_of_the_gateways_own_are_known_in_all_spellings() {
        for (name, expected) in [
            ("mu-auth-subject", true),
            ("mu-auth-", true),
            ("mu_auth_subject", true),
            ("mu-auth_claims", true),
            ("mu-websocket-event", true),
            ("mu_websocket-x", true),
            ("mu-authority", false),
            ("mu-auth", false),
            ("mu-websocket", false),
            ("mu", false),
            ("authorization", false),
            ("x-mu-auth-subject", false),
        ] {
            assert_eq!(is_own(name), expected, "{name}");
        }
    }

    #[test]
    fn split_cookies_are_joined() {
        let mut split = HeaderMap::new();
        for cookie in ["a=1", "b=2", "c=3"] {
            split.append(header::COOKIE, HeaderValue::from_static(cookie));
        }
        join_cookies(&mut split);
        assert_eq!(split, headers(&[("cookie", "a=1; b=2; c=3")]));
        join_cookies(&mut split);
        assert_eq!(split, headers(&[("cookie", "a=1; b=2; c=3")]));
    }
}
