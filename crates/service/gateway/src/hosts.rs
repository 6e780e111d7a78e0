//! Hosts of stacks' own: whose gateway answers where.

use std::borrow::{Borrow, Cow};
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use http::header::{self, HeaderMap};
use http::{Uri, Version};
use mu_stack::{GatewayName, StackId};

/// Longest name of a host and of one of its labels, in bytes (RFC 1035, 2.3.4).
const HOST_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// A host as clients name it, in lower case, without a port and without the dot at its end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(Box<str>);

/// The text is no name of a host, IPv4 address, or IPv6 address in brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a host is a name of 1 to {HOST_BYTES_MAX} bytes of letters, digits, `-`, `_` and `.`, or an IP address")]
pub struct MalformedHost;

/// The gateway that answers everything on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRoute {
    /// The stack.
    pub stack: StackId,
    /// The name of its gateway; the only one that it has when there is none.
    pub gateway: Option<GatewayName>,
}

/// What a node knows of hosts at a moment.
#[derive(Clone, Debug, Default)]
pub struct Hosts(HashMap<Host, HostRoute>);

/// The hosts of a node, replaced as a whole when something about them changes. Reading is lock-free.
#[derive(Debug, Default)]
pub struct HostTable(ArcSwap<Hosts>);

impl Hosts {
    /// Lets a gateway answer everything on a host, in place of whatever did.
    pub fn route(&mut self, host: Host, route: HostRoute) {
        self.0.insert(host, route);
    }

    /// The gateway of a host.
    pub(crate) fn find(&self, host: &str) -> Option<&HostRoute> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&*lower_case(host))
    }
}

impl HostTable {
    /// Replaces all that was known.
    pub fn replace(&self, hosts: Hosts) {
        self.0.store(Arc::new(hosts));
    }

    pub(crate) fn current(&self) -> Guard<Arc<Hosts>> {
        self.0.load()
    }
}

impl Host {
    /// The host's name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Host {
    type Err = MalformedHost;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(name(text)?.to_ascii_lowercase().into()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Borrow<str> for Host {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// The host that a request is for, in the case in which the client wrote it; `None` where the client need not name one
/// and does not.
pub(crate) fn requested<'r>(
    version: Version,
    uri: &'r Uri,
    headers: &'r HeaderMap,
) -> Result<Option<&'r str>, MalformedHost> {
    let mut values = headers.get_all(header::HOST).iter();
    let value = values.next();
    if values.next().is_some() {
        return Err(MalformedHost);
    }
    let value = value.map(|value| value.to_str().map_err(|_| MalformedHost)).transpose()?;
    let authority = uri.authority().map(http::uri::Authority::as_str);
    let host = match (authority, value) {
        // RFC 9113, 8.3.1: they must not tell different things. In HTTP/1 the URL counts (RFC 9112, 3.2.2).
        (Some(authority), Some(value)) if version == Version::HTTP_2 && !authority.eq_ignore_ascii_case(value) => {
            return Err(MalformedHost);
        }
        (Some(authority), _) => authority,
        (None, Some(value)) => value,
        // RFC 9112, 3.2: a client of HTTP/1.1 must say it.
        (None, None) if version == Version::HTTP_11 => return Err(MalformedHost),
        (None, None) => return Ok(None),
    };
    if host.is_empty() { Ok(None) } else { name(host).map(Some) }
}

/// The name in `name[:port]`.
fn name(authority: &str) -> Result<&str, MalformedHost> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or(MalformedHost)?;
        let is_address = address.parse::<std::net::Ipv6Addr>().is_ok();
        let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return if is_address && is_port { Ok(&authority[..address.len() + 2]) } else { Err(MalformedHost) };
    }
    let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
    let host = host.strip_suffix('.').unwrap_or(host);
    let is_label = |label: &[u8]| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let is_name = host.len() <= HOST_BYTES_MAX && host.as_bytes().split(|&byte| byte == b'.').all(is_label);
    if is_name && is_port(port) { Ok(host) } else { Err(MalformedHost) }
}

/// A port; RFC 3986 permits one of no digits.
fn is_port(port: &str) -> bool {
    port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit())
}

fn lower_case(host: &str) -> Cow<'_, str> {
    match host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(host.to_ascii_lowercase()),
        false => Cow::Borrowed(host),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hosts_are_names_or_addresses() {
        let (label, long) = ("a".repeat(63), "a.".repeat(128));
        for (text, expected) in [
            ("example.com", Some("example.com")),
            ("Example.COM:8443", Some("example.com")),
            ("example.com.", Some("example.com")),
            ("example.com.:80", Some("example.com")),
            ("example.com:", Some("example.com")),
            ("x", Some("x")),
            ("a_b-c", Some("a_b-c")),
            ("127.0.0.1:12080", Some("127.0.0.1")),
            ("[::1]", Some("[::1]")),
            ("[2001:DB8::1]:443", Some("[2001:db8::1]")),
            (&label, Some(&label)),
            ("", None),
            (".", None),
            ("a..b", None),
            (".a", None),
            ("a..", None),
            ("a b", None),
            ("a/b", None),
            ("user@a", None),
            ("ä.example", None),
            ("a%20b", None),
            ("a:b", None),
            ("a:123456", None),
            ("a:1:2", None),
            ("::1", None),
            ("[::1", None),
            ("[::1]x", None),
            ("[]", None),
            ("[a.b]", None),
            (&format!("{label}a"), None),
            (&long, None),
        ] {
            let host = text.parse::<Host>();
            assert_eq!(host.as_ref().map(Host::as_str).ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_request_names_one_host() {
        for (version, uri, hosts, expected) in [
            (Version::HTTP_11, "/", vec!["a.example:80"], Ok(Some("a.example"))),
            (Version::HTTP_11, "/", vec![], Err(MalformedHost)),
            (Version::HTTP_11, "/", vec![""], Ok(None)),
            (Version::HTTP_11, "/", vec!["a", "a"], Err(MalformedHost)),
            (Version::HTTP_11, "/", vec!["a b"], Err(MalformedHost)),
            (Version::HTTP_11, "http://b/", vec!["a"], Ok(Some("b"))),
            (Version::HTTP_10, "/", vec![], Ok(None)),
            (Version::HTTP_2, "http://b:1/", vec![], Ok(Some("b"))),
            (Version::HTTP_2, "http://B:1/", vec!["b:1"], Ok(Some("B"))),
            (Version::HTTP_2, "http://b/", vec!["a"], Err(MalformedHost)),
            (Version::HTTP_2, "http://u@b/", vec![], Err(MalformedHost)),
            (Version::HTTP_2, "/", vec![], Ok(None)),
        ] {
            let uri = uri.parse().unwrap();
            let mut headers = HeaderMap::new();
            for host in &hosts {
                headers.append(header::HOST, HeaderValue::from_str(host).unwrap());
            }
            assert_eq!(requested(version, &uri, &headers), expected, "{version:?} {uri} {hosts:?}");
        }
    }

    #[test]
    fn hosts_are_found_in_any_case() {
        let (mut hosts, table) = (Hosts::default(), HostTable::default());
        let route = HostRoute { stack: StackId::new([1; 32]), gateway: Some("api".parse().unwrap()) };
        hosts.route("A.example".parse().unwrap(), route.clone());
        table.replace(hosts);
        let current = table.current();
        assert_eq!(current.find("a.EXAMPLE"), Some(&route));
        assert_eq!(current.find("b.example"), None);
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_accepted_again(text in "\\PC{0,20}|[a-cA-C.:\\[\\]0-9-]{0,12}") {
            if let Ok(host) = text.parse::<Host>() {
                prop_assert_eq!(host.as_str().parse::<Host>(), Ok(host.clone()));
            }
        }
    }
}
