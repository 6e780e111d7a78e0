//! The handshake of RFC 6455, 4.2: what a client must send, and who may.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{StatusCode, Uri};
use mu_invoke::{CorsPolicy, Kind, OriginRule};
use tungstenite::handshake::derive_accept_key;

use crate::error::{ApiError, shown};

const VERSION: HeaderValue = HeaderValue::from_static("13");
const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

/// A handshake that can be completed.
#[derive(Debug)]
pub(super) struct Handshake {
    accept: HeaderValue,
    /// The subprotocols that the client offers, in its order.
    protocols: Vec<String>,
}

/// The function chose a subprotocol that the client did not offer, or several.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotOffered;

/// Whether a request asks for a WebSocket. All that it must have besides is checked later.
pub(crate) fn is_asked_for(headers: &HeaderMap) -> bool {
    has_token(headers, &header::UPGRADE, "websocket")
}

/// The answer where there is a WebSocket and the client asked for something else.
pub(crate) fn required(path: &str) -> ApiError {
    let message = format!("the path `{}` is for WebSockets: ask for an upgrade to `websocket`", shown(path));
    ApiError::new(Kind::Invalid, message)
        .status(StatusCode::UPGRADE_REQUIRED)
        .code("upgrade_required")
        .header(header::UPGRADE, WEBSOCKET)
        .header(header::CONNECTION, HeaderValue::from_static("upgrade"))
}

impl Handshake {
    /// Checks what the client sent.
    pub(super) fn check(headers: &HeaderMap) -> Result<Self, ApiError> {
        if !has_token(headers, &header::CONNECTION, "upgrade") {
            return Err(malformed("the header `connection` does not have `upgrade`"));
        }
        if only(headers, &header::SEC_WEBSOCKET_VERSION) != Some(&VERSION) {
            return Err(malformed("the header `sec-websocket-version` is not 13")
                .status(StatusCode::UPGRADE_REQUIRED)
                .header(header::SEC_WEBSOCKET_VERSION, VERSION));
        }
        let key = only(headers, &header::SEC_WEBSOCKET_KEY).filter(|key| is_key(key.as_bytes()));
        let key = key.ok_or_else(|| malformed("the header `sec-websocket-key` is not 16 bytes in base64"))?;
        let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes()));
        Ok(Self { accept: accept.expect("base64 is fit for a header"), protocols: protocols(headers)? })
    }

    /// Adds what completes the handshake to the headers of the function's answer. A subprotocol among them must be one
    /// that the client offered.
    pub(super) fn complete(&self, headers: &mut HeaderMap) -> Result<(), NotOffered> {
        let mut chosen = headers.get_all(&header::SEC_WEBSOCKET_PROTOCOL).iter();
        if let Some(protocol) = chosen.next() {
            let is_offered = self.protocols.iter().any(|offered| offered.as_bytes() == protocol.as_bytes());
            if !is_offered || chosen.next().is_some() {
                return Err(NotOffered);
            }
        }
        // No extension is spoken here, so that a function can't choose one.
        headers.remove(header::SEC_WEBSOCKET_EXTENSIONS);
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, WEBSOCKET);
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, self.accept.clone());
        Ok(())
    }
}

/// Whether the page that asks may have a connection. Browsers send cookies along and ask nobody: other than for
/// requests, it is the server that must refuse pages of other origins. The gateway's `cors` says which ones are welcome;
/// without it, those of its own host. Clients that are no browsers send no origin.
pub(super) fn check_origin(headers: &HeaderMap, uri: &Uri, policy: Option<&CorsPolicy>) -> Result<(), ApiError> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .or(uri.authority().map(http::uri::Authority::as_str));
    let is_own = origin.to_str().ok().zip(host).is_some_and(|(origin, host)| is_same_host(origin, host));
    let is_welcome = policy.is_some_and(|policy| match &policy.origins {
        OriginRule::Any => true,
        OriginRule::Only(origins) => origins.contains(origin),
    });
    if is_own || is_welcome {
        return Ok(());
    }
    let message = "pages of this origin may not connect; list it in `cors` of the gateway, under `allow_origins`";
    let origin = String::from_utf8_lossy(origin.as_bytes()).into_owned();
    Err(ApiError::new(Kind::Denied, message).detail("origin", origin))
}

/// Whether an origin like `https://example.com` is a page of the host. The scheme is the business of whoever ends TLS.
fn is_same_host(origin: &str, host: &str) -> bool {
    let Some((_, authority)) = origin.split_once("://") else { return false };
    without_usual_port(authority).eq_ignore_ascii_case(without_usual_port(host))
}

fn without_usual_port(authority: &str) -> &str {
    authority.strip_suffix(":80").or_else(|| authority.strip_suffix(":443")).unwrap_or(authority)
}

fn malformed(what: &str) -> ApiError {
    ApiError::new(Kind::Invalid, format!("the WebSocket handshake is malformed: {what}")).code("handshake_malformed")
}

/// The one value of a header; none when it has several.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

fn tokens<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    let lists = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).map(str::trim)
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|found| found.eq_ignore_ascii_case(token))
}

/// Whether this is 16 bytes in base64: 22 digits, the last of which has 2 bits, and the padding.
fn is_key(key: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.len() == 24
        && key[..22].iter().all(is_digit)
        && matches!(key[21], b'A' | b'Q' | b'g' | b'w')
        && &key[22..] == b"=="
}

fn protocols(headers: &HeaderMap) -> Result<Vec<String>, ApiError> {
    let mut protocols: Vec<String> = Vec::new();
    for protocol in tokens(headers, &header::SEC_WEBSOCKET_PROTOCOL) {
        if protocol.parse::<HeaderName>().is_err() || protocols.iter().any(|known| known == protocol) {
            return Err(malformed("the header `sec-websocket-protocol` is not a list of different tokens"));
        }
        protocols.push(protocol.to_owned());
    }
    Ok(protocols)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: (&str, &str) = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    const VERSION_13: (&str, &str) = ("sec-websocket-version", "13");
    const CONNECTION: (&str, &str) = ("connection", "keep-alive, Upgrade");

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for &(name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn the_example_of_the_rfc() {
        let handshake = Handshake::check(&headers(&[KEY, VERSION_13, CONNECTION])).unwrap();
        let mut answer = headers(&[("x-own", "1"), ("sec-websocket-extensions", "permessage-deflate")]);
        handshake.complete(&mut answer).unwrap();
        let expected = headers(&[
            ("x-own", "1"),
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ]);
        assert_eq!(answer, expected);
    }

    #[test]
    fn what_is_missing_or_malformed_is_named() {
        for (lines, status, named) in [
            (vec![KEY, VERSION_13], 400, "`connection`"),
            (vec![KEY, VERSION_13, ("connection", "keep-alive")], 400, "`connection`"),
            (vec![KEY, CONNECTION], 426, "`sec-websocket-version`"),
            (vec![KEY, CONNECTION, ("sec-websocket-version", "8")], 426, "`sec-websocket-version`"),
            (vec![VERSION_13, CONNECTION], 400, "`sec-websocket-key`"),
            (vec![KEY, KEY, VERSION_13, CONNECTION], 400, "`sec-websocket-key`"),
            (vec![("sec-websocket-key", "c2hvcnQ="), VERSION_13, CONNECTION], 400, "`sec-websocket-key`"),
            (
                vec![("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZR=="), VERSION_13, CONNECTION],
                400,
                "`sec-websocket-key`",
            ),
            (vec![KEY, VERSION_13, CONNECTION, ("sec-websocket-protocol", "a, a")], 400, "`sec-websocket-protocol`"),
            (vec![KEY, VERSION_13, CONNECTION, ("sec-websocket-protocol", "a b")], 400, "`sec-websocket-protocol`"),
        ] {
            let response = Handshake::check(&headers(&lines)).unwrap_err();
            let text = format!("{response:?}");
            assert!(text.contains(named), "{lines:?}: {text}");
            assert_eq!(response.into_response().status().as_u16(), status, "{lines:?}");
        }
    }

    #[test]
    fn a_subprotocol_must_be_one_of_those_offered() {
        let offer =
            [KEY, VERSION_13, CONNECTION, ("sec-websocket-protocol", "chat, x"), ("sec-websocket-protocol", "y")];
        let handshake = Handshake::check(&headers(&offer)).unwrap();
        let protocol = |value| ("sec-websocket-protocol", value);
        for (chosen, expected) in [
            (vec![], Ok(())),
            (vec![protocol("chat")], Ok(())),
            (vec![protocol("y")], Ok(())),
            (vec![protocol("z")], Err(NotOffered)),
            (vec![protocol("chat, x")], Err(NotOffered)),
            (vec![protocol("chat"), protocol("x")], Err(NotOffered)),
        ] {
            assert_eq!(handshake.complete(&mut headers(&chosen)), expected, "{chosen:?}");
        }
    }

    #[test]
    fn pages_of_other_origins_need_permission() {
        use mu_stack::{AllowList, Cors};
        let cors = |allow_origins| {
            CorsPolicy::from(&Cors {
                allow_origins,
                allow_methods: None,
                allow_headers: AllowList::Any,
                expose_headers: Vec::new(),
                allow_credentials: false,
                max_age: None,
            })
        };
        let listed = cors(AllowList::Only(vec!["https://a.example".to_owned()]));
        let any = cors(AllowList::Any);
        let own = ("host", "chat.example:443");
        for (lines, policy, is_permitted) in [
            (vec![own], None, true),
            (vec![own, ("origin", "https://chat.example")], None, true),
            (vec![own, ("origin", "https://CHAT.example:443")], None, true),
            (vec![own, ("origin", "https://a.example")], None, false),
            (vec![own, ("origin", "null")], None, false),
            (vec![("origin", "https://a.example")], None, false),
            (vec![own, ("origin", "https://a.example")], Some(&listed), true),
            (vec![own, ("origin", "https://b.example")], Some(&listed), false),
            (vec![own, ("origin", "https://b.example")], Some(&any), true),
        ] {
            let checked = check_origin(&headers(&lines), &Uri::from_static("/"), policy);
            assert_eq!(checked.is_ok(), is_permitted, "{lines:?}");
        }
    }
}
